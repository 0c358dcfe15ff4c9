"""Each deviation lands on the bill with its exact amount, where it was put, and in what the API reports."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from planner.simulator import Key
from planner.traffic import Item, Month
from planner.traffic import deviations as injected
from planner.traffic.account import amounts
from planner.traffic.bill import lines, total
from planner.traffic.deviations import Deviated, Items
from planner.traffic.teams import COMPANY, SUBSIDIARY
from tests.doubles.months import made
from tests.simulator.asgi import ADMIN, Api

SIZE = 1_500
COST = "/v1/organizations/cost_report"
OCTOBER = [("starting_at", "2026-10-01T00:00:00Z"), ("ending_at", "2026-11-01T00:00:00Z"), ("limit", "31")]
GROUPED = [*OCTOBER, ("group_by[]", "description"), ("group_by[]", "workspace_id")]
SONNET = "claude-sonnet-5-5"


def items() -> Items:
    """The bill as it should be."""
    return made(SIZE).month.bill.items


def reported(bill: Items) -> list[Any]:
    """The rows of the cost report that a simulator with this bill serves to both organizations."""
    rows = []
    for organization in (COMPANY, SUBSIDIARY):
        key = Key(key="sk-ant-admin01-test", organization=organization, admin=True)
        api = Api(bill=tuple(lines(bill)), keys=(key,))
        api.clock.advance(timedelta(days=30).total_seconds())
        for day in api.get(COST, GROUPED, ADMIN)["data"]:
            rows += [{**row, "day": day["starting_at"][:10]} for row in day["results"]]
    return rows


def nano(rows: list[Any]) -> int:
    """What rows of a report come to: cents are ten million nano-dollars."""
    return int(sum(Decimal(row["amount"]) for row in rows) * 10_000_000)


def by(bill: Items, *names: str) -> Counter[tuple[Any, ...]]:
    """A bill's amounts by some of its fields, and by kind of line."""
    found: Counter[tuple[Any, ...]] = Counter()
    for item in bill:
        for line in item.lines:
            found[(*(getattr(item, name) for name in names), line.kind)] += line.nano
    return found


def without_zeros(found: Counter[tuple[Any, ...]], before: Counter[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    """Where two bills differ, and by how much."""
    keys = found.keys() | before.keys()
    return {key: found[key] - before[key] for key in keys if found[key] != before[key]}


DEVIATIONS = {
    "bypass": lambda: injected.bypass(items()),
    "wrong price": lambda: injected.repriced(items(), SONNET, "output"),
    "minimum": lambda: injected.other_minimum(made(SIZE).month),
    "missing day": lambda: injected.missing_day(items(), "2026-10-14"),
    "late": lambda: injected.late(items(), "2026-10-31T18:00:00Z"),
    "cents": lambda: injected.cents(items()),
    "rounding": lambda: injected.rounded(items()),
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_the_report_differs_by_the_amount_that_was_injected(name: str) -> None:
    """To the nano-dollar, and by something."""
    deviated: Deviated = DEVIATIONS[name]()
    assert deviated.nano != 0
    assert total(deviated.items) == total(items()) + deviated.nano
    assert nano(reported(deviated.items)) == nano(reported(items())) + deviated.nano


def test_a_bypass_is_a_key_that_the_ledger_never_saw() -> None:
    """And nothing else on the bill moves."""
    deviated = injected.bypass(items(), every=7)
    strangers = [item for item in deviated.items if item.api_key == injected.STRANGER]
    assert total(strangers) == deviated.nano
    assert tuple(item for item in deviated.items if item.api_key != injected.STRANGER) == items()


def test_lost_entries_are_missing_in_the_ledger() -> None:
    """What they cost is what the ledger then has less."""
    entries = made(SIZE).entries
    kept, nano_lost = injected.lost(entries, every=50)
    assert len(entries) - len(kept) == len(entries) // 50
    assert nano_lost > 0
    whole, rest = (sum(sum(amounts(entry).values()) for entry in some) for some in (entries, kept))
    assert whole - rest == nano_lost


def test_a_wrong_price_moves_one_class_of_one_model() -> None:
    """By a tenth."""
    deviated = injected.repriced(items(), SONNET, "output", percent=10)
    before = by(items(), "model")
    moved = without_zeros(by(deviated.items, "model"), before)
    assert moved == {(SONNET, "output"): deviated.nano}
    assert deviated.nano == pytest.approx(before[SONNET, "output"] / 10, abs=len(items()))


def test_the_other_minimum_moves_container_time_alone() -> None:
    """Tokens and searches stay as they are, in every hour and workspace; seconds grow."""
    deviated = injected.other_minimum(made(SIZE).month)
    moved = without_zeros(by(deviated.items, "at", "workspace"), by(items(), "at", "workspace"))
    assert {kind for _, _, kind in moved} == {"code_execution"}
    assert sum(moved.values()) == deviated.nano > 0


def test_what_is_missing_is_a_day_or_an_evening() -> None:
    """Nothing of it is left, and nothing else is gone."""
    day = injected.missing_day(items(), "2026-10-14")
    assert {item.day for item in items()} - {item.day for item in day.items} == {"2026-10-14"}
    since = "2026-10-31T18:00:00Z"
    evening = injected.late(items(), since)
    assert -evening.nano == total(item for item in items() if item.at >= since) > 0
    assert evening.items == tuple(item for item in items() if item.at < since)


def test_an_amount_in_cents_is_told_as_cents() -> None:
    """The report says "123.45", which is a dollar and some."""
    deviated = injected.cents(items())
    (row,) = (row for row in reported(deviated.items) if row["workspace_id"] == "wrkspc_01Cents")
    assert row["amount"] == "123.45"
    assert deviated.nano == 1_234_500_000


@pytest.mark.parametrize("decimals", [0, 2])
def test_rounded_rows_have_so_many_decimals(decimals: int) -> None:
    """Every row of the report, and none is off by more than half of the last one."""
    deviated = injected.rounded(items(), decimals=decimals)
    exact = {_name(row): Decimal(row["amount"]) for row in reported(items())}
    rows = reported(deviated.items)
    half = Decimal(1).scaleb(-decimals) / 2
    for row in rows:
        exponent = Decimal(row["amount"]).as_tuple().exponent
        assert isinstance(exponent, int)
        assert -exponent <= decimals
        assert abs(Decimal(row["amount"]) - exact[_name(row)]) <= half
    assert len(rows) == len(exact)


def _name(row: Any) -> tuple[Any, ...]:
    names = ("day", "workspace_id", "description", "service_tier", "context_window", "inference_geo")
    return tuple(row[name] for name in names)


def test_nothing_is_injected_where_nothing_is_asked_for() -> None:
    """A month without a deviation has the report of its account."""
    month: Month = made(SIZE).month
    assert nano(reported(month.bill.items)) == sum(month.account.bill.values())
    assert all(isinstance(item, Item) for item in month.bill.items)
