"""Policies: the first that matches decides, shadows never consume, roll-outs and hold-outs are stable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.rules import (
    BundleRule,
    Match,
    Policy,
    PolicyMode,
    Portion,
    Ruling,
    Shadowed,
    Subject,
    Then,
    decide,
    falls_in,
    matches,
    shadowed_by,
)

ADD, NEVER = BundleRule(act="when-cheaper"), BundleRule(act="never")
SOMEONE = Subject(
    principal="k1",
    team="finance",
    model="claude-sonnet-5-5",
    tools=("custom", "web_fetch_20250910"),
    prefix="p",
    day="d",
)
ALL, NONE = Portion(100), Portion(0)


def policy(name: str, then: Then, mode: PolicyMode = "enforce", match: Match = Match(), **portions: Portion) -> Policy:  # noqa: B008 - frozen
    """Return a policy with a reason."""
    return Policy(name=name, why="w", mode=mode, match=match, then=then, **portions)  # type: ignore[arg-type]  # by name


def test_silence_leaves_the_request_as_it_is() -> None:
    """Without policies nothing is bundled, changed or threaded."""
    rulings = decide([], SOMEONE)
    assert rulings.version == Ruling("keep")
    assert rulings.bundle == Ruling(NEVER)
    assert rulings.container == Ruling("never")
    assert rulings.parses == Ruling(())


def test_each_action_has_its_own_first_policy() -> None:
    """A policy that is silent on an action leaves it to the next."""
    first = policy("first", Then(bundle=ADD))
    second = policy("second", Then(bundle=NEVER, container="session", parses=("v2",)))
    rulings = decide([first, second], SOMEONE)
    assert rulings.bundle == Ruling(ADD, "first")
    assert rulings.container == Ruling("session", "second")
    assert rulings.parses == Ruling(("v2",), "second")


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Match(), True),
        (Match(team=("finance",)), True),
        (Match(team=("search", "fin*")), True),
        (Match(team=("Finance",)), False),
        (Match(team=("finance",), project=("alpha",)), False),
        (Match(team=("finance",), model=("claude-sonnet-5-5*",)), True),
        (Match(tools=("web_fetch_*",)), True),
        (Match(tools=("web_search_*",)), False),
    ],
)
def test_keys_and_values_or(match: Match, expected: bool) -> None:  # noqa: FBT001 - a column
    """All keys must hold, any glob of a key will do, case counts, and one tool is enough."""
    assert matches(match, SOMEONE) is expected


def test_shadows_are_reported_and_consume_nothing() -> None:
    """A shadow before the decider is told; one behind it, and one that is off, are not."""
    shadow = policy("shadow", Then(bundle=ADD), "shadow")
    off = policy("off", Then(bundle=ADD), "off")
    real = policy("real", Then(bundle=NEVER))
    behind = policy("behind", Then(bundle=ADD), "shadow")
    assert decide([off, shadow, real, behind], SOMEONE).bundle == Ruling(
        NEVER, "real", shadow=(Shadowed("shadow", ADD),)
    )


def test_missed_roll_out_falls_through_and_hold_out_ends() -> None:
    """What the roll-out misses goes to the next policy; what the hold-out hits is left untouched, by name."""
    missed = policy("missed", Then(bundle=ADD), rollout=NONE)
    rest = policy("rest", Then(bundle=NEVER))
    held = policy("held", Then(bundle=ADD), holdout=ALL)
    assert decide([missed, rest], SOMEONE).bundle == Ruling(NEVER, "rest")
    assert decide([held, rest], SOMEONE).bundle == Ruling(NEVER, "held", held_out=True)


@given(st.floats(0, 100, allow_nan=False), st.floats(0, 100, allow_nan=False), st.text(max_size=20))
def test_a_growing_roll_out_only_adds(one: float, two: float, prefix: str) -> None:
    """Who is in at 10 % is in at 20 %, and the answer is the same every time."""
    subject = Subject(principal="k", model="m", prefix=prefix)
    low, high = sorted((one, two))
    if falls_in("p", "rollout", Portion(low), subject):
        assert falls_in("p", "rollout", Portion(high), subject)
    assert falls_in("p", "rollout", Portion(low), subject) == falls_in("p", "rollout", Portion(low), subject)


def test_portions_cut_what_must_stay_together() -> None:
    """By prefix-day the days differ, by prefix they do not; policies and kinds cut independently; shares are true."""
    days = [Subject(principal="k", model="m", prefix="p", day=str(i)) for i in range(4_000)]
    in_rollout = [falls_in("p", "rollout", Portion(25), each) for each in days]
    assert 850 < sum(in_rollout) < 1150
    assert in_rollout != [falls_in("p", "holdout", Portion(25), each) for each in days]
    assert in_rollout != [falls_in("q", "rollout", Portion(25), each) for each in days]
    assert len({falls_in("p", "rollout", Portion(25, "prefix"), each) for each in days}) == 1
    assert len({falls_in("p", "rollout", Portion(25, "principal"), each) for each in days}) == 1


def test_the_cut_is_pinned() -> None:
    """These subjects fall as they fell in every release: a changed hash would reshuffle running roll-outs."""
    found = [
        falls_in("pin", "rollout", Portion(50), Subject(principal="", model="", prefix=prefix, day="2026-11-22"))
        for prefix in "abcdefgh"
    ]
    assert found == PINNED


PINNED = [True, True, True, False, True, False, True, True]

SURE = policy("sure", Then(bundle=ADD))


@pytest.mark.parametrize(
    ("earlier", "later", "hidden"),
    [
        (SURE, policy("x", Then(bundle=NEVER)), True),
        (SURE, policy("x", Then(bundle=NEVER), "shadow"), True),
        (SURE, policy("x", Then(bundle=NEVER), "off"), False),
        (SURE, policy("x", Then(bundle=NEVER, container="never")), False),
        (policy("s", Then(bundle=ADD), "shadow"), policy("x", Then(bundle=NEVER)), False),
        (policy("r", Then(bundle=ADD), rollout=Portion(99)), policy("x", Then(bundle=NEVER)), False),
        (policy("h", Then(bundle=ADD), holdout=Portion(50)), policy("x", Then(bundle=NEVER)), True),
        (
            policy("g", Then(bundle=ADD), match=Match(model=("claude-*",))),
            policy("x", Then(bundle=NEVER), match=Match(model=("claude-opus-5*",), team=("t",))),
            True,
        ),
        (
            policy("n", Then(bundle=ADD), match=Match(team=("a",))),
            policy("x", Then(bundle=NEVER), match=Match(team=("a", "b"))),
            False,
        ),
    ],
)
def test_only_what_is_surely_out_of_reach_is_called_so(earlier: Policy, later: Policy, hidden: bool) -> None:  # noqa: FBT001 - a column
    """An earlier policy hides a later one only when it always decides all of its actions."""
    assert (shadowed_by([earlier, later]) == {"x": earlier.name}) is hidden
