"""A month of a company's traffic, reconciled through the official SDK with a bill that was counted by other code.

The month's own account says why ledger and bill differ; what is injected has an exactly known amount. Reconciliation
knows neither: it sees entries and reports.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Final

import pytest

from planner.bills import Reports
from planner.clock import VirtualClock
from planner.core.ledger.entry import Entry
from planner.core.reconcile.cells import Cause
from planner.core.reconcile.ours import Ours
from planner.core.reconcile.statement import Statement, reconcile
from planner.core.reconcile.theirs import Bill
from planner.simulator import Key
from planner.traffic import account
from planner.traffic import deviations as injected
from planner.traffic.bill import lines
from planner.traffic.deviations import Items
from planner.traffic.teams import AGENTS, COMPANY, SUBSIDIARY
from tests.doubles.months import book_of, made
from tests.doubles.proxy import run
from tests.doubles.simulated import simulating
from tests.test_bills import Kept

ENTRIES: Final = 5_000
MONTH: Final = "2026-10"
AFTER: Final = datetime(2026, 11, 20, tzinfo=UTC)
ADMIN: Final = "sk-ant-admin01-month"
OWNERS: Final = {agent.api_key: agent.name for agent in AGENTS}
BOTH: Final = (COMPANY, SUBSIDIARY)
CENT: Final = 10_000_000


def items(organization: str) -> Items:
    """The bill of an organization as it should be."""
    return tuple(item for item in made(ENTRIES).month.bill.items if item.organization == organization)


def served(bill: Items, organization: str, now: datetime = AFTER) -> Bill:
    """What the API reports of these items, as the SDK reads it."""

    async def scenario() -> Bill:
        clock = VirtualClock(now)
        key = Key(key=ADMIN, organization=organization, admin=True)
        async with (
            simulating(clock, bill=tuple(lines(bill)), keys=(key,)) as (_, url),
            Reports(ADMIN, url, clock=clock, pages=Kept(), tell=lambda _: None) as reports,
        ):
            found = await reports.bill(MONTH)
            assert reports.organization == organization
            return found

    return run(scenario(), longest=60.0)


def compared(theirs: Bill, organization: str, entries: Iterable[Entry] | None = None) -> Statement:
    """A bill against the ledger."""
    book = book_of(ENTRIES)
    prices = book.prices.contracted(organization)
    ours = Ours(MONTH, prices, theirs.known_until, organization=organization, per_iteration=False)
    for entry in made(ENTRIES).entries if entries is None else entries:
        ours.add(entry)
    found = reconcile(
        ours,
        theirs,
        prices,
        book.settings,
        owners=OWNERS,
        organization=organization,
        threshold="0.5%",
        made_at=AFTER,
    )
    return found.statement


@cache
def clean(organization: str) -> Statement:
    """The month as it is."""
    return compared(served(items(organization), organization), organization)


@cache
def other_minimum() -> Items:
    """The bill of both by the other reading of the minimum."""
    return injected.other_minimum(made(ENTRIES).month).items


def more(statement: Statement, organization: str) -> dict[str, int]:
    """What is explained beyond the clean month, by cause."""
    before = clean(organization).explained
    return {cause: nano - before[cause] for cause, nano in statement.explained.items() if nano != before[cause]}


@pytest.mark.parametrize("organization", BOTH)
def test_a_month_without_an_error_is_explained_to_the_nano_dollar(organization: str) -> None:
    """By the causes that the month's own account knows: what was lost, cut, without a price, and estimated."""
    statement = clean(organization)
    assert statement.theirs_nano == sum(item.nano for item in items(organization))
    assert statement.unexplained_nano == 0
    assert statement.within

    def known(*causes: str) -> int:
        kept = made(ENTRIES).month.account.causes
        return sum(
            nano for cause in causes for key, nano in kept.get(cause, {}).items() if key.organization == organization
        )

    assert statement.explained[Cause.UNPRICED] == known(account.UNPRICED)
    uncertain = statement.explained[Cause.LOST_ENTRIES] + statement.explained[Cause.CUT_STREAMS]
    uncertain += statement.explained[Cause.CONTAINER_ESTIMATE] + statement.explained[Cause.ROUNDING]
    uncertain += statement.explained[Cause.OTHER_DAY]
    told = known(account.LOST, account.CUT, account.ESTIMATED, account.FREE_HOURS, account.ROUNDED)
    assert uncertain == told
    assert abs(statement.explained[Cause.LOST_ENTRIES] - known(account.LOST)) < CENT
    assert abs(statement.explained[Cause.CUT_STREAMS] - known(account.CUT)) < CENT


