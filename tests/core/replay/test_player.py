"""A trace played under rules: what a decision knows, what it must not know, and what is done with a conversation."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.containers import State
from planner.core.reasons import Outcome, Reason
from planner.core.replay.player import Played, Player, called
from planner.core.replay.staging import stage
from planner.core.rulebook.book import CallerRow, Callers, RuleBook
from planner.core.rulebook.policies import BundleRule, Match, Policy, Then
from planner.core.splice import apply
from planner.rulesource import load_rules
from tests.bench.regret.workloads import WORKLOADS
from tests.doubles.deciding import CODE, NEW_SEARCH, PENDING, book
from tests.doubles.traces import BEYOND, decisions, encoded, lines_of, play, row, workload

ALWAYS = msgspec.structs.replace(
    next(policy for policy in BEYOND.policies if policy.name == "shipped-bundle"),
    then=Then(bundle=BundleRule(act="always")),
)


def always(**parts: Any) -> RuleBook:
    """The rules that bundle whatever may be bundled."""
    policies = tuple(ALWAYS if policy.name == ALWAYS.name else policy for policy in BEYOND.policies)
    return book(**({"policies": policies, "settings": BEYOND.settings} | parts))


def bundles(played: list[Played]) -> list[tuple[Outcome, Reason | None]]:
    """How each bundle decision ended."""
    return [(each.plan.decisions[1].outcome, each.plan.decisions[1].reason) for each in played]


def containers(played: list[Played]) -> list[tuple[Outcome, Reason | None]]:
    """How each container decision ended."""
    return [(each.plan.decisions[2].outcome, each.plan.decisions[2].reason) for each in played]


APPLIED = (Outcome.APPLIED, None)
REPEATED = (Outcome.KEPT, Reason.REPEATED)


# ---------------------------------------------------------------- nothing of the future, nothing by chance


@pytest.mark.parametrize("name", [each.name for each in WORKLOADS])
def test_twice_the_same(name: str) -> None:
    """Every workload's decisions are the same bytes, and its bills the same numbers."""
    raw = workload(name, 120)
    settings_of = {each.name: each.settings for each in WORKLOADS}
    rules = load_rules(None, settings_of[name]).required()
    one, other = play(raw, rules), play(raw, rules)
    assert decisions(one) == decisions(other)
    assert [each.response for each in one] == [each.response for each in other]


SECRETS: list[dict[str, Any]] = [
    {"work": {"code_runs": 0, "code_seconds": 0, "iterations": 1}},
    {"work": {"code_runs": 9, "code_seconds": 3_000, "iterations": 9}},
    {"work": {"prompt_tokens": 150_000, "cached_prefix_tokens": 150_000}},
    {"work": {"cached_prefix_tokens": 0}},
    {"work": {"output_tokens": 60_000}},
    {"work": {"files": 3}},
    {"turn": 1},
    {"turn": 7},
    {"principal": "p1"},
    {"conversation": "another"},
    {"organization": "another"},
    {"request": {"model": "claude-fable-5-2"}},
    {"request": {"tools": [CODE, NEW_SEARCH]}},
    {"request": {"system": "A secret."}},
]
"""What can be planted into a line: work, a caller, a conversation, a request of another kind."""

RAW = workload(count=160)
DECIDED = decisions(play(RAW))


def planted(raw: bytes, secret: dict[str, Any]) -> bytes:
    """A line with something else in it."""
    changed = json.loads(raw)
    for name, value in secret.items():
        changed[name] = changed[name] | value if isinstance(value, dict) else value
    changed["work"]["prompt_tokens"] = max(changed["work"]["prompt_tokens"], changed["work"]["cached_prefix_tokens"])
    return json.dumps(changed).encode()


