"""What a test of the rules states is what the plan is made from: nothing is left to a clock, a ledger or a hash."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.containers import State
from planner.core.conversations import Scope
from planner.core.decisions.worth import see
from planner.core.preview.given import NotEditedError, Stage, body_of, sampled, stage
from planner.core.reasons import Outcome, Reason
from planner.core.rulebook.book import CallerRow, Callers
from planner.core.rulebook.policies import BundleRule, Policy, Portion, Then
from planner.core.rulefile.testfile import read_tests
from planner.core.wire import MessagesRequest
from tests.doubles.deciding import BOOK, book

CODE = {"model": "claude-haiku-5-5", "tools": ["code_execution_20250825"]}
ROW = CallerRow(
    name="reports", keys=("0123456789abcdef",), team="finance", organization="acme", workspace="main", flags=("zdr",)
)
KNOWN = book(callers=Callers((ROW, CallerRow(name="login", billing="subscription"))))


def staged(facts: Any = None, caller: Any = None, request: Any = None, rules: Any = BOOK) -> Stage:
    """The stage of a test that states this; it comes in through its file, as any other."""
    stated = {"request": request or CODE, "facts": facts or {}, "caller": caller or {}}
    row = {"name": "one", "given": stated, "expect": {"edited": False}}
    reading = read_tests({"tests/x.yaml": json.dumps({"tests": [row]}).encode()}, rules)
    assert reading.findings == ()
    return stage(reading.tests[0].shape.given, rules)


def test_what_is_not_said_is_the_same_every_day() -> None:
    """Noon of a fixed day, an example caller, no free hour used, nothing learnt."""
    facts = staged().facts
    assert facts.now == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert (facts.principal, facts.scope) == ("example", Scope("example", "example"))
    assert (facts.allowance.known, facts.allowance.probability, facts.allowance.limit) == (True, 0.0, 1550)
    assert facts.prompt == see(staged().request)
    assert facts.learnt.requests == 0
    assert staged().facts.prefix == staged().facts.prefix != ""


def test_a_request_may_be_short() -> None:
    """Tools stand as their types; what every request has is put in; what is written stays as it is."""
    body = json.loads(body_of({**CODE, "tools": [*CODE["tools"], "custom", "bash_20250124", {"name": "own"}]}))
    assert [tool["name"] for tool in body["tools"]] == ["code_execution", "client_tool_2", "bash", "own"]
    assert body["tools"][0] == {"type": "code_execution_20250825", "name": "code_execution"}
    assert (body["max_tokens"], len(body["messages"])) == (1024, 1)
    whole = {"model": "m", "max_tokens": 5, "messages": [], "tools": "none", "metadata": {"user_id": "u"}}
    assert json.loads(body_of(whole)) == whole


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=9))))
def test_every_request_makes_a_body(request: dict[str, Any]) -> None:
    """What a member holds is for the API to judge."""
    parsed = MessagesRequest.parse(body_of(request))
    assert parsed.body == body_of(request)


def test_a_caller_is_who_the_callers_file_says() -> None:
    """By name or by key; what is stated beats it, and the client's own tags do not."""
    facts = staged(
        caller={"principal": "0123456789abcdef", "tags": {"team": "web", "project": "p1"}}, rules=KNOWN
    ).facts
    assert (facts.principal, facts.team, facts.project, facts.flags) == ("reports", "finance", "p1", ("zdr",))
    assert facts.scope == Scope("acme", "main")
    stated = {"principal": "reports", "team": "web", "organization": "other", "flags": []}
    facts = staged(caller=stated, rules=KNOWN).facts
    assert (facts.team, facts.scope, facts.flags) == ("web", Scope("other", "main"), ())
    assert staged(caller={"principal": "login"}, rules=KNOWN).facts.subscription
    tags = {"team": "web", "feature": "chat"}
    assert (staged(caller={"tags": tags}).facts.team, staged(caller={"tags": tags}).facts.tags) == ("web", tags)


