"""`planner estimate` from the ledger: an answer first, and the figures that it rests on."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner

from planner.cli import main
from planner.cli.estimate import Estimate, first_month, from_ledger, text
from planner.clock import SystemClock
from planner.core.ledger.entry import Code, Seconds
from planner.core.reports.worthwhile import verdict
from planner.core.rulebook.book import FreeHoursSettings
from tests.cli.test_reading import fill
from tests.doubles.reported import BEGIN, container, request

NOW = datetime(2025, 12, 5, 12, tzinfo=UTC)
RAN = Code(1, Seconds(0.0, 10.0, 12.0), "billed", 300_000, 300_000)


def test_the_months_that_are_looked_at() -> None:
    """Two that are over, and this one."""
    assert first_month(NOW) == date(2025, 10, 1)
    assert first_month(datetime(2026, 1, 31, tzinfo=UTC)) == date(2025, 11, 1)


def test_figures_of_the_ledger_by_organization_and_month(tmp_path: Path) -> None:
    """What is older is not looked at."""
    store = fill(
        tmp_path / "l.db",
        request(1, BEGIN - timedelta(days=1), organization="o", lines=container(credited=False)),
        request(2, BEGIN, organization="o", team="search", lines=container(credited=True), code=RAN),
        request(3, NOW - timedelta(days=1), organization="o", team="ops", lines=container(credited=False), code=RAN),
        request(4, BEGIN, organization="p"),
    )
    rows = from_ledger(store, NOW, FreeHoursSettings(limit=1_550))
    assert [(row.month, row.organization, row.complete, row.paid.nano) for row in rows] == [
        ("2025-10", "o", True, 0),
        ("2025-10", "p", True, 0),
        ("2025-12", "o", False, 4_166_667),
    ]
    page = "\n".join(text(Estimate(answer=verdict(rows), months=rows)))
    assert page.startswith("You paid $0.004166667 for code execution beyond the free hours, most of it by ops.")
    assert "2025-12 so far, organization o: container time $0.004166667, free hours gave back $0, paid" in page
    assert "0.083 hours counted toward 1,550 free ones (by the ledger)" in page
    assert "ops: 0.083 hours charged, at most $0.004166667 to save" in page


def test_nothing_paid_says_leave_it_off(tmp_path: Path) -> None:
    """As text and as JSON; the limit of free hours is a setting."""
    now = SystemClock().now()
    store = fill(tmp_path / "l.db", request(1, now, organization="o", lines=container(credited=True)))
    result = CliRunner().invoke(main, ["estimate", "--store", store])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("You paid $0 for code execution: leave bundling off")
    arguments = ["estimate", "--store", store, "--set", "free_hours.limit=7", "--json"]
    told = json.loads(CliRunner().invoke(main, arguments).stdout)
    assert told["answer"].startswith("You paid $0")
    assert [(row["source"], row["limit_hours"]) for row in told["months"]] == [("ledger", 7.0)]


def test_no_ledger_is_unavailable(tmp_path: Path) -> None:
    """Nothing can be said of nothing."""
    assert CliRunner().invoke(main, ["estimate", "--store", f"sqlite:///{tmp_path}/none.db"]).exit_code == 3
    store = fill(tmp_path / "l.db")
    assert CliRunner().invoke(main, ["estimate", "--store", store]).stdout.startswith("Nothing is known")
