"""The flat table has every entry once, and its costs add up to the bill."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.exports.entrytable import COLUMNS, EntryTable
from planner.core.exports.tabular import Cell
from planner.core.ledger.charges import is_notional
from planner.core.ledger.entry import Entry
from tests.doubles.charged import charged, nano
from tests.doubles.recorded import entry

LEDGERS = st.lists(st.integers(0, 10**6), max_size=12).map(
    lambda seeds: [each for number, seed in enumerate(seeds) for each in charged(Random(seed), number)]  # noqa: S311 - drawn
)


def row(each: Entry) -> dict[str, Cell]:
    """The row of an entry, by column."""
    (made,) = EntryTable().rows(each)
    return dict(zip([column.name for column in COLUMNS], made, strict=True))


@given(LEDGERS)
@settings(deadline=None)
def test_costs_add_up_to_the_bill(entries: list[Entry]) -> None:
    """What a subscription pays for stands apart, and what is not known is empty."""
    made = [row(each) for each in entries]
    billed = [each for each in entries if each.cost_nano is not None and not is_notional(each)]
    assert sum(nano(each["cost_usd"]) for each in made) == sum(each.cost_nano or 0 for each in billed)
    assert sum(nano(each["list_usd"]) for each in made) == sum(line.listed for each in billed for line in each.lines)
    assert [each["cost_usd"] is None for each in made] == [each.cost_nano is None for each in entries]
    for cells, each in zip(made, entries, strict=True):
        assert all(cells[column.name] is not None for column in COLUMNS if not column.nullable)
        if each.tokens is not None and each.corrects is None:
            assert cells["cache_read_tokens"] == each.tokens.cache_read


def test_an_unknown_cost_keeps_what_was_read() -> None:
    """The reason stands beside it; without usage there are no tokens either."""
    unpriced = row(entry(cost_nano=None, lines=(), unpriced="unknown-model"))
    assert (unpriced["cost_usd"], unpriced["unpriced"], unpriced["output_tokens"]) == (None, "unknown-model", 100)
    assert row(entry(cost_nano=None, lines=(), tokens=None))["output_tokens"] is None


def test_a_saving_is_untouched_less_cost() -> None:
    """Empty where the one is not known."""
    assert row(entry(untouched_nano=250_007))["saving_usd"] == 7
    assert row(entry(untouched_nano=None))["saving_usd"] is None
