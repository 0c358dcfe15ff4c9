"""What was reconciled is exported by month, side and cause, and its age says when somebody last looked."""

import io
from datetime import timedelta
from pathlib import Path

import msgspec

from planner import log as logs
from planner.clock import VirtualClock
from planner.core.reconcile.statement import Statement
from planner.metrics import Metrics
from planner.proxy.reconciled import MONTHS, Reconciled
from planner.stores.sqlite import SqliteStore
from tests.doubles.billed import KNOWN, asks, bill, charges, compared, ledger
from tests.doubles.proxy import run


def statement(month: str = "2026-11", organization: str = "o", made_at: str | None = None) -> Statement:
    """A month in which a dollar is unexplained, two were bypassed, and batches went past for half a one."""
    found = compared(ledger(asks()[:1]), bill(charges(asks()[:1]))).statement
    return msgspec.structs.replace(
        found,
        month=month,
        organization=organization,
        made_at=made_at or KNOWN.isoformat(timespec="seconds"),
        theirs_nano=5_000_000_000,
        ours_nano=2_000_000_000,
        explained={"bypass": 2_000_000_000, "batches_past": 500_000_000, "lag": 0},
        unexplained_nano=1_000_000_000,
    )


async def kept(path: Path, *statements: Statement) -> SqliteStore:
    """A store with these statements."""
    store = await SqliteStore.open(path)
    for each in statements:
        text = msgspec.json.encode(each).decode()
        await store.keep_reconciliation(each.month, each.organization or "", each.made_at, text)
    return store


def scraped(path: Path, *statements: Statement, spoilt: bool = False) -> tuple[dict[str, float], str]:
    """The samples of a scrape an hour later, and the log."""

    async def scenario() -> tuple[dict[str, float], str]:
        store = await kept(path, *statements)
        if spoilt:
            await store.keep_reconciliation("2026-12", "", "2027", "{}")
        log, metrics = io.StringIO(), Metrics()
        clock = VirtualClock(KNOWN + timedelta(hours=1))
        await Reconciled(store, metrics, clock, logs.build(log)).look()
        await store.close()
        lines = metrics.text(metrics.gauges()).decode().splitlines()
        found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if "reconcile" in line[:20]}
        return found, log.getvalue()

    return run(scenario())


def test_a_month_is_exported(tmp_path: Path) -> None:
    """Both sides, what is explained by cause, what is not, and the age."""
    found, _ = scraped(tmp_path / "l.db", statement())
    assert found == {
        'planner_reconciled_usd{month="2026-11",side="bill"}': 5.0,
        'planner_reconciled_usd{month="2026-11",side="ledger"}': 2.0,
        'planner_reconcile_unexplained_usd{month="2026-11"}': 1.0,
        'planner_reconcile_explained_usd{cause="batches_past",month="2026-11"}': 0.5,
        'planner_reconcile_explained_usd{cause="bypass",month="2026-11"}': 2.0,
        "planner_reconcile_age_seconds": 3600.0,
    }


def test_organizations_are_added_and_only_the_newest_counts(tmp_path: Path) -> None:
    """An earlier statement of a month is replaced by the later one."""
    earlier = statement(made_at="2026-12-01T00:00:00+00:00")
    found, _ = scraped(tmp_path / "l.db", earlier, statement(), statement(organization="other"))
    assert found['planner_reconciled_usd{month="2026-11",side="bill"}'] == 10.0


def test_months_are_bounded(tmp_path: Path) -> None:
    """Labels are, so that a scrape does not grow for ever."""
    months = [statement(f"{2024 + number // 12}-{number % 12 + 1:02}") for number in range(20)]
    found, _ = scraped(tmp_path / "l.db", *months)
    assert sum("unexplained" in name for name in found) == MONTHS
    assert 'planner_reconcile_unexplained_usd{month="2024-01"}' not in found


def test_nothing_was_ever_reconciled(tmp_path: Path) -> None:
    """No age, so that an alert can tell it from a fresh one."""
    assert scraped(tmp_path / "l.db")[0] == {}


def test_what_another_version_wrote_stops_nothing(tmp_path: Path) -> None:
    """It is logged, and what was known stays."""
    found, log = scraped(tmp_path / "l.db", statement(), spoilt=True)
    assert found == {}
    assert "reconciliations cannot be read" in log