def test_the_trace_of_these_tests_has_every_kind_of_decision() -> None:
    """Lest a secret be planted where nothing is decided."""
    found = {json.loads(line)["bundle"]["outcome"] for line in DECIDED[:80]}
    assert found >= {"applied", "kept", "declined"}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_no_decision_knows_what_comes(data: st.DataObject) -> None:
    """Whatever is changed, put in or taken out behind a line, all up to it is decided as before, byte for byte."""
    last = data.draw(st.integers(1, len(RAW) - 2), label="last line that stays")
    kept, future = RAW[: last + 1], RAW[last + 1 :]
    secret = st.sampled_from(SECRETS)
    changed = [
        planted(line, data.draw(secret)) if data.draw(st.booleans()) else line
        for line in future[: data.draw(st.integers(1, 12), label="lines that come")]
    ]
    if data.draw(st.booleans(), label="one is put in"):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed.insert(place, planted(changed[place], data.draw(secret)))
    if data.draw(st.booleans(), label="one is taken out"):
        changed.pop(data.draw(st.integers(0, len(changed) - 1)))
    assert decisions(play([*kept, *changed]))[: last + 1] == DECIDED[: last + 1]


@pytest.mark.parametrize("last", [0, 1, 40, 120, 158])
def test_the_work_of_a_line_is_no_part_of_its_decision(last: int) -> None:
    """What a request will need is known when it is answered: output, runs, seconds, iterations, growth, searches."""
    secret = {"output_tokens": 1, "code_runs": 7, "code_seconds": 5_000, "iterations": 8, "growth_tokens": 1}
    raw = [*RAW[:last], planted(RAW[last], {"work": secret | {"web_searches": 4}})]
    assert decisions(play(raw)) == DECIDED[: last + 1]


def test_an_answer_is_learnt_from_when_it_is_there() -> None:
    """Eighty requests at one moment: each is decided as the first, whatever came of those before it."""
    together = encoded(*[row(0, conversation=f"c{number}") for number in range(80)])
    apart = encoded(*[row(30 * number, conversation=f"c{number}") for number in range(80)])
    expected = [json.loads(line)["expected_nano"] for line in decisions(play(together))]
    assert all(each == expected[1] for each in expected[2:])
    learning = [json.loads(line)["expected_nano"]["untouched"] for line in decisions(play(apart))]
    assert len(set(learning)) > 40


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("tool_tokens_scale", 1.5),
        ("tool_tokens_scale", 0.5),
        ("code_minimum_per", "request"),
        ("free_hours_limit", 3),
        ("code_direct_web_tool_frees", False),
        ("futile_call_probability", 1.0),
    ],
)
def test_another_world_changes_no_decision_before_an_answer_tells(fact: str, value: Any) -> None:
    """The bill may differ at once; what is decided until then rests on belief alone."""
    raw = encoded(*[row(0, principal=f"key-{number % 5}", conversation=f"c{number}") for number in range(40)])
    believed, other = play(raw), play(raw, **{fact: value})
    assert decisions(believed) == decisions(other)


def test_what_the_world_adds_is_learnt_from_answers() -> None:
    """Later decisions may differ, and their expectations do."""
    believed, other = (play(workload(count=400), tool_tokens_scale=scale) for scale in (1.0, 3.0))
    assert decisions(believed)[:3] == decisions(other)[:3]
    assert decisions(believed) != decisions(other)
    assert sum(sum((each.response.bill or {}).values()) for each in believed) > 0


def test_a_world_that_no_answer_tells_of_changes_the_bill_alone() -> None:
    """Free hours: no response reports them."""
    believed, other = play(RAW), play(RAW, free_hours_limit=1_550)
    assert decisions(believed) == decisions(other)
    cost = [sum((each.response.bill or {}).get("code_execution", 0) for each in side) for side in (believed, other)]
    assert cost[0] > cost[1] == 0


# ---------------------------------------------------------------- conversations


def test_a_conversation_repeats_its_edit_byte_for_byte() -> None:
    """Though by then another would be made, or none."""
    rows = [row(0, conversation="c"), *(row(20 * turn, conversation="c", turn=turn + 1) for turn in range(1, 4))]
    played = play(encoded(*rows), always())
    assert bundles(played) == [(Outcome.APPLIED, Reason.POLICY), *[REPEATED] * 3]
    bodies = [apply(each.line.request.body, each.plan.edits[:2]).body for each in played]
    assert len(set(bodies)) == 1
    assert bodies[0] != played[0].line.request.body
    assert len({called(each.line, each.plan).tools for each in played}) == 1


