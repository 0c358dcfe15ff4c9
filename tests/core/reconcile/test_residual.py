"""Shares and what is left add up to the difference, whoever claims what."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.reconcile.cells import Cause, Cell
from planner.core.reconcile.residual import Claim, Residual
from tests.doubles.billed import KNOWN, asks, bill, charges, ledger, read

CELL = Cell("2026-11-03", "w", "input", "m")
CLAIMS = st.lists(
    st.tuples(st.sampled_from(sorted(Cause)), st.integers(-1_000, 1_000), st.integers(0, 1_000)), max_size=4
)


def residual(nano: int, decimals: int = 7) -> Residual:
    """A single difference."""
    theirs = bill([], decimals=decimals)
    theirs.costs[CELL] = Fraction(nano)
    return Residual(read([], theirs), theirs)


@given(st.integers(-3_000, 3_000), CLAIMS)
@settings(deadline=None)
def test_claims_take_no_more_than_they_can(nano: int, drawn: list[tuple[Cause, int, int]]) -> None:
    """Each share lies in its claim's range, and all together are as near to what there is as they can be."""
    found = residual(nano)
    claims = [Claim(cause, low, low + width, "because") for cause, low, width in drawn]
    found.settle(CELL, claims)
    took = nano - found.left[CELL]
    low, high = sum(claim.low for claim in claims), sum(claim.high for claim in claims)
    assert took == min(max(nano, low), high)
    assert sum(share.nano for share in found.shares) == took
    assert found.difference[CELL] == nano


def test_rounding_explains_all_or_nothing() -> None:
    """What is more than rounding is given nothing, so that no error hides a part of itself there."""
    small, large = residual(50_000, decimals=2), residual(60_000, decimals=2)
    for each in (small, large):
        each.round_off([CELL])
    assert (small.left[CELL], large.left[CELL]) == (0, 60_000)
    assert [share.cause for share in small.shares] == [Cause.ROUNDING]
    assert large.shares == ()


def test_a_share_of_nothing_is_no_share() -> None:
    """Causes that explain nothing are not told."""
    found = residual(5)
    found.explain(Cause.LAG, CELL, 0, "nothing")
    found.explain(Cause.LAG, CELL, 3, "first")
    found.explain(Cause.LAG, CELL, 2, "second")
    (share,) = found.shares
    assert (share.nano, share.evidence) == (5, "first")


def test_tolerance_follows_the_lines() -> None:
    """The more lines were rounded one by one, the more a sum of them may be off."""
    theirs = bill(charges(asks()), known=KNOWN)
    found = Residual(read(ledger(asks()), theirs), theirs)
    tokens = next(cell for cell in found.difference if cell.kind == "input")
    code = Cell(tokens.day, tokens.workspace, "code_execution")
    assert found.tolerance(CELL) < found.tolerance(tokens) < found.tolerance(code)
