"""Would it save anything? At most what was paid beyond the free hours, and nothing where nothing was."""

from datetime import timedelta

from hypothesis import given

from planner.core.ledger.entry import Code, Entry, Seconds
from planner.core.ledger.rollup import cost_nano, rollup
from planner.core.reports.worthwhile import Spent, spent, verdict
from planner.core.rulebook.book import FreeHoursSettings
from tests.doubles.reported import BEGIN, MINIMUM, MONTH, amended, container, request

FREE = FreeHoursSettings(limit=1_550, used_elsewhere=50)
RAN = Code(1, Seconds(0.0, 10.0, 12.0), "billed", 300_000, 300_000)


def rows(*entries: Entry, open_month: str = "2025-12") -> tuple[Spent, ...]:
    """What is told of these entries."""
    return spent(rollup(entries).requests, {MONTH, "2025-11"}, open_month, FREE)


def test_nothing_paid_is_nothing_to_save() -> None:
    """All within the free hours: leave it off."""
    told = rows(request(1, BEGIN, organization="o", team="search", lines=container(credited=True), code=RAN))
    (row,) = told
    assert (row.month, row.organization, row.source, row.complete) == (MONTH, "o", "ledger", True)
    assert (row.code_execution.nano, row.credit.nano, row.paid.nano) == (MINIMUM, -MINIMUM, 0)
    assert (row.free_hours_ms, row.limit_hours) == (300_000, 1_500.0)
    assert verdict(told) == "You paid $0 for code execution: leave bundling off, it could only add tokens."
    assert verdict(()) == "Nothing is known of these months, so nothing can be said."


def test_what_was_paid_bounds_what_can_be_saved_and_says_by_whom() -> None:
    """The free hours are shared by use, so that who came last does not look dear."""
    told = rows(
        request(1, BEGIN, organization="o", team="early", lines=container(credited=True)),
        request(2, BEGIN, organization="o", team="late", lines=container(credited=False)),
        request(3, BEGIN + timedelta(days=31), organization="o", team=None, lines=container(credited=False)),
        open_month="2025-11",
    )
    assert [(row.month, row.complete, row.paid.nano) for row in told] == [
        (MONTH, True, MINIMUM),
        ("2025-11", False, MINIMUM),
    ]
    assert [(team.team, team.paid.nano) for team in told[0].teams] == [("late", 2_083_334), ("early", 2_083_333)]
    answer = verdict(told)
    assert "You paid $0.008333334 for code execution beyond the free hours" in answer
    assert "most of it by requests without a team, late, early" in answer
    assert "No habit saves more" in answer


def test_what_has_no_price_is_said() -> None:
    """Nothing paid may be nothing known."""
    told = rows(request(1, BEGIN, shapeless=True, cost_nano=None, list_nano=None, lines=(), unpriced="no-usage"))
    assert told[0].unpriced == 1
    assert verdict(told).endswith("1 request has no price, and nothing is said of that.")


@given(amended())
def test_teams_add_up_to_what_was_paid(ledger: list[Entry]) -> None:
    """By month and organization, to the nano-dollar; other months are not looked at."""
    sums = rollup(ledger).requests
    told = spent(sums, {"2026-10"}, "2026-10", FREE)
    assert {row.month for row in told} <= {"2026-10"}
    for row in told:
        assert sum(team.paid.nano for team in row.teams) == row.paid.nano
        mine = [cell for key, cell in sums.items() if (key.hour[:7], key.organization) == (row.month, row.organization)]
        others = sum(cell.get(name, 0) for cell in mine for name in ("nano.input", "nano.output", "nano.web_search"))
        assert row.paid.nano == sum(map(cost_nano, mine)) - others