def test_who_is_not_known_again() -> None:
    """Without a key, or by a login that no file names."""
    assert staged().facts.identifiable
    assert not staged(caller={"principal": "anonymous"}).facts.identifiable
    assert not staged(caller={"billing": "subscription"}).facts.identifiable
    assert staged(caller={"principal": "login"}, rules=KNOWN).facts.identifiable


def test_a_caller_that_nobody_has_seen() -> None:
    """An organization of null, also where the callers' file knows better."""
    assert staged(caller={"organization": None}).facts.scope is None
    assert staged(caller={"principal": "reports", "organization": None}, rules=KNOWN).facts.scope is None


@pytest.mark.parametrize(
    ("hours", "known", "chance"),
    [
        ("unknown", False, 0.0),
        ({"used": 1549}, True, 0.0),
        ({"used": 1550}, True, 1.0),
        ({"used": 1400, "exceeded": 0.9}, True, 0.9),
        ({"used": 1600, "exceeded": 0.5}, True, 0.5),
    ],
)
def test_the_free_hours(hours: Any, known: bool, chance: float) -> None:  # noqa: FBT001 - a column
    """What is used up is exceeded for sure, unless the test says otherwise."""
    allowance = staged({"free_hours": hours}).facts.allowance
    assert (allowance.known, allowance.probability) == (known, chance)


def test_the_prompt_is_as_it_is_stated() -> None:
    """Exactly so long, so that no bound of an estimate stands in the way."""
    prompt = staged({"prompt_tokens": 18_000, "cached_tokens": 17_000, "cache_ttl": "1h", "files": True}).facts.prompt
    assert prompt is not None
    assert (prompt.fewest, prompt.tokens, prompt.most, prompt.cached) == (18_000, 18_000, 18_000, 17_000)
    assert (prompt.marked, prompt.long, prompt.files) == (True, True, True)
    bare = staged({"cached": True}).facts.prompt
    assert bare is not None
    assert (bare.marked, bare.cached) == (True, None)


def test_habits_weigh_as_much_as_their_requests() -> None:
    """Beside the prior; what is not said is not known."""
    learnt = staged({"habits": {"requests": 60, "code_runs": 0.8, "turns": 3}}).facts.learnt
    assert (learnt.requests, learnt.begun) == (60, 20)
    assert learnt.code.at(0.0) == pytest.approx(0.6)
    assert learnt.code.at(0.8) == pytest.approx(0.8)
    assert learnt.samples.at(2.5) == 2.5


@pytest.mark.parametrize("side", ["untouched", "bundled"])
def test_a_warm_prefix(side: str) -> None:
    """One side of it, with the tokens in front of its breakpoint."""
    facts = staged({"warm": side, "cached_tokens": 900}).facts
    epoch = facts.epoch
    assert epoch is not None
    assert epoch == epoch.at(facts.now)
    warmth = epoch.bundled if side == "bundled" else epoch.plain
    assert warmth is not None
    assert (warmth.tokens, epoch.edited) == (900, side == "bundled")
    assert None in (epoch.plain, epoch.bundled)


@pytest.mark.parametrize(
    ("mode", "undecided", "off"),
    [
        ("plan", None, False),
        ("observe", Reason.OBSERVE, False),
        ("drain", Reason.DRAINING, False),
        ("off", None, True),
    ],
)
def test_the_mode(mode: str, undecided: Reason | None, off: bool) -> None:  # noqa: FBT001 - a column
    """What stops deciding, and what stops repeating as well."""
    facts = staged({"mode": mode}).facts
    assert (facts.undecided, facts.off, facts.observing) == (undecided, off, False)


def test_a_process_that_observes() -> None:
    """It decides nothing either, whatever the caller asks for."""
    facts = staged({"observing": True}).facts
    assert (facts.undecided, facts.observing) == (Reason.OBSERVE, True)


