"""Prices: the shipped rows against sums done by hand, and the laws of looking a price up."""

from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.metering.usage import Modifiers, TokenClasses
from planner.core.pricing.prices import Line, Multipliers, PriceBook, PriceRow, Rates, Tier, Unpriced, token_lines
from planner.rulesource import load_rules

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOOK = load_rules(None).required().prices
PLAIN = Modifiers()
FAST, BATCH, US = Modifiers(fast=True), Modifiers(batch=True), Modifiers(us=True)
counts = st.integers(0, 10**7)
classes = st.builds(
    TokenClasses, input=counts, cache_write_5m=counts, cache_write_1h=counts, cache_read=counts, output=counts
)


def tokens(*numbers: int) -> TokenClasses:
    """Return classes in the order of the price table: input, output, 5m write, 1h write, cache read."""
    first, output, five, hour, read = numbers
    return TokenClasses(input=first, cache_write_5m=five, cache_write_1h=hour, cache_read=read, output=output)


def nano(model: str, used: TokenClasses, how: Modifiers = PLAIN, at: datetime = NOW) -> int | str:
    """Return the sum of a request's token lines, or why there is none."""
    lines = BOOK.request_lines(model, at, used, how)
    return lines.reason if isinstance(lines, Unpriced) else sum(line.nano for line in lines)


MILLION = 1_000_000
BY_HAND: list[tuple[str, TokenClasses, Modifiers, int]] = [
    # a million of each class: the five columns added, in nano-dollars
    ("claude-fable-5-2", tokens(MILLION, MILLION, MILLION, MILLION, MILLION), PLAIN, 74_200_000_000),
    ("claude-mythos-5-1", tokens(MILLION, MILLION, MILLION, MILLION, MILLION), PLAIN, 92_750_000_000),
    ("claude-fable-5", tokens(MILLION, MILLION, MILLION, MILLION, MILLION), PLAIN, 93_500_000_000),
    ("claude-opus-4-5-20251101", tokens(MILLION, MILLION, MILLION, MILLION, MILLION), PLAIN, 46_750_000_000),
    # 1,000 in at $4, 500 out at $20, 2,000 read at $0.20
    ("claude-opus-5-5", tokens(1000, 500, 0, 0, 2000), PLAIN, 4_000_000 + 10_000_000 + 400_000),
    # the same in fast mode: 8 in, 40 out, and the cache doubles too
    ("claude-opus-5-5", tokens(1000, 500, 0, 0, 2000), FAST, 8_000_000 + 20_000_000 + 800_000),
    # fast mode on Opus 5: 10 in, 50 out
    ("claude-opus-5", tokens(1000, 500, 0, 0, 0), FAST, 10_000_000 + 25_000_000),
    ("claude-opus-4-8", tokens(1000, 500, 0, 0, 0), FAST, 10_000_000 + 25_000_000),
    # batch halves, US inference adds a tenth, both stack: $2 halved and raised is $1.1 per million
    ("claude-sonnet-5-5", tokens(10_000, 0, 0, 0, 0), BATCH, 10_000_000),
    ("claude-sonnet-5-5", tokens(10_000, 0, 0, 0, 0), Modifiers(batch=True, us=True), 11_000_000),
    # an hour of cache writing on Sonnet 4.6: 50,000 at $6, then 10,000 5m writes at $3.75
    ("claude-sonnet-4-6", tokens(0, 0, 10_000, 50_000, 0), PLAIN, 37_500_000 + 300_000_000),
    ("claude-sonnet-4-5-20250929", tokens(1, 1, 0, 0, 0), PLAIN, 3_000 + 15_000),
    ("claude-haiku-4-5", tokens(0, 0, 0, 0, 7), PLAIN, 700),
    # one cached Haiku 5.5 token costs 10 nano-dollars, one written for 5 minutes 125
    ("claude-haiku-5-5", tokens(0, 0, 1, 0, 1), PLAIN, 135),
    # changing tools on Opus 5.5 at 50,000 cached tokens: the re-write less the read is $0.24
    ("claude-opus-5-5", tokens(0, 0, 50_000, 0, 0), PLAIN, 250_000_000),
]


@pytest.mark.parametrize(("model", "used", "how", "expected"), BY_HAND)
def test_sums_done_by_hand(model: str, used: TokenClasses, how: Modifiers, expected: int) -> None:
    """The shipped table gives what the published prices give on paper."""
    assert nano(model, used, how) == expected


