"""What *Finance* shows of the ledger is what `planner report` says, to the nano-dollar: a month of made-up traffic.

The statements are taken from the committed dashboards, and run on a real PostgreSQL as Grafana would send them.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import asyncpg
import msgspec
import pytest

from planner.cli.report import Asked, make
from planner.cli.reportpage import Report
from planner.cli.sums import opened
from planner.core.ledger.rollup import is_notional
from planner.core.records import EntryRecord
from planner.core.reports.figures import Figures
from planner.stores.postgres import PostgresStore
from tests.doubles import postgres
from tests.doubles.dashboards import Query, queries, statement, variable_statements
from tests.doubles.months import made
from tests.proxy.test_reconciled import statement as reconciled

SINCE: Final = datetime(2026, 10, 1, tzinfo=UTC)
UNTIL: Final = datetime(2026, 10, 31, 23, 59, 59, 999_000, tzinfo=UTC)
"""As Grafana sends a whole month."""

AFTER: Final = datetime(2026, 11, 1, tzinfo=UTC)
ASKED: Final = {query.name: query for query in (*queries(), *variable_statements()) if query.sql}
BATCH: Final = 1_000
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def ledger(server: str) -> Iterator[str]:
    """The address of a ledger with a month in it, one reconciled and one closed; nobody may change it."""
    with postgres.database(server) as address:
        asyncio.run(fill(address))
        yield address


async def fill(address: str) -> None:
    """Store a month as the proxy's writer would."""
    store = await PostgresStore.open(address)
    try:
        entries = made().entries
        for begin in range(0, len(entries), BATCH):
            await store.apply([EntryRecord(entry) for entry in entries[begin : begin + BATCH]])
        for at in ("2026-11-03T09:00:00+00:00", "2026-11-04T09:00:00+00:00"):
            found = msgspec.structs.replace(reconciled("2026-10", made_at=at), within=at > "2026-11-04")
            await store.keep_reconciliation("2026-10", "", at, msgspec.json.encode(found).decode())
        await store.put_closing("2026-09", "2026-10-02T08:00:00.000000+00:00", "{}")
    finally:
        await store.close()


