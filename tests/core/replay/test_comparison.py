"""One trace under two rule books: which decisions differ, what money that moves, and sums that hold."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.replay import comparison
from planner.core.replay.comparison import FOLLOWED, NO_TEAM, SILENT, Compared, Comparison, Ruled
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import BundleRule, Policy, Then, WebRule
from planner.rulesource import load_rules
from tests.doubles.traces import BEYOND, encoded, lines_of, play, row, workload


def ruled(act: Any, name: str = "ours", **then: Any) -> RuleBook:
    """The shipped rules beyond the free hours, under one policy."""
    policy = Policy(
        name=name,
        why="To compare with.",
        mode="enforce",
        then=Then(bundle=BundleRule(act=act), container=then.get("container", "conversation")),
    )
    return RuleBook(
        prices=BEYOND.prices,
        catalog=BEYOND.catalog,
        policies=(policy,),
        callers=BEYOND.callers,
        settings=then.get("settings", BEYOND.settings),
    )


NEVER, ALWAYS = ruled("never"), ruled("always")


def compared(raw: list[bytes], old: RuleBook, new: RuleBook, **span: Any) -> Compared:
    """A trace under both."""
    both = Comparison(old, new, **span)
    for line in lines_of(raw):
        both.play(line)
    return both.result()


RAW = workload(count=120)


def test_a_book_does_not_differ_from_itself() -> None:
    """In no decision and no nano-dollar."""
    found = compared(RAW, BEYOND, BEYOND)
    assert (found.decisions.changed, found.decisions.outcomes, found.decisions.changes) == (0, 0, ())
    assert found.money.moved_nano == 0
    assert found.money.by_policy == ()
    assert found.traffic.requests == 120


def test_a_change_by_hand() -> None:
    """One request that is bundled by one book alone: its minimum is gone, the tool's tokens are there."""
    found = compared(encoded(row(team="search")), NEVER, ALWAYS)
    assert (found.decisions.changed, found.decisions.outcomes) == (1, 1)
    bundle = next(each for each in found.decisions.changes if each.action == "bundle")
    assert (bundle.before, bundle.after) == (Ruled("declined", "policy", "ours"), Ruled("applied", "policy", "ours"))
    assert (bundle.requests, bundle.teams, bundle.models) == (1, {"search": 1}, {"claude-haiku-5-5": 1})
    (one,) = play(encoded(row()), ALWAYS)
    (other,) = play(encoded(row()), NEVER)
    assert one.response.bill is not None
    assert other.response.bill is not None
    moved = sum(one.response.bill.values()) - sum(other.response.bill.values())
    assert bundle.moved_nano == found.money.moved_nano == moved < 0
    kinds = {each.name: each for each in found.money.by_kind}
    assert (kinds["code_execution"].before_nano, kinds["code_execution"].after_nano) == (4_166_667, 0)
    assert [(each.name, each.moved_nano) for each in found.money.by_policy] == [("ours", moved)]
    assert [(each.name, each.requests) for each in found.money.by_team] == [("search", 1)]


def test_sums_are_those_of_two_replays() -> None:
    """Each side as a replay of its own would have billed it, and every table adds up to the whole."""
    found = compared(RAW, NEVER, BEYOND)
    for book, total in ((NEVER, found.money.before_nano), (BEYOND, found.money.after_nano)):
        assert total == sum(sum((each.response.bill or {}).values()) for each in play(RAW, book))
    for shares in (found.money.by_team, found.money.by_kind):
        assert sum(each.before_nano for each in shares) == found.money.before_nano
        assert sum(each.after_nano for each in shares) == found.money.after_nano
    assert sum(each.moved_nano for each in found.money.by_policy) == found.money.moved_nano
    weights = [(-abs(each.moved_nano), -each.requests) for each in found.decisions.changes]
    assert weights == sorted(weights)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100), st.integers(1, 20))
def test_read_backwards_the_money_moves_back(first: int, count: int) -> None:
    """Where both books have the same prices and believe in the same world."""
    raw = RAW[first : first + count]
    there, back = compared(raw, NEVER, ALWAYS), compared(raw, ALWAYS, NEVER)
    assert there.money.moved_nano == -back.money.moved_nano
    assert there.decisions.changed == back.decisions.changed
    assert {(each.before, each.after) for each in there.decisions.changes} == {
        (each.after, each.before) for each in back.decisions.changes
    }


def test_another_policy_that_says_the_same_moves_nothing() -> None:
    """It is told, but no outcome is another."""
    found = compared(encoded(row()), NEVER, ruled("never", name="theirs"))
    assert (found.decisions.changed, found.decisions.outcomes, found.money.moved_nano) == (1, 0, 0)
    assert {each.after.policy for each in found.decisions.changes} == {"theirs"}