def test_a_conversation_that_was_edited() -> None:
    """With the edit that its first request would have got, whatever the policies are now; nobody decides it again."""
    for rules in (BOOK, book(policies=())):
        known = staged({"earlier": {"edited": True}, "mode": "observe"}, rules=rules).facts.conversation
        assert known is not None
        assert known.edit.append is not None
        assert [(each.outcome, each.policy) for each in known.decisions] == [(Outcome.APPLIED, None)] * 2
    plain = staged({"earlier": {}}).facts
    assert plain.conversation is not None
    assert plain.conversation.edit.empty
    assert plain.begins is False


def test_a_conversation_that_cannot_have_been_edited() -> None:
    """It is said with the reason: a test of what cannot be shows nothing."""
    with pytest.raises(NotEditedError, match="no-code-execution"):
        staged({"earlier": {"edited": True}}, request={"model": "claude-haiku-5-5"})


@pytest.mark.parametrize(
    ("container", "state"),
    [
        ("idle", State.IDLE),
        ("busy", State.BUSY),
        ("continued", State.CONTINUED),
        ("dead", State.DEAD),
        ("expired", State.IDLE),
    ],
)
def test_the_container_of_the_last_turn(container: str, state: State) -> None:
    """In the state that is stated, in the caller's scope; only an expired one is past its expiry."""
    facts = staged({"earlier": {"container": container}}).facts
    assert facts.lease is not None
    assert (facts.lease.state, facts.lease.turn.scope) == (state, facts.scope)
    expires = facts.lease.turn.expires_at
    assert expires is not None
    assert (expires <= facts.now) is (container == "expired")
    assert staged({"earlier": {}}).facts.lease is None


def test_what_a_container_has_been_billed() -> None:
    """Nothing yet, half a minute ago, where nothing is said."""
    for said, used, idle in (({}, None, 30), ({"billed_seconds": 12.5, "idle_seconds": 301}, 12_500, 301)):
        facts = staged({"earlier": {"container": "idle", "by": "session"} | said}).facts
        assert facts.lease is not None
        turn, last = facts.lease.turn, facts.now - timedelta(seconds=idle)
        assert (turn.used_ms, turn.used_at) == (used, None if used is None else last)
        assert turn.expires_at == last + timedelta(minutes=5)


def test_a_turn_that_is_known_by_its_session() -> None:
    """The session tells the container, not the conversation; one may begin in it."""
    facts = staged({"earlier": {"container": "idle", "by": "session"}}).facts
    assert (facts.by_session, facts.conversation, facts.begins) == (True, None, True)
    facts = staged({"begins": False, "earlier": {"container": "idle", "by": "session"}}).facts
    assert (facts.by_session, facts.conversation, facts.begins) == (True, None, False)


def test_roll_outs_are_stated_and_not_drawn() -> None:
    """In whatever has begun and held out of nothing, until the test says otherwise; what has not begun is out."""

    def policy(name: str, rollout: float = 100, holdout: float = 0) -> Policy:
        return Policy(
            name=name,
            why="w",
            mode="enforce",
            then=Then(bundle=BundleRule(act="never")),
            rollout=Portion(rollout),
            holdout=Portion(holdout),
        )

    rules = book(policies=(policy("a", 1), policy("b", 0), policy("c", 50, 99), policy("d", 100, 100)))
    drawn = sampled(rules, {}, {}).policies
    assert [(each.rollout.percent, each.holdout.percent) for each in drawn] == [(100, 0), (0, 0), (100, 0), (100, 100)]
    stated = sampled(rules, {"a": "out", "b": "in"}, {"c": "in", "d": "out"}).policies
    assert [(each.rollout.percent, each.holdout.percent) for each in stated] == [(0, 0), (100, 0), (100, 100), (100, 0)]
    assert sampled(BOOK, {}, {}) is BOOK


def test_the_rest_of_the_facts() -> None:
    """A rate limit and the breaker."""
    facts = staged({"input_tokens_left": 100, "breaker": True, "begins": False}).facts
    assert (facts.input_tokens_left, facts.resting, facts.begins) == (100, True, False)
