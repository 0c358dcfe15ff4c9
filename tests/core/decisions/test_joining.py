"""A session's container is joined where that is cheaper, or costs the same and is warm; never where it is dearer."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.allowance import Allowance
from planner.core.decisions.joining import declines, weigh
from planner.core.learning.expectation import SESSION_SECONDS
from planner.core.ledger.entry import Expected
from planner.core.pricing.prices import PriceBook
from planner.core.reasons import Reason
from tests.doubles.deciding import BOOK, NOW, ask, book, facts, settings, turn

MINIMUM = 4_166_667
FILE = [{"role": "user", "content": [{"type": "container_upload", "file_id": "file_1"}]}]
LIKELY = BOOK.catalog.priors.code_probability.likely
SECONDS = BOOK.catalog.priors.code_seconds.likely
IDLE_BILLS = book(settings=settings(code={"idle_bills": True}))
PER_REQUEST = book(settings=settings(code={"minimum_per": "request"}))
COUNT = round(MINIMUM * LIKELY)


def used(seconds: float, idle: float = 30) -> Any:
    """The turn of a session that was billed so many seconds, and has waited since."""
    return turn(used_ms=round(seconds * 1000), used_at=NOW - timedelta(seconds=idle))


@pytest.mark.parametrize(
    ("known", "rules", "alone", "joined"),
    [
        pytest.param(used(60), BOOK, COUNT, 0, id="covered"),
        pytest.param(used(300), BOOK, COUNT, round(COUNT * SECONDS / 300), id="each second beyond it"),
        pytest.param(turn(), BOOK, COUNT, COUNT, id="nothing paid"),
        pytest.param(used(60, idle=301), BOOK, COUNT, COUNT, id="over"),
        pytest.param(used(60), PER_REQUEST, COUNT, COUNT, id="each request its own minimum"),
        pytest.param(used(299, idle=300), IDLE_BILLS, COUNT, round(COUNT * 314 / 300), id="waiting bills"),
    ],
)
def test_what_either_costs(known: Any, rules: Any, alone: int, joined: int) -> None:
    """Where code runs half of the time, for as long as it is believed to, at five cents an hour."""
    weighed = weigh(ask(), facts(), rules, known, free=False)
    assert weighed is not None
    assert abs(weighed.untouched - alone) <= 1
    assert abs(weighed.planned - joined) <= 1


def test_what_makes_an_hour_worth_nothing() -> None:
    """Code that is free anyway, and free hours that will do; half a chance of exceeding them is half the price."""
    assert weigh(ask(), facts(), BOOK, used(60), free=True) == Expected(0, 0)
    below = facts(allowance=Allowance(0.0, 0.0, 1550.0, 0.0, known=True))
    assert weigh(ask(), below, BOOK, used(60), free=False) == Expected(0, 0)
    near = facts(allowance=Allowance(0.0, 0.0, 1550.0, 0.5, known=True))
    assert weigh(ask(), near, BOOK, used(60), free=False) == Expected(round(COUNT / 2), 0)


def test_files_bill_for_sure() -> None:
    """Whether code runs or not."""
    weighed = weigh(ask(messages=FILE), facts(), BOOK, used(60), free=False)
    assert weighed == Expected(MINIMUM, 0)


def test_no_price_is_no_sum() -> None:
    """Then time alone decides."""
    unpriced = book(prices=PriceBook(BOOK.prices.rows, ()))
    assert weigh(ask(), facts(), unpriced, used(60), free=False) is None
    assert declines(None, turn(), facts()) is None


@pytest.mark.parametrize(
    ("weighed", "expires_in", "expected"),
    [
        (Expected(2, 1), 60, None),
        (Expected(2, 1), -60, None),
        (Expected(1, 2), 60, Reason.NOT_WORTH_IT),
        (Expected(0, 0), 60, None),
        (Expected(2, 2), -60, Reason.COLD),
        (Expected(0, 0), 0, Reason.COLD),
        (None, -60, Reason.COLD),
    ],
)
def test_money_first_and_then_time(weighed: Expected | None, expires_in: float, expected: Reason | None) -> None:
    """A warm start is worth something where the price is the same, and nothing where it is not."""
    known = turn(expires_at=NOW + timedelta(seconds=expires_in))
    assert declines(weighed, known, facts()) is expected


def test_an_unknown_expiry_is_no_warmth() -> None:
    """What nobody told may be gone."""
    assert declines(Expected(1, 1), turn(expires_at=None), facts()) is Reason.COLD


@given(st.floats(0, 4_000), st.floats(0, 2 * SESSION_SECONDS), st.floats(0, 1), st.booleans())
def test_joining_is_never_dearer_while_waiting_is_free(
    paid: float,
    idle: float,
    chance: float,
    begun: bool,  # noqa: FBT001 - drawn
) -> None:
    """Whatever was used, and however long ago: a session carries its minimum once."""
    known = used(paid, idle) if begun else turn()
    hours = msgspec.structs.replace(facts().allowance, probability=chance)
    weighed = weigh(ask(), facts(allowance=hours), BOOK, known, free=False)
    assert weighed is not None
    assert 0 <= weighed.planned <= weighed.untouched
