"""A correction brings an entry to what is known by the difference, once, and leaves the entry as it was written."""

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.ledger.corrections import Billed, billed, correct
from planner.core.ledger.entry import CORRECTION, Code, Digests, Entry, Seconds
from planner.core.pricing.prices import Basis, Line, PriceBook
from tests.doubles.deciding import BOOK

AT = datetime(2026, 11, 3, 9, tzinfo=UTC)
LATER = datetime(2026, 12, 2, 6, tzinfo=UTC)
MINIMUM = 4_166_667
HOUR_NANO = 50_000_000


def seconds(kind: str, quantity: str, nano: int, basis: Basis = "estimated") -> Line:
    """A line of container time."""
    return Line(kind, quantity, "second", nano, basis)


def entry(*lines: Line, charge: str = "billed") -> Entry:
    """A settled request that cost a thousand nano-dollars for its tokens."""
    tokens = Line("input", 1, "token", 1_000, "measured")
    cost = sum(line.nano for line in (tokens, *lines))
    return Entry(
        request_id="r1",
        at=AT.isoformat(timespec="microseconds"),
        principal="p",
        organization="o",
        workspace="w",
        team="search",
        tags={"team": "search"},
        endpoint="messages",
        method="POST",
        mode="plan",
        model="m",
        outcome="ok",
        cost_nano=cost,
        untouched_nano=cost,
        lines=(tokens, *lines),
        code=Code(1, Seconds(0.0, 2.0, 4.0), charge),  # type: ignore[arg-type]  # a word of the list
        container="c",
        digests=Digests("r", "old"),
    )


CHARGED = entry(seconds("code_execution", "300", MINIMUM))
FREE = entry(charge="free")


def corrected(
    one: Entry, ms: int, credited_ms: int = 0, earlier: Sequence[Entry] = (), prices: PriceBook = BOOK.prices
) -> Entry | None:
    """A correction, made a month later."""
    number = f"c{len(earlier)}"
    return correct(one, Billed(ms, credited_ms), prices, request_id=number, made_at=LATER, earlier=earlier)


def test_the_difference() -> None:
    """Twelve minutes instead of five: seven more, in the name and on the day of the request."""
    one = corrected(CHARGED, 720_000)
    assert one is not None
    assert one.lines == (seconds("code_execution", "420", 10_000_000 - MINIMUM),)
    assert one.cost_nano == one.untouched_nano == 10_000_000 - MINIMUM
    assert (one.endpoint, one.outcome, one.corrects, one.attempts) == (CORRECTION, "ok", "r1", 0)
    assert (one.at, one.corrected_at) == (CHARGED.at, LATER.isoformat(timespec="microseconds"))
    assert (one.principal, one.organization, one.workspace, one.team) == ("p", "o", "w", "search")
    assert one.code is not None
    assert (one.code.runs, one.code.hours_ms, one.code.untouched_hours_ms) == (0, 420_000, 420_000)
    assert one.digests == Digests("r", BOOK.prices.digest)
    assert (one.usage, one.tokens, one.latency) == (msgspec.Raw(b"null"), None, None)


def test_what_was_never_billed_is_taken_back() -> None:
    """Lines are negative, and so are the hours."""
    one = corrected(CHARGED, 0)
    assert one is not None
    assert one.lines == (seconds("code_execution", "-300", -MINIMUM),)
    assert one.code is not None
    assert one.code.hours_ms == -300_000


def test_what_was_thought_free() -> None:
    """The saving shrinks by what it cost: without our edits nothing more would have been paid."""
    one = corrected(FREE, 300_000)
    assert one is not None
    assert (one.cost_nano, one.untouched_nano) == (MINIMUM, 0)
    assert one.code is not None
    assert (one.code.hours_ms, one.code.untouched_hours_ms) == (300_000, 0)


def test_what_the_free_hours_gave_back() -> None:
    """A credit that is known later is a line of its own, and one that covers all of it leaves nothing."""
    one = corrected(CHARGED, 300_000, 300_000)
    assert one is not None
    assert one.lines == (seconds("allowance_credit", "300", -MINIMUM),)
    back = corrected(CHARGED, 300_000, 0, (one,))
    assert back is not None
    assert back.lines == (seconds("allowance_credit", "-300", MINIMUM),)


MS = st.integers(0, 10 * 3_600_000)
BILLED = st.tuples(MS, MS).map(lambda pair: Billed(max(pair), min(pair)))


@given(st.sampled_from([CHARGED, FREE]), st.lists(BILLED, min_size=1, max_size=5))
def test_an_entry_and_its_corrections_tell_the_last_that_was_known(one: Entry, known: list[Billed]) -> None:
    """However often it was corrected in between, to the nano-dollar; telling the same again corrects nothing."""
    earlier: list[Entry] = []
    for each in known:
        found = corrected(one, each.ms, each.credited_ms, earlier)
        earlier += [] if found is None else [found]
        assert corrected(one, each.ms, each.credited_ms, earlier) is None
    last = known[-1]
    assert billed((one, *earlier)) == last
    charge, credit = (round(Fraction(ms * HOUR_NANO, 3_600_000)) for ms in (last.ms, last.credited_ms))
    assert sum(each.cost_nano or 0 for each in (one, *earlier)) == 1_000 + charge - credit
    assert all(each.cost_nano == sum(line.nano for line in each.lines) for each in earlier)


@given(MS)
def test_a_correction_survives_json(ms: int) -> None:
    """It is an entry as any other."""
    one = corrected(CHARGED, ms + 300_001)
    assert one is not None
    assert msgspec.json.decode(msgspec.json.encode(one), type=Entry) == one


@pytest.mark.parametrize(
    ("one", "better", "earlier", "problem"),
    [
        (msgspec.structs.replace(CHARGED, outcome="unknown"), Billed(1), (), "no settled request"),
        (msgspec.structs.replace(CHARGED, corrects="r0"), Billed(1), (), "no settled request"),
        (entry(seconds("code_execution", "300", MINIMUM, "notional")), Billed(1), (), "not billed by the token"),
        (CHARGED, Billed(1), (CHARGED,), "not one of r1"),
        (CHARGED, Billed(-1), (), "cannot be credited"),
        (CHARGED, Billed(1, 2), (), "cannot be credited"),
    ],
    ids=["an intent", "a correction", "a subscription", "another's correction", "below nothing", "more than all"],
)
def test_what_cannot_be_corrected(one: Entry, better: Billed, earlier: tuple[Entry, ...], problem: str) -> None:
    """The sentence says why."""
    with pytest.raises(ValueError, match=problem):
        correct(one, better, BOOK.prices, request_id="c", made_at=LATER, earlier=earlier)


def test_time_without_a_price_is_no_correction() -> None:
    """An amount that nobody knows is not 0."""
    with pytest.raises(ValueError, match="no-price-for-code-execution"):
        corrected(CHARGED, 1, prices=PriceBook())
