"""The page of a reconciled month: what stands on it, and that no amount is lost in its rounding."""

from fractions import Fraction
from pathlib import Path

import pytest

from planner.cli.statementpage import text, usd
from planner.core.reconcile.cells import MEANS, Cause
from tests.doubles.batched import answers, billed, made, passed
from tests.doubles.billed import HAIKU, OPUS, asks, bill, charges, compared, ledger, repriced, stranger

GOLDEN = Path(__file__).parent / "golden"


def page() -> str:
    """A month with a stranger, a wrong price, another reading, an estimate that is off, and a charge of nobody."""
    strangers = [stranger(ask, number) for number, ask in enumerate(asks()) if ask.model == HAIKU and number % 9 == 0]
    charged = [*charges(asks(), **{"code.minimum_per": "request"}), *strangers]
    theirs = bill(repriced(charged, OPUS, "output", Fraction(5, 4)))
    cell = next(cell for cell in sorted(theirs.costs) if cell.kind == "cache_read")
    theirs.costs[cell] += 2_345_678_901
    return "\n".join(text(compared(ledger(asks()), theirs).statement)) + "\n"


def test_the_page(tmp_path: Path) -> None:
    """Word for word; a change of it is seen in review."""
    made = page()
    (tmp_path / "reconcile.txt").write_text(made, encoding="utf-8")
    assert made == (GOLDEN / "reconcile.txt").read_text(encoding="utf-8")


def test_batches_are_named() -> None:
    """Those with missing results first, 20 at most; without one nothing is said of them."""
    some = [made({OPUS: 3}), made({OPUS: 2}, batch="c" * 16, workspace=None), passed(answers(2), batch="c" * 16)]
    lines = list(text(compared([*ledger(asks()), *some], bill([*charges(asks()), *billed(answers(5))])).statement))
    at = lines.index("Batches made through the planner; 3 results did not pass:")
    assert lines[at + 1 : at + 3] == [
        "  bbbbbbbbbbbbbbbb  2026-11-14 19:00  wrkspc_1: 3 requests, 0 results passed, 3 did not",
        "  cccccccccccccccc  2026-11-14 19:00  default workspace: 2 requests, all results passed",
    ]
    assert any(line.startswith("  results of batches that did not pass the planner") for line in lines)
    many = [made({OPUS: 1}, batch=f"{number:016x}") for number in range(33)]
    lines = list(text(compared([*ledger(asks()), *many], bill(charges(asks()))).statement))
    assert "  and 13 more" in lines
    assert not any("Batches" in line for line in page().splitlines())


@pytest.mark.parametrize(
    ("nano", "told"),
    [
        (0, "$0.000000"),
        (499, "$0.000000"),
        (-499, "$0.000000"),
        (500, "$0.000001"),
        (-1_234_567_891_000, "-$1,234.567891"),
        (999_999_999, "$1.000000"),
    ],
)
def test_dollars(nano: int, told: str) -> None:
    """Six decimals, and no minus in front of nothing."""
    assert usd(nano) == told


def test_every_cause_has_words() -> None:
    """In the order in which they are looked for."""
    assert tuple(MEANS) == tuple(Cause)