@pytest.mark.parametrize("organization", BOTH)
def test_a_bypass_is_a_bypass(organization: str) -> None:
    """A tenth of the traffic once more, with a key that the planner never saw."""
    deviated = injected.bypass(items(organization))
    statement = compared(served(deviated.items, organization), organization)
    found = more(statement, organization)
    assert abs(found.pop(Cause.BYPASS) - deviated.nano) < CENT
    assert sum(map(abs, found.values())) < CENT
    assert statement.unexplained_nano == 0


@pytest.mark.parametrize("organization", BOTH)
def test_lost_entries_are_lost(organization: str) -> None:
    """Every hundredth entry; what of them had no price is no longer told as that."""
    mine = [entry for entry in made(ENTRIES).entries if entry.organization == organization]
    kept, nano = injected.lost(mine)
    statement = compared(served(items(organization), organization), organization, kept)
    found = more(statement, organization)
    lost = found.pop(Cause.LOST_ENTRIES) + found.pop(Cause.UNPRICED, 0)
    assert abs(lost - nano) < CENT
    assert sum(map(abs, found.values())) < CENT
    assert statement.within


@pytest.mark.parametrize(
    ("organization", "model", "kind"),
    [
        (COMPANY, "claude-sonnet-5-5", "input"),
        (SUBSIDIARY, "claude-opus-5-5", "cache_read"),
        (SUBSIDIARY, "claude-haiku-5-5", "output"),
    ],
)
def test_a_wrong_price_row_is_named(organization: str, model: str, kind: str) -> None:
    """With its factor; the requests that were lost cost the true price as well, and stay where they are."""
    deviated = injected.repriced(items(organization), model, kind)
    statement = compared(served(deviated.items, organization), organization)
    found = more(statement, organization)
    assert abs(found.pop(Cause.PRICE_ROW) - deviated.nano) < CENT
    assert sum(map(abs, found.values())) < CENT
    assert statement.unexplained_nano == 0
    (price,) = statement.prices
    assert (price.model, price.kind, price.factor) == (model, kind, "11/10")


@pytest.mark.parametrize("organization", BOTH)
def test_the_other_reading_of_the_minimum_is_proposed(organization: str) -> None:
    """What the world charges for each request, the ledger counted by session; estimates move where free hours end."""
    mine = tuple(item for item in other_minimum() if item.organization == organization)
    nano = sum(item.nano for item in mine) - sum(item.nano for item in items(organization))
    statement = compared(served(mine, organization), organization)
    found = more(statement, organization)
    assert abs(found[Cause.MINIMUM_READING] - nano) <= nano // 50
    assert statement.within
    (proposal,) = statement.settings
    assert (proposal.key, proposal.better) == ("code.minimum_per", "request")


@pytest.mark.parametrize("organization", BOTH)
def test_a_missing_day_is_missing(organization: str) -> None:
    """All that the ledger has of it; what else there was of that day is not there to be explained."""
    day = "2026-10-14"
    deviated = injected.missing_day(items(organization), day)
    statement = compared(served(deviated.items, organization), organization)
    ledger = sum(row.ours_nano for row in statement.rows if row.day == day)
    assert statement.explained[Cause.MISSING_DAY] == -ledger
    assert sum(more(statement, organization).values()) == deviated.nano
    assert statement.unexplained_nano == 0


def test_what_the_reports_do_not_know_yet_is_late() -> None:
    """Asked in the evening of the last day; the hours are known by the usage report."""
    now = datetime(2026, 10, 31, 15, 6, tzinfo=UTC)
    deviated = injected.late(items(COMPANY), "2026-10-31T15:00:00Z")
    statement = compared(served(deviated.items, COMPANY, now), COMPANY)
    assert abs(statement.explained[Cause.LAG] - deviated.nano) < CENT
    assert statement.unexplained_nano == 0


@pytest.mark.parametrize("organization", BOTH)
def test_a_hundred_and_twenty_three_cents_are_not_dollars(organization: str) -> None:
    """What says "123.45" is $1.2345, of a key that the planner never saw."""
    deviated = injected.cents(items(organization))
    statement = compared(served(deviated.items, organization), organization)
    assert more(statement, organization) == {Cause.BYPASS: 1_234_500_000}
    assert statement.unexplained_nano == 0


@pytest.mark.parametrize("organization", BOTH)
def test_a_bill_in_hundredths_of_a_cent_is_rounding(organization: str) -> None:
    """Each row is off by less than half of the last decimal, and nothing else moves by a cent."""
    deviated = injected.rounded(items(organization))
    statement = compared(served(deviated.items, organization), organization)
    assert sum(map(abs, more(statement, organization).values())) < CENT
    assert statement.unexplained_nano == 0