def test_both_are_billed_at_the_newer_prices() -> None:
    """So that a price moves no money here, whichever way it goes."""
    cheaper = load_rules(None, {"free_hours.limit": "0"}).required()
    row_ = next(each for each in cheaper.prices.rows if "claude-haiku-5-5" in each.models)
    rates = msgspec.structs.replace(row_.rates, output=row_.rates.output * 2)
    dearer = RuleBook(
        prices=type(cheaper.prices)(
            tuple(msgspec.structs.replace(each, rates=rates) if each is row_ else each for each in cheaper.prices.rows),
            cheaper.prices.tools,
        ),
        catalog=cheaper.catalog,
        policies=NEVER.policies,
        settings=cheaper.settings,
    )
    found = compared(encoded(row()), NEVER, dearer)
    assert (found.decisions.changed, found.money.moved_nano) == (0, 0)
    outputs = [each for each in found.money.by_kind if each.name == "output"]
    assert [each.before_nano for each in outputs] == [100 * 1_000]


def test_money_that_moves_without_a_decision_is_told_apart() -> None:
    """A later request whose container is paid, because an earlier one was not bundled."""
    first = row(0, principal="key-1", conversation="a")
    bundled = [first, row(40, principal="key-1", conversation="b", work={"code_runs": 0, "code_seconds": 0})]
    found = compared(encoded(*bundled), NEVER, ALWAYS)
    assert {each.name for each in found.money.by_policy} <= {"ours", FOLLOWED}


def test_what_was_before_is_played_and_not_counted() -> None:
    """A conversation that began earlier goes on as it was decided."""
    raw = encoded(row(0), row(60, conversation="c0", turn=2))
    since = lines_of(raw)[1].at
    found = compared(raw, NEVER, ALWAYS, since=since)
    assert (found.traffic.requests, found.traffic.warm_up) == (1, 1)
    bundle = next(each for each in found.decisions.changes if each.action == "bundle")
    assert bundle.after == Ruled("kept", "repeated", "ours")
    alone = compared(raw[1:], NEVER, ALWAYS)
    assert all(each.after.reason == "mid-conversation" for each in alone.decisions.changes)


def test_without_a_price_nothing_is_summed() -> None:
    """It is counted, and its decisions are compared all the same."""
    found = compared(encoded(row(request={"model": "claude-new-1"})), NEVER, ruled("never", name="theirs"))
    assert (found.money.unpriced, found.money.before_nano, found.traffic.requests) == (1, 0, 1)
    assert found.decisions.changed == 1


def test_names_of_what_has_none() -> None:
    """No team, no policy."""
    bare = RuleBook(prices=BEYOND.prices, catalog=BEYOND.catalog, settings=BEYOND.settings)
    found = compared(encoded(row()), ALWAYS, bare)
    assert [each.name for each in found.money.by_team] == [NO_TEAM]
    assert [each.name for each in found.money.by_policy] == ["ours"]
    assert {each.after.policy for each in found.decisions.changes} == {""}
    assert SILENT not in {each.name for each in found.money.by_policy}


def test_an_empty_trace_says_nothing() -> None:
    """And is no error."""
    found = compared([], NEVER, ALWAYS)
    assert (found.traffic.requests, found.traffic.first, found.money.moved_nano) == (0, None, 0)


SEARCHED: dict[str, Any] = {
    "request": {"model": "claude-haiku-5-5", "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    "work": {"prompt_tokens": 6_000, "web_searches": 5},
}


def bounding(**rule: Any) -> RuleBook:
    """The shipped rules, and bounds of web tools."""
    policy = Policy(name="web", why="w", mode="enforce", then=Then(web=WebRule(**rule)))
    return replace(BEYOND, policies=(policy, *BEYOND.policies))


def test_searches_that_a_bound_takes_away_are_weighed_and_nothing_else_of_it() -> None:
    """Each cent of a search beyond the smaller bound; where bounds differ otherwise, the answer says that it is not."""
    raw = encoded(row(**SEARCHED), row(1, **SEARCHED))
    found = compared(raw, BEYOND, bounding(max_uses=2))
    kinds = {each.name: each for each in found.money.by_kind}
    assert kinds["web_search"].moved_nano == -2 * 3 * 10_000_000
    assert (found.money.unweighed_web, found.decisions.changed) == (2, 2)
    looser = compared(raw, bounding(max_uses=8), BEYOND)
    assert (looser.money.moved_nano, looser.money.unweighed_web) == (0, 2)
    listed = compared(raw, BEYOND, bounding(blocked_domains=("a.example",)))
    assert (listed.money.moved_nano, listed.money.unweighed_web) == (0, 2)
    assert compared(raw, bounding(max_uses=2), bounding(max_uses=2)).money.unweighed_web == 0


def test_the_callers_own_bound_of_a_trace_holds() -> None:
    """A tool that says less than the policy keeps its own."""
    own = {"type": "web_search_20250305", "name": "web_search", "max_uses": 4}
    raw = encoded(row(**SEARCHED | {"request": SEARCHED["request"] | {"tools": [own]}}))
    found = compared(raw, BEYOND, bounding(max_uses=4))
    assert (found.money.moved_nano, found.money.unweighed_web) == (0, 0)
    assert {each.name: each.before_nano for each in found.money.by_kind}["web_search"] == 4 * 10_000_000


def test_what_tells_requests_apart_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was not seen for long is counted anew."""
    monkeypatch.setattr(comparison, "BOUND", 3)
    raw = encoded(*(row(n, conversation=name) for n, name in enumerate(("a", "b", "a", "c", "a", "d", "e", "b"))))
    assert compared(raw, BEYOND, BEYOND).traffic.conversations == 6
