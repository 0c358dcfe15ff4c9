"""The money of one request: prices that give its lines, and a sentence for each way in which a cost can be."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest

from planner.core.ledger.entry import Code, Entry, Lost, Seconds
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.prices import Line
from planner.dashboard.pages import charged
from tests.dashboard.pages.test_wanted import USUAL
from tests.doubles.months import made

LINES = (
    Line("input", 2_000, "token", 6_000_000, "measured", 8_000_000),
    Line("web_search", 2, "use", 20_000_000, "measured"),
    Line("code_execution", "300", "second", 4_166_667, "estimated"),
    Line("allowance_credit", "300", "second", -4_166_667, "estimated"),
)


def charged_entry(**fields: Any) -> Entry:
    """A request with a line of each kind."""
    cost = sum(line.nano for line in LINES)
    usual: dict[str, Any] = {
        "outcome": "ok",
        "lines": LINES,
        "cost_nano": cost,
        "list_nano": cost + 2_000_000,
        "untouched_nano": cost + 10,
        "code": Code(1, Seconds(0, 4.5, 9), "billed", 300_000, 300_000),
    }
    return msgspec.structs.replace(USUAL, **(usual | fields))


def test_prices_are_those_of_the_lines() -> None:
    """Dollars for a million tokens, a thousand searches, an hour; a credit has none."""
    table = charged.lines(charged_entry())
    assert [row.cells[3:5] for row in table.rows] == [
        (3_000_000_000, "1M tokens"),
        (10_000_000_000, "1,000 searches"),
        (50_000_004, "an hour"),
        (None, "an hour"),
    ]
    assert table.total is not None
    assert table.total.cells[5:7] == (28_000_000, 26_000_000)
    assert "taken back" in table.note


def test_prices_give_every_line_of_a_month() -> None:
    """To what a nano-dollar of rounding allows."""
    for entry in made().entries[:600]:
        for line, row in zip(entry.lines, charged.lines(entry).rows, strict=True):
            price = row.cells[3]
            if isinstance(price, int):
                quantity = Fraction(str(line.quantity)) / {"token": 1_000_000, "use": 1_000, "second": 3_600}[line.unit]
                assert abs(price * quantity - line.nano) <= max(quantity, Fraction(1))


def test_the_minimum_of_a_session_is_named() -> None:
    """Where more is charged than ran; and what the free hours gave back."""
    told = {row.cells[0]: row.cells[1] for row in charged.container(charged_entry()).rows}
    assert told["Charged time"] == "300.000 s: the minimum of a session that begins with it is in that"
    assert told["Given back"] == "300.000 s were within the free hours"
    assert charged.container(charged_entry(code=None, container=None)).note == "No code ran."
    ran = charged_entry(code=Code(1, Seconds(0, 299.5, 400), "billed", 300_000, 300_000))
    assert "minimum" not in str([row.cells for row in charged.container(ran).rows if row.cells[0] == "Charged time"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "It cost $0.026. 77 % of it is 2 web searches. Untouched it would have cost $0.02600001, so edits saved"),
        ({"untouched_nano": 25_000_000}, "so edits cost $0.001 (est.)."),
        ({"untouched_nano": 26_000_000}, "Untouched it would have cost the same (estimated)."),
        ({"untouched_nano": None}, "is not known."),
        ({"lines": LINES[:1], "cost_nano": 6_000_000}, "All of it is 2,000 input tokens."),
        ({"lines": LINES[2:3], "cost_nano": 4_166_667}, "All of it is 300 s of container time."),
        ({"lines": (), "cost_nano": 0}, "It cost $0."),
        ({"outcome": "unknown", "cost_nano": None}, "still on its way"),
        ({"outcome": "refused", "cost_nano": 0, "lines": ()}, "refused it and sent nothing"),
        ({"cost_nano": None, "lines": (), "unpriced": "unknown-model"}, "the price files do not know its model."),
        ({"cost_nano": None, "lines": (), "unpriced": "no-price-for-fast"}, "no sum of money: no-price-for-fast."),
        ({"lines": (Line("input", 1, "token", 5, "notional"),), "cost_nano": 5}, "A subscription pays for it."),
    ],
)
def test_what_it_cost_in_words(fields: dict[str, Any], words: str) -> None:
    """For every way in which a cost can be."""
    assert words in charged.verdict(charged_entry(**fields))


def test_tokens_add_up() -> None:
    """Classes share none."""
    counted = TokenClasses(input=1, cache_write_5m=2, cache_read=3, output=4)
    table = charged.tokens(charged_entry(tokens=counted))
    assert table.total is not None
    assert table.total.cells[1] == counted.total
    assert charged.tokens(charged_entry(tokens=None)).rows == ()


def test_what_a_container_spared_and_what_was_lost() -> None:
    """A minimum by what spared it, a start; and a container that could not be gone on in, by whom and how."""
    code = Code(1, Seconds(0, 4.5, 9), "covered", avoided_nano=4_166_667, start_saved_ms=1_500)
    entry = charged_entry(code=code, lost=Lost("gone", "replaced", ours=True))
    told = {row.cells[0]: str(row.cells[1]) for row in charged.container(entry).rows}
    assert told["Minimum spared"] == "by the container: it would have cost $0.004166667 more"
    assert told["Start spared"].startswith("1.500 s")
    assert told["Lost"] == "digest gone, which we named: the answer came from another one, without a word"
    plain = {row.cells[0] for row in charged.container(charged_entry()).rows}
    assert not plain & {"Minimum spared", "Start spared", "Lost"}