def test_what_was_left_alone_stays_so() -> None:
    """Its decision is kept to the end."""
    never = msgspec.structs.replace(ALWAYS, then=Then(bundle=BundleRule(act="never")))
    rows = [row(20 * turn, conversation="c", turn=turn + 1) for turn in range(3)]
    played = play(encoded(*rows), always(policies=(never,)))
    assert bundles(played) == [(Outcome.DECLINED, Reason.POLICY)] * 3
    assert all(each.plan.edits == () for each in played[:1])


def test_a_conversation_first_seen_in_its_middle_is_left_alone() -> None:
    """And stays so to its end."""
    rows = [row(20 * turn, conversation="c", turn=turn) for turn in (2, 3, 4)]
    played = play(encoded(*rows), always())
    assert [outcome for outcome, _ in bundles(played)] == [Outcome.DECLINED] * 3
    assert bundles(played)[0] == (Outcome.DECLINED, Reason.MID_CONVERSATION)
    assert all(each.plan.tool_edit.empty for each in played)


def test_a_pending_call_in_the_middle_gets_its_container() -> None:
    """It would fail without one; what came before it ran in it."""
    first = row(0, conversation="c", turn=2)
    second = row(20, conversation="c", turn=3, request={"messages": PENDING})
    played = play(encoded(first, second))
    assert containers(played)[1] == (Outcome.THREADED, Reason.PENDING_CALL)


def test_names_of_conversations_are_a_principals_own() -> None:
    """Two callers may use the same."""
    rows = [row(0, conversation="c"), row(20, conversation="c", turn=2, principal="key-2")]
    assert bundles(play(encoded(*rows), always()))[1] == (Outcome.DECLINED, Reason.MID_CONVERSATION)


# ---------------------------------------------------------------- containers


def test_a_conversation_goes_on_in_its_container() -> None:
    """Which its caller never names."""
    rows = [row(20 * turn, conversation="c", turn=turn + 1) for turn in range(3)]
    played = play(encoded(*rows))
    assert containers(played) == [(Outcome.NONE, None), *[(Outcome.THREADED, None)] * 2]
    assert len({each.response.container for each in played}) == 1
    assert [each.response.started for each in played] == [True, False, False]


def test_a_callers_own_container_is_kept() -> None:
    """Whatever is known."""
    rows = [row(0, conversation="c"), row(20, conversation="c", turn=2, request={"container": "container_9"})]
    played = play(encoded(*rows))
    assert containers(played)[1] == (Outcome.CALLER, None)
    assert called(played[1].line, played[1].plan).container == "container_9"


def test_an_idle_container_is_not_offered() -> None:
    """Its life as the last answer told it is over."""
    rows = [row(0, conversation="c"), row(600, conversation="c", turn=2)]
    played = play(encoded(*rows))
    assert containers(played)[1] == (Outcome.DECLINED, Reason.EXPIRED)
    assert played[1].response.started


def test_a_turn_without_code_keeps_the_container_in_sight() -> None:
    """The next run goes on in it."""
    idle = {"code_runs": 0, "code_seconds": 0, "iterations": 1}
    rows = [row(0, conversation="c"), row(20, conversation="c", turn=2, work=idle), row(40, conversation="c", turn=3)]
    played = play(encoded(*rows))
    assert played[1].response.container is None
    assert played[2].response.container == played[0].response.container


def test_every_lease_ends() -> None:
    """What was lent is given back when its answer is there."""
    player = Player(BEYOND, stage(BEYOND))
    for line in lines_of(RAW):
        player.play(line)
    player.finish()
    leases = [known.lease for known in player._known.values()]  # noqa: SLF001 - nothing else tells
    assert leases
    assert {lease.state for lease in leases if lease is not None} <= {State.IDLE}
    assert not player._waiting  # noqa: SLF001 - likewise


# ---------------------------------------------------------------- callers


