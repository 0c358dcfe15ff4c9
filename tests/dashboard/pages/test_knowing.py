"""How figures are known, in words that do not claim more than is known."""

import msgspec
import pytest

from planner.core.reports.figures import Figures, figures
from planner.core.reports.holdout import Measured
from planner.dashboard.pages.knowing import known_by, saved_words
from tests.doubles.reported import closing_of, month

PAID = 12_340_000_000


def whole(saved: int = 0, known: int = 1, **more: int) -> Figures:
    """What was paid, and what was saved of it."""
    compared = {"untouched_nano": saved, "untouched_known": known}
    return figures({"requests": 3, "nano.input": PAID, **compared, **more})


@pytest.mark.parametrize(
    ("saved", "known", "said"),
    [
        (2_680_000_000, 3, "You paid $12.34. Untouched it would have been $15.02 (estimated)."),
        (0, 3, "You paid $12.34. Untouched it would have been the same: no edit changed what it cost (estimated)."),
        (0, 0, "You paid $12.34. No request tells what it would have cost untouched."),
        (
            -340_000_000,
            3,
            "You paid $12.34. Untouched it would have been $12.00 (estimated): edits cost more than they saved.",
        ),
    ],
)
def test_what_was_paid_and_what_it_would_have_been(saved: int, known: int, said: str) -> None:
    """A sentence for each way that it can have gone."""
    assert saved_words(whole(saved, known)) == said


def test_what_is_measured_and_what_is_not() -> None:
    """Both add up to the cost; what has no price is told as a number of requests."""
    rows = known_by(whole(estimated_nano=40, **{"unpriced.unknown-model": 2}), None).rows
    assert [row.cells[0] for row in rows] == ["measured", "estimated", "unknown", "estimated", "hold-out"]
    assert rows[0].cells[2] == PAID - 40
    assert rows[1].cells[2] == 40
    assert rows[2].cells[3] == 2


def test_hold_outs_of_a_closed_month() -> None:
    """With their interval, or why there is none yet."""
    measured = Measured(policy="p", treated=40, held_out=35, saved_nano=2e6, low=1e6, high=3e6)
    early = Measured(policy="q", treated=40, held_out=3)
    closing = msgspec.structs.replace(closing_of(list(month())), holdouts=(measured, early))
    said = [str(row.cells[1]) for row in known_by(whole(), closing).rows if row.cells[0] == "hold-out"]
    assert said[0].startswith("p: saved a request, $0.0010 to $0.0030 in 80 % of cases (40 prefix-days")
    assert "not yet measurable: 30 prefix-days each are needed" in said[1]
