"""What policies are worth: live ones by what came of it, shadows by what was expected, hold-outs by both arms."""

from collections.abc import Iterable
from typing import Any

import pytest

from planner.core.ledger.rollup import Amounts, ShadowModelKey
from planner.core.reasons import Action
from planner.core.reports.holdout import FEWEST, Measured
from planner.dashboard.asked import PolicyTold
from planner.dashboard.pages.policies import Decided, expected_nano, held_out, policies, tried
from planner.dashboard.tables import Table

EDITED: Amounts = {"requests": 4, "untouched_nano": 900, "compared_nano": 500, "untouched_known": 4, "nano.input": 500}


def decided(policy: str, outcome: str, reason: str = "", amounts: Amounts = EDITED) -> Decided:
    """Requests of a day."""
    return Decided("2026-10-01", "t", "m", outcome, reason, policy, amounts)


def told(name: str, mode: Any = "enforce", **then: str) -> PolicyTold:
    """A policy in force."""
    return PolicyTold(
        name=name, why="w", mode=mode, match={}, when=None, then=then, rollout=100, holdout=0, since=None, until=None
    )


def shadow(policy: str, outcome: str, reason: str = "") -> ShadowModelKey:
    """A cell of what would have been done."""
    return ShadowModelKey("2026-10-01T00", "o", "t", "m", "bundle", outcome, reason, policy)


def by_policy(table: Table) -> dict[Any, tuple[Any, ...]]:
    """Rows by their policy."""
    return {row.cells[0]: row.cells[1:] for row in table.rows}


def worth(
    each: Iterable[Decided],
    shadows: dict[ShadowModelKey, Amounts] | None = None,
    book: Iterable[PolicyTold] = (),
    measured: dict[str, Measured] | None = None,
    action: Action = Action.BUNDLE,
) -> dict[Any, tuple[Any, ...]]:
    """The table by policy."""
    return by_policy(policies(action, each, shadows or {}, book, measured or {}))


def test_only_what_was_changed_is_worth_something() -> None:
    """A declined request may have been made cheaper by another action: that is not this policy's."""
    rows = worth([decided("p", "applied"), decided("p", "kept", "repeated"), decided("p", "declined", "uncertain")])
    mode, number, acted, saved, per, expected, left, known = rows["p"]
    assert (mode, number, acted, saved, per, expected, left) == ("not in force now", 12, 8, 800, 100, None, 0)
    assert known == "estimated: 8 of 8 requests priced without the change"


def test_live_and_shadow_stand_side_by_side() -> None:
    """Each with its mode; one in force that was never asked is there as well, one of another action is not."""
    tried_: Amounts = {"requests": 3, "expected_untouched_nano": 90, "expected_planned_nano": 40, "expected_known": 2}
    rows = worth(
        [decided("live", "applied")],
        {shadow("trial", "applied"): tried_, shadow("trial", "declined", "busy"): {"requests": 5}},
        [
            told("live", bundle="x"),
            told("trial", "shadow", bundle="x"),
            told("idle", bundle="x"),
            told("c", container="y"),
        ],
    )
    assert list(rows) == ["live", "trial", "idle"]
    assert rows["live"][0] == "enforced"
    assert rows["trial"][:7] == ("in shadow", 8, 3, None, None, 50, 0)
    assert "2 requests" in rows["trial"][-1]
    assert rows["idle"][:3] == ("enforced", 0, 0)


def test_versions_go_by_another_name_in_rules() -> None:
    """`tool_version` is what decides on the version."""
    assert set(worth([], book=[told("v", tool_version="keep")], action=Action.VERSION)) == {"v"}


@pytest.mark.parametrize("action", [Action.DENY, Action.TAGS, Action.BUDGET])
def test_what_changes_no_cost_saves_nothing(action: Action) -> None:
    """It is counted."""
    row = worth([decided("p", "applied")], action=action)["p"]
    assert row[3] is None
    assert row[0] == ("a budget" if action is Action.BUDGET else "not in force now")
    assert row[-1].startswith("counted")


def test_a_measured_hold_out_is_said() -> None:
    """Or that it is too small yet."""
    big = Measured(policy="p", treated=90, held_out=40, saved_nano=5e6, low=1e6, high=9e6)
    small = Measured(policy="p", treated=9, held_out=4)
    live = [decided("p", "applied")]
    assert "saved $0.001000 to $0.009000" in worth(live, measured={"p": big})["p"][-1]
    assert "too small" in worth(live, measured={"p": small})["p"][-1]


def test_shadows_by_how_they_would_have_ended() -> None:
    """With what was expected where money was weighed."""
    tried_: Amounts = {"requests": 3, "expected_untouched_nano": 90, "expected_planned_nano": 40, "expected_known": 2}
    table = tried(Action.BUNDLE, {shadow("t", "applied"): tried_, shadow("t", "declined", "busy"): {"requests": 5}})
    assert [row.cells[1:8] for row in table.rows] == [
        ("applied", "", 3, 2, 90, 40, 50),
        ("declined", "busy", 5, 0, None, None, None),
    ]
    assert "mode: shadow" in tried(Action.WEB, {}).note
    assert expected_nano({}) is None


def test_both_arms_of_a_hold_out() -> None:
    """Requests that were a matter of the policy, held out or not; what it saved only as it was measured."""
    left: Amounts = {"requests": 2, "nano.input": 700}
    each = [
        decided("p", "applied"),
        decided("p", "declined", "holdout", left),
        decided("p", "declined", "no-code-execution", left),
        decided("p", "declined", "", left),
        decided("q", "applied"),
    ]
    row = by_policy(held_out(each, {}, closed=False))
    assert row == {"p": (2, 350, 4, 125, None, None, None, "measured by planner report, and when the month is closed")}
    big = Measured(policy="p", treated=90, held_out=40, saved_nano=5.4, low=1.2, high=9.1)
    measured = by_policy(held_out(each, {"p": big}, closed=True))["p"]
    assert measured[4:] == (5, 1, 9, "measured when the month was closed: 90 prefix-days against 40")
    small = by_policy(held_out(each, {"p": Measured(policy="p", treated=9, held_out=4)}, closed=True))["p"]
    assert str(FEWEST) in small[-1]
    assert "none of it" in by_policy(held_out(each, {}, closed=True))["p"][-1]
    assert "not tested" in held_out([decided("q", "applied")], {}, closed=False).note