@pytest.mark.parametrize(
    ("read", "expected"), [(99_999 - 1, 999_980 + 100), (99_999, 999_990 + 100), (100_000, 5_000_000 + 500)]
)
def test_the_tier_of_haiku_begins_strictly_above(read: int, expected: int) -> None:
    """One below, at, and one above 100,000 prompt tokens, cache reads included; above, everything is dearer."""
    assert nano("claude-haiku-5-5", tokens(1, 0, 0, 0, read)) == expected


@pytest.mark.parametrize(
    ("model", "day", "expected"),
    [
        ("claude-opus-4-6", datetime(2026, 3, 11, 23, 59, 59, tzinfo=UTC), 200_001 * 10_000 + 37_500),
        ("claude-opus-4-6", datetime(2026, 3, 12, tzinfo=UTC), 200_001 * 5_000 + 25_000),
        ("claude-sonnet-4-6", datetime(2026, 3, 11, tzinfo=UTC), 200_001 * 6_000 + 22_500),
        ("claude-sonnet-4-6", datetime(2026, 3, 12, tzinfo=UTC), 200_001 * 3_000 + 15_000),
    ],
)
def test_the_long_context_tier_is_history(model: str, day: datetime, expected: int) -> None:
    """Above 200,000 prompt tokens the 4.6 models were dearer until 2026-03-12, and are not since."""
    assert nano(model, tokens(200_001, 1, 0, 0, 0), at=day) == expected


def test_a_price_changes_at_midnight_utc_wherever_one_is() -> None:
    """Cache reads of Sonnet 5.5 halve at 2026-10-06 00:00 UTC, which is another hour elsewhere."""
    used = tokens(0, 0, 0, 0, 1000)
    turn = datetime(2026, 10, 6, tzinfo=UTC)
    assert nano("claude-sonnet-5-5", used, at=turn - timedelta(microseconds=1)) == 200_000
    assert nano("claude-sonnet-5-5", used, at=turn) == 100_000
    assert nano("claude-sonnet-5-5", used, at=datetime(2026, 10, 6, 1, tzinfo=timezone(timedelta(hours=2)))) == 200_000
    with pytest.raises(ValueError, match="zone"):
        BOOK.lookup("claude-sonnet-5-5", turn.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("model", "how", "reason"),
    [
        ("claude-sonnet-5-5", FAST, "no-price-for-fast"),
        ("claude-sonnet-4-5", US, "no-price-for-us"),
        ("claude-sonnet-5-5", Modifiers(unknown=("speed=warp",)), "unknown-modifier"),
        ("claude-sonnet-5-5", Modifiers(priority=True), "no-price-for-priority"),
        ("claude-mythos-preview", PLAIN, "unknown-model"),
        ("gpt-9", PLAIN, "unknown-model"),
        ("", PLAIN, "unknown-model"),
    ],
)
def test_what_nobody_published_is_unpriced(model: str, how: Modifiers, reason: str) -> None:
    """An unknown model or modifier has no cost and a reason; it never costs 0."""
    assert nano(model, tokens(1, 1, 0, 0, 0), how) == reason


@pytest.mark.parametrize("model", ["claude-opus-5", "claude-opus-5-5"])
def test_dated_ids_find_their_own_model(model: str) -> None:
    """A snapshot of Opus 5 is not taken for Opus 5.5, nor the other way round."""
    assert BOOK.lookup(f"{model}-20261224", NOW) is BOOK.lookup(model, NOW)
    assert BOOK.lookup("claude-opus-5", NOW) is not BOOK.lookup("claude-opus-5-5", NOW)


def test_a_line_is_what_the_ledger_keeps() -> None:
    """Kinds are the token classes; a class without tokens has no line; the basis is the caller's to say."""
    lines = BOOK.request_lines("claude-opus-5-5", NOW, tokens(1000, 0, 0, 0, 5), PLAIN, "estimated")
    assert lines == (
        Line("input", 1000, "token", 4_000_000, "estimated"),
        Line("cache_read", 5, "token", 1_000, "estimated"),
    )
    assert BOOK.request_lines("claude-opus-5-5", NOW, TokenClasses(), PLAIN) == ()