def run(address: str, sql: str) -> Rows:
    """Run a statement where nothing can be written."""

    async def asked() -> Rows:
        connection = await asyncpg.connect(address, server_settings={"default_transaction_read_only": "on"})
        try:
            return [dict(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(asked())


def shown(
    address: str,
    panel: str,
    chosen: Mapping[str, Sequence[str]] | None = None,
    since: datetime = SINCE,
    until: datetime = UNTIL,
) -> Rows:
    """What a panel of *Finance* shows."""
    return run(address, statement(ASKED[f"finance: {panel}"].sql, since, until, chosen))


def report(
    address: str,
    *by: str,
    where: Mapping[str, Sequence[str]] | None = None,
    since: datetime = SINCE,
    until: datetime = AFTER,
) -> Report:
    """What `planner report` says."""
    chosen = {name: frozenset(values) for name, values in (where or {}).items()}
    with opened(address) as found:
        return make(found, Asked(since, until, by or ("team",), chosen), AFTER, None)


def usd(nano: int) -> Decimal:
    """Dollars with every digit."""
    return Decimal(nano).scaleb(-9)


def columns(figures: Figures) -> dict[str, Decimal | int]:
    """The figures of a report under the names of a panel."""
    return {
        "Cost": usd(figures.cost.nano),
        "At list price": usd(figures.listed.nano),
        "Estimated": usd(figures.estimated.nano),
        "Saved": usd(figures.saved.nano),
        "Requests": figures.requests,
        "Without a price": figures.unpriced,
    }


def assert_a_conversation(got: Decimal | None, figures: Figures) -> None:
    """A quotient: the report rounds it to the nano-dollar, the panel to what a browser shows."""
    if figures.per_conversation is None:
        assert got is None
    else:
        assert got is not None
        assert abs(Fraction(got) - Fraction(figures.per_conversation.nano, 10**9)) <= Fraction(1, 2 * 10**9)


@pytest.mark.parametrize("query", ASKED.values(), ids=list(ASKED))
def test_everything_that_asks_the_ledger_is_answered(ledger: str, query: Query) -> None:
    """With rows, every column of which has something in it."""
    rows = run(ledger, statement(query.sql, SINCE, UNTIL))
    assert rows
    assert all(any(row[name] is not None for row in rows) for name in rows[0])


@pytest.mark.parametrize(
    "chosen", [{}, {"team": ["data", "research"]}, {"model": ["claude-opus-5-5"]}], ids=["all", "teams", "model"]
)
def test_the_first_row_is_the_total(ledger: str, chosen: dict[str, list[str]]) -> None:
    """Of everybody, of some teams, of a model."""
    (row,) = shown(ledger, "In this range", chosen)
    total = report(ledger, where=chosen).total
    expected = columns(total)
    assert expected["Cost"]
    assert row["Spent"] == expected.pop("Cost")
    assert {name: row[name] for name in expected if name in row} == {
        name: value for name, value in expected.items() if name in row
    }
    assert_a_conversation(row["A conversation"], total)


@pytest.mark.parametrize(("panel", "dimension"), [("By team", "team"), ("By model", "model")])
def test_a_row_each(ledger: str, panel: str, dimension: str) -> None:
    """The same rows with the same figures, the dearest first."""
    rows = shown(ledger, panel)
    lines = report(ledger, dimension).rows
    told = {line.key[dimension] or "(none)": line.figures for line in lines}
    assert {row[dimension.capitalize()] for row in rows} == set(told)
    assert len(rows) == len(told) > 5
    for row in rows:
        figures = told[row[dimension.capitalize()]]
        assert {name: row[name] for name in columns(figures)} == columns(figures)
        if "A conversation" in row:
            assert_a_conversation(row["A conversation"], figures)
    assert [row["Cost"] for row in rows] == sorted((row["Cost"] for row in rows), reverse=True)


def test_kinds_of_charge(ledger: str) -> None:
    """What the free hours give back stands apart, negative."""
    got = {row["Kind"]: (row["Cost"], row["At list price"]) for row in shown(ledger, "By kind of charge")}
    assert got == {kind.kind: (usd(kind.cost.nano), usd(kind.listed.nano)) for kind in report(ledger).kinds}
    assert got["allowance_credit"][0] < 0


def test_days(ledger: str) -> None:
    """Each day of each team; and what was saved on it."""
    got = {(f"{row['time']:%Y-%m-%d}", row["metric"]): row["value"] for row in shown(ledger, "By day")}
    lines = report(ledger, "day", "team").rows
    assert got == {(line.key["day"], line.key["team"] or "(none)"): usd(line.figures.cost.nano) for line in lines}
    saved = {
        f"{row['time']:%Y-%m-%d}": (row["untouched"], row["as it was"])
        for row in shown(ledger, "Untouched and as it was")
    }
    assert saved == {
        line.key["day"]: (usd(line.figures.untouched.nano), usd(line.figures.compared.nano))
        for line in report(ledger, "day").rows
    }


def test_requests_without_a_price(ledger: str) -> None:
    """Counted from the entries themselves, one by one."""
    expected = Counter(
        (entry.served_model or entry.model or "(none)", entry.unpriced)
        for entry in made().entries
        if entry.unpriced is not None and not is_notional(entry)
    )
    got = {(row["Model"], row["Reason"]): row["Requests"] for row in shown(ledger, "Without a price")}
    assert got == expected
    assert sum(got.values()) > 10


def test_policies(ledger: str) -> None:
    """A row for each decision, as the report tells them."""
    got = {(row["Action"], row["Policy"], row["Outcome"]): row for row in shown(ledger, "By policy")}
    lines = report(ledger, "action", "policy", "decision").rows
    assert len(lines) == len(got) > 5
    for line in lines:
        row = got[line.key["action"], line.key["policy"] or "(none)", line.key["decision"]]
        figures = line.figures
        assert row["Requests"] == figures.requests
        expected = (usd(each.nano) for each in (figures.compared, figures.untouched, figures.saved))
        assert (row["Cost"], row["Untouched"], row["Saved"]) == tuple(expected)


def test_whole_hours_of_a_range(ledger: str) -> None:
    """An hour that has begun is in it as a whole, one that begins at its end is not."""
    since, until = datetime(2026, 10, 6, 9, 40, tzinfo=UTC), datetime(2026, 10, 7, 15, tzinfo=UTC)
    (row,) = shown(ledger, "In this range", since=since, until=until)
    total = report(ledger, since=since.replace(minute=0), until=until).total
    assert (row["Requests"], row["Spent"]) == (total.requests, usd(total.cost.nano))
    assert 0 < total.requests < report(ledger).total.requests


def test_an_empty_range_has_nothing(ledger: str) -> None:
    """Not an error, and no row of others."""
    (row,) = shown(
        ledger, "In this range", since=datetime(2020, 1, 1, tzinfo=UTC), until=datetime(2020, 2, 1, tzinfo=UTC)
    )
    assert (row["Spent"], row["Requests"], row["A conversation"]) == (0, 0, None)


def test_a_name_with_a_quote_chooses_nobody_else(ledger: str) -> None:
    """As Grafana quotes it; and a team that is called like the word for all is only that team."""
    (row,) = shown(ledger, "In this range", {"team": ["o'brien"]})
    assert row["Requests"] == 0


def test_the_bill(ledger: str) -> None:
    """The newest statement of a month, with what nothing explains."""
    (row,) = shown(ledger, "Held against the bill")
    expected = ("2026-10", "(all)", Decimal(5), Decimal(2), Decimal(1), "yes", datetime(2026, 11, 4, 9, tzinfo=UTC))
    names = ("Month", "Organization", "Bill", "Ledger", "Unexplained", "Good enough", "Made")
    assert tuple(row[name] for name in names) == expected
    (closed,) = shown(ledger, "Closed months")
    assert closed == {"Month": "2026-09", "Closed": datetime(2026, 10, 2, 8, tzinfo=UTC)}


def test_what_can_be_chosen(ledger: str) -> None:
    """Teams and models of the range, those without a name too."""
    for variable in ("team", "model"):
        rows = run(ledger, statement(ASKED[f"finance: variable {variable}"].sql, SINCE, UNTIL))
        expected = {line.key[variable] for line in report(ledger, variable).rows}
        assert {row["__value"] for row in rows} >= expected
        assert all(row["__text"] for row in rows)
