"""Ledger and bill count the same money by code that shares nothing; a change on one side shows, and only that change.

What agrees by accident would not differ by exactly what was changed.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.agreement.mix import HAIKU, OPUS, SHIPPED_PRICES, SONNET, Run, mixed


class Mutation(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the price file: the texts before and after, whose lines it touches, and by how much in all."""

    before: str
    after: str
    kind: str
    model: str | None
    total: Callable[[Run], Fraction]


def per_unit(kind: str, model: str | None, nano: str) -> Callable[[Run], Fraction]:
    """The quantity times a difference of nano-dollars a unit."""
    return lambda run: run.quantity(kind, model) * Fraction(nano)


def six_minutes(run: Run) -> Fraction:
    """Each session that was opened costs a minute more: its line is rounded to whole nano-dollars before and after."""
    hour = Fraction("0.05") * 10**9
    sessions = run.quantity("code_execution") / 300
    assert sessions.denominator == 1
    return sessions * (round(hour * 6 / 60) - round(hour * 5 / 60))


def row(name: str, was: str, becomes: str) -> tuple[str, str]:
    """A text that stands once in the price file: the last row of that name up to its prices, one of them changed."""
    start = SHIPPED_PRICES.rindex(f"- name: {name}\n")
    end = SHIPPED_PRICES.index("}", start)
    before = SHIPPED_PRICES[start:end]
    assert before.count(was) == 1
    return before, before.replace(was, becomes)


def mutation(name: str, was: str, becomes: str, kind: str, model: str, nano: str) -> Mutation:
    """A change of one price of one model."""
    before, after = row(name, was, becomes)
    return Mutation(before=before, after=after, kind=kind, model=model, total=per_unit(kind, model, nano))


LONG_PROMPT = 100_000
MUTATIONS = {
    "one price": mutation("sonnet-5.5", 'output: "10"', 'output: "10.01"', "output", SONNET, "10"),
    "one write price": mutation("opus-5.5", '_1h: "8"', '_1h: "8.01"', "cache_write_1h", OPUS, "10"),
    "one token class": mutation("opus-5.5", 'cache_read: "0.20"', 'cache_read: "4"', "cache_read", OPUS, "3800"),
    "one tier": Mutation(
        before='usd_per_million: {input: "0.50", output: "2.50"',
        after='usd_per_million: {input: "0.51", output: "2.50"',
        kind="input",
        model=HAIKU,
        total=lambda run: run.quantity("input", HAIKU, above=LONG_PROMPT) * 10,
    ),
    "one search price": Mutation(
        before='usd_per_thousand: "10"',
        after='usd_per_thousand: "11"',
        kind="web_search",
        model=None,
        total=per_unit("web_search", None, "1000000"),
    ),
    "one minimum": Mutation(
        before='minimum_minutes: "5"',
        after='minimum_minutes: "6"',
        kind="code_execution",
        model=None,
        total=six_minutes,
    ),
}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"code__minimum_per": "request"},
        {"code__idle_bills": True},
        {"code__minimum_per": "request", "code__free_use_counts": True, "free_hours__limit": 1},
        {"free_hours__limit": 1550},
        {"code__history_uploads_bill": False, "code__direct_web_tool_frees": False},
        {"haiku55_tier_on": "iteration_prompt"},
    ],
    ids=lambda each: ",".join(each) or "shipped",
)
def test_ledger_and_bill_agree(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Request by request and kind by kind, to the nano-dollar, under every reading of how container time bills."""
    run = mixed(tmp_path, **settings)
    assert run.differences == {}
    assert run.freed > 0
    spent = sum(nano for (_, kind), nano in run.bill.items() if kind in {"code_execution", "allowance_credit"})
    assert (spent == 0) == (settings.get("free_hours__limit") == 1550)
    kinds = {"input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "web_search", "code_execution"}
    assert kinds <= {kind for _, kind in run.bill} <= kinds | {"allowance_credit"}


def test_the_two_readings_of_a_tier_differ(tmp_path: Path) -> None:
    """The mix holds a request whose iterations are a long prompt only as a sum; else agreeing on both said nothing."""
    summed, apart = mixed(tmp_path / "summed"), mixed(tmp_path / "apart", haiku55_tier_on="iteration_prompt")
    assert sum(apart.bill.values()) < sum(summed.bill.values())


@pytest.mark.parametrize("side", ["ledger", "bill"])
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_change_on_one_side_shows_exactly(tmp_path: Path, name: str, side: str) -> None:
    """The two differ by quantity times the change, on the lines of that kind and model alone."""
    changed = MUTATIONS[name]
    assert SHIPPED_PRICES.count(changed.before) == 1
    text = SHIPPED_PRICES.replace(changed.before, changed.after)
    run = mixed(tmp_path, ours=text) if side == "ledger" else mixed(tmp_path, theirs=text)
    expected = changed.total(mixed(tmp_path / "again") if changed.kind == "code_execution" else run)
    assert expected > 0
    assert sum(run.differences.values()) == (expected if side == "ledger" else -expected)
    assert run.differences.keys() <= run.requests(changed.kind, changed.model)