def test_tools_have_lines_of_their_own() -> None:
    """Three searches cost three cents; five minutes of a container cost $0.0041667; none of either is no line."""
    assert BOOK.tool_line("web_search", 3, NOW) == Line("web_search", 3, "use", 30_000_000, "measured")
    assert BOOK.tool_line("web_search", 0, NOW) is None
    assert BOOK.tool_line("web_fetch", 1, NOW) == Unpriced("no-price-for-web-fetch")
    minimum = BOOK.tool("code_execution", NOW)
    assert minimum is not None
    assert minimum.minimum_ms == 300_000
    line = BOOK.time_line("code_execution", minimum.minimum_ms, NOW)
    assert line == Line("code_execution", "300", "second", 4_166_667, "estimated")
    assert BOOK.time_line("code_execution", 0, NOW) is None
    assert BOOK.time_line("web_search", 1, NOW) == Unpriced("no-price-for-web-search")


@given(classes, st.booleans(), st.booleans(), st.booleans())
def test_lines_are_the_fractions_of_the_row(used: TokenClasses, batch: bool, fast: bool, us: bool) -> None:  # noqa: FBT001 - drawn
    """Each line equals the exact product of quantity, rate and factors, rounded once, and no token is billed twice."""
    row = BOOK.lookup("claude-opus-5", NOW)
    assert row is not None
    lines = token_lines(row, used, Modifiers(batch=batch, fast=fast, us=us))
    assert not isinstance(lines, Unpriced)
    factor = Fraction(1, 2) ** batch * 2**fast * Fraction(11, 10) ** us
    rates = {"input": 5000, "output": 25_000, "cache_write_5m": 6250, "cache_write_1h": 10_000, "cache_read": 500}
    assert [line.nano for line in lines] == [round(rates[line.kind] * int(line.quantity) * factor) for line in lines]
    assert sum(int(line.quantity) for line in lines) == used.prompt + used.output


def test_the_first_row_in_force_wins_and_revoked_rows_do_not_count() -> None:
    """Rows are asked in order; a revoked one stays for history and prices nothing."""
    rates = Rates(input=1, output=1, cache_write_5m=1, cache_write_1h=1, cache_read=1)
    dear = Rates(input=9, output=9, cache_write_5m=9, cache_write_1h=9, cache_read=9)
    seen = date(2026, 1, 1)
    wrong = PriceRow(name="w", models=("m*",), rates=dear, source="s", checked=NOW.date(), mark="A", revoked=True)
    right = PriceRow(name="r", models=("m",), rates=rates, source="s", checked=seen, mark="A", until=date(2027, 1, 1))
    book = PriceBook((wrong, right))
    assert book.lookup("m", NOW) is right
    assert book.lookup("M", NOW) is None
    assert book.lookup("m", datetime(2027, 1, 1, tzinfo=UTC)) is None
    assert book.checked == seen
    assert PriceBook().checked is None


def test_a_multiplier_stacks_on_a_tier() -> None:
    """The tier chooses the rates, the multiplier comes after."""
    low = Rates(input=1_000, output=1_000, cache_write_5m=1_000, cache_write_1h=1_000, cache_read=1_000)
    high = Rates(input=3_000, output=3_000, cache_write_5m=3_000, cache_write_1h=3_000, cache_read=3_000)
    factors = Multipliers(us=Fraction(11, 10))
    row = PriceRow(
        name="t",
        models=("m",),
        rates=low,
        over=Tier(10, high),
        multipliers=factors,
        source="s",
        checked=NOW.date(),
        mark="A",
    )
    assert token_lines(row, tokens(10, 0, 0, 0, 1), US) == (
        Line("input", 10, "token", 33, "measured"),
        Line("cache_read", 1, "token", 3, "measured"),
    )


def test_the_digest_follows_the_content() -> None:
    """The same rows have the same digest, a changed price another."""
    again = PriceBook(BOOK.rows, BOOK.tools)
    assert again == BOOK
    assert again.digest == BOOK.digest
    assert len(BOOK.digest) == 16
    assert PriceBook(BOOK.rows[1:], BOOK.tools).digest != BOOK.digest


def test_made_up_model_ids_are_not_remembered_without_end() -> None:
    """Ten thousand ids from clients leave a bounded memory behind, and lookups stay right."""
    for i in range(10_000):
        assert BOOK.lookup(f"made-up-{i}", NOW) is None
    assert len(BOOK._found) <= 1_024  # noqa: SLF001 - the bound is the point
    assert BOOK.lookup("claude-opus-5", NOW) is not None