def with_caller(**fields: Any) -> RuleBook:
    """Rules that know the caller."""
    return always(callers=Callers((CallerRow(name="key-1", **fields),)))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"flags": ("zdr",)}, Reason.ZDR),
        ({"flags": ("hipaa",)}, Reason.HIPAA),
        ({"billing": "subscription"}, Reason.SUBSCRIPTION),
    ],
)
def test_what_callers_yaml_says_of_a_principal_holds(fields: dict[str, Any], reason: Reason) -> None:
    """By its name in the trace, and for nobody else."""
    raw = encoded(row(0), row(20, principal="key-2"))
    assert bundles(play(raw, with_caller(**fields))) == [
        (Outcome.DECLINED, reason),
        (Outcome.APPLIED, Reason.POLICY),
    ]


def test_the_team_of_callers_yaml_beats_that_of_the_line() -> None:
    """Policies match by it; without a row the line's own counts."""
    ours = Policy(
        name="ours", why="w", mode="enforce", match=Match(team=("search",)), then=Then(bundle=BundleRule(act="never"))
    )
    known = (with_caller(team="search"), row(0, team="finance")), (always(), row(0, team="search"))
    for rules, line in known:
        ordered = book(policies=(ours, *rules.policies), callers=rules.callers, settings=rules.settings)
        assert play(encoded(line), ordered)[0].plan.decisions[1].policy == "ours"
    assert play(encoded(row(0, team="finance")), ordered)[0].plan.decisions[1].policy == ALWAYS.name


def test_hours_of_a_subscription_use_up_no_free_hours_in_the_planners_mind() -> None:
    """They are not billed by the hour."""
    for billing, hours in (("subscription", 0), ("api", 3 * 300 / 3_600)):
        rules = with_caller(billing=billing)
        player = Player(rules, stage(rules))
        lines = lines_of(encoded(*(row(20 * number) for number in range(3))))
        for line in lines:
            player.play(line)
        player.finish()
        ((organization, pool),) = player.pools()
        assert organization == "key-1"
        assert pool.judge(lines[-1].at + timedelta(hours=1)).used == 0
        assert pool.counted.month(lines[-1].at).untouched_ms == hours * 3_600_000


def test_a_subscription_uses_up_no_free_hours_of_the_world() -> None:
    """It is not billed by the token, nor by the hour: its cost is no part of a bill."""
    rules = with_caller(billing="subscription")
    player = Player(rules, world := stage(rules))
    (line,) = lines_of(encoded(row(0)))
    played = player.play(line)
    assert world.hours("key-1", line.at) == 0
    assert not (played.response.bill or {}).get("code_execution")


# ---------------------------------------------------------------- files that are loaded once


def test_files_bill_once_where_the_setting_says_so() -> None:
    """The planner's hours are then the world's."""
    rules = load_rules(None, {"code.history_uploads_bill": "false"}).required()
    idle = {"code_runs": 0, "code_seconds": 0, "iterations": 1, "files": 1}
    player = Player(rules, world := stage(rules))
    for turn in range(3):
        (line,) = lines_of(encoded(row(20 * turn, conversation="c", turn=turn + 1, work=idle)))
        played = player.play(line)
    player.finish()
    ((organization, pool),) = player.pools()
    used = pool.judge(played.line.at + timedelta(hours=1)).used
    assert used == pytest.approx(world.hours(organization, played.line.at))


def test_a_conversation_that_ended_is_forgotten_and_its_answer_learnt_from() -> None:
    """Who goes on with it all the same is a stranger; what its answer taught is the same as without."""
    first, second = lines_of(encoded(row(), row(60, conversation="c0", turn=2)))
    learnt = []
    for ends in (False, True):
        player = Player(BEYOND, stage(BEYOND))
        player.play(first)
        if ends:
            player.ended(first.principal, first.conversation)
        later = player.play(second).plan
        player.finish()
        assert (later.decisions[2].outcome is Outcome.THREADED) is not ends
        learnt.append(player.experience.epochs)
    assert all(each.find(player.play(first).prefix, first.at) is not None for each in learnt)
