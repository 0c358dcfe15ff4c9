"""Two price books on recorded traffic: what was settled is found again, and what changed, by model and kind."""

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.core.ledger.entry import Digests, Entry
from planner.core.metering.usage import Metered, StreamUsage, TokenClasses, meter
from planner.core.preview.pricediff import Lack, Money, Part, compare, reprice
from planner.core.pricing.discounts import Discount
from planner.core.pricing.prices import Line, PriceBook, Unpriced
from planner.core.rulebook.book import RuleBook
from planner.core.settlement import Terms, settle
from planner.core.wire import parse_event
from tests.doubles.deciding import BOOK, book

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OPUS, HAIKU = "claude-opus-5-5", "claude-haiku-5-5"
LIST = BOOK.prices
HALF = Discount(name="half", why="w", off=Fraction(1, 2), source="s", checked=AT.date(), mark="A")
CHEAPER = PriceBook(LIST.rows, LIST.tools, (HALF,))
WITHOUT_OPUS = PriceBook(tuple(row for row in LIST.rows if row.name != "opus-5.5"), LIST.tools)
MINIMUM = 4_166_667


def usage(**members: Any) -> bytes:
    """Usage as the API writes it."""
    return msgspec.json.encode({"input_tokens": 0, "output_tokens": 0} | members)


def entry(
    metered: Metered | bytes, model: str = OPUS, rules: RuleBook = BOOK, organization: str | None = None, **terms: Any
) -> Entry:
    """The ledger's entry of a response, settled as the proxy does."""
    used = meter(metered) if isinstance(metered, bytes) else metered
    chosen: dict[str, Any] = {"at": AT, "model": model, "organization": organization, "elapsed_ms": 1_000}
    money = settle(used, Terms(**(chosen | terms)), rules)
    return Entry(
        request_id="0" * 24,
        at=AT.isoformat(),
        principal="p",
        organization=organization,
        endpoint="messages",
        method="POST",
        model=model,
        served_model=model,
        mode="plan",
        outcome="ok",
        cost_nano=money.cost,
        list_nano=money.listed,
        unpriced=money.unpriced,
        lines=money.lines,
        usage=msgspec.Raw(used.raw),
        tokens=used.classes,
        code=money.code,
        digests=Digests(rules.digest, rules.prices.digest),
    )


PLAIN = entry(usage(input_tokens=1_000, output_tokens=500))
RAN = entry(usage(input_tokens=1_000), runs=1)
CREDITED = entry(usage(input_tokens=1_000), runs=1, free_ms=10**9)
SEARCHED = entry(usage(server_tool_use={"web_search_requests": 3}), HAIKU)


def test_a_book_beside_itself() -> None:
    """Nothing differs, and the sums are those of the ledger."""
    found = compare([PLAIN, RAN, CREDITED, SEARCHED], LIST, LIST)
    spent = sum(each.cost_nano or 0 for each in (PLAIN, RAN, CREDITED, SEARCHED))
    assert found.before == found.after == Money(spent, spent)
    assert (found.requests, found.lost, found.gained, found.notional) == (4, Money(), Money(), 0)
    assert all(part.before == part.after for part in found.parts)


def test_what_changed_by_model_and_kind() -> None:
    """Half of everything, container time and its credit included; list prices stay."""
    found = compare([PLAIN, CREDITED, SEARCHED], LIST, CHEAPER)
    assert found.parts == (
        Part(HAIKU, "web_search", Money(30_000_000, 30_000_000), Money(15_000_000, 30_000_000)),
        Part(OPUS, "allowance_credit", Money(-MINIMUM, -MINIMUM), Money(-2_083_333, -MINIMUM)),
        Part(OPUS, "code_execution", Money(MINIMUM, MINIMUM), Money(2_083_333, MINIMUM)),
        Part(OPUS, "input", Money(8_000_000, 8_000_000), Money(4_000_000, 8_000_000)),
        Part(OPUS, "output", Money(10_000_000, 10_000_000), Money(5_000_000, 10_000_000)),
    )
    assert found.after == Money(24_000_000, 48_000_000)


def test_what_one_of_them_cannot_price() -> None:
    """It stays out of the sums that are compared, and is told apart."""
    found = compare([PLAIN, PLAIN, SEARCHED], LIST, WITHOUT_OPUS)
    assert (found.requests, found.before.nano, found.after.nano) == (1, 30_000_000, 30_000_000)
    assert (found.lost, found.gained) == (Money(28_000_000, 28_000_000), Money())
    assert (found.unpriced_before, found.unpriced_after) == ({}, {Lack("unknown-model", OPUS): 2})
    back = compare([PLAIN, PLAIN, SEARCHED], WITHOUT_OPUS, LIST)
    assert (back.gained, back.unpriced_before) == (found.lost, found.unpriced_after)


def test_what_was_unpriced_may_have_a_price_now() -> None:
    """Tokens are re-priced from usage; time whose credit was not settled is not."""
    bare = book(prices=WITHOUT_OPUS)
    unknown = entry(usage(input_tokens=1_000), rules=bare)
    assert (unknown.cost_nano, unknown.lines) == (None, ())
    assert reprice(unknown, LIST) == (Line("input", 1_000, "token", 4_000_000, "measured"),)
    assert reprice(entry(usage(input_tokens=1_000), rules=bare, runs=1), LIST) == Unpriced("unrecorded-container-time")
    unread = msgspec.structs.replace(PLAIN, tokens=None, lines=(), cost_nano=None, unpriced="unparsed-usage")
    assert compare([unread], LIST, LIST).unpriced_after == {Lack("unparsed-usage", OPUS): 1}


def test_another_minimum_cannot_be_compared() -> None:
    """How long would have been billed under it, no entry tells."""
    longer = tuple(msgspec.structs.replace(row, minimum_ms=2 * row.minimum_ms) for row in LIST.tools)
    found = compare([RAN, PLAIN], LIST, PriceBook(LIST.rows, longer))
    assert (found.requests, found.unpriced_after) == (1, {Lack("minimum-differs", OPUS): 1})
    assert found.lost == Money(RAN.cost_nano or 0, RAN.list_nano or 0)


def test_a_tool_that_has_no_price_any_more() -> None:
    """Its requests are unpriced, not free."""
    found = compare([RAN, SEARCHED, PLAIN], LIST, PriceBook(LIST.rows))
    assert found.unpriced_after == {
        Lack("no-price-for-code-execution", OPUS): 1,
        Lack("no-price-for-web-search", HAIKU): 1,
    }
    assert compare([RAN], PriceBook(LIST.rows), LIST).gained == Money(RAN.cost_nano or 0, RAN.list_nano or 0)


def test_modifiers_count_as_served() -> None:
    """Fast mode and the place of inference are read from the recorded usage."""
    served = entry(usage(input_tokens=1_000, speed="fast", inference_geo="us"))
    assert compare([served], LIST, LIST).after == Money(8_800_000, 8_800_000)
    assert reprice(entry(usage(input_tokens=1_000, speed="warp")), LIST) == Unpriced("unknown-modifier")


def test_organizations_have_their_own_discounts() -> None:
    """Each entry is priced as its organization pays."""
    theirs = PriceBook(LIST.rows, LIST.tools, (msgspec.structs.replace(HALF, organizations=("org-1",)),))
    found = [
        compare([entry(usage(input_tokens=1_000), organization=name)], LIST, theirs) for name in ("org-1", "org-2")
    ]
    assert [each.after.nano for each in found] == [2_000_000, 4_000_000]


def test_what_stays_out() -> None:
    """Subscriptions are not billed by the token, and what costs nothing has nothing to compare."""
    subscribed = entry(usage(input_tokens=1_000), notional=True)
    listed = msgspec.structs.replace(PLAIN, endpoint="models", tokens=None, lines=(), cost_nano=0)
    found = compare([subscribed, listed], LIST, LIST)
    assert (found.requests, found.notional, found.unpriced_after) == (0, 1, {})


def test_a_cut_stream_is_priced_as_it_was_estimated() -> None:
    """Its usage tells less than what was settled."""
    usage_ = StreamUsage()
    told = {"id": "m", "model": OPUS, "usage": {"input_tokens": 9, "output_tokens": 1}}
    start = {"type": "message_start", "message": told}
    usage_.feed(parse_event(msgspec.json.encode(start)))
    usage_.wrote(400)
    metered = usage_.metered()
    assert metered is not None
    cut = entry(metered)
    assert cut.tokens == TokenClasses(input=9, output=100)
    assert reprice(cut, LIST) == cut.lines


def test_the_tier_of_each_iteration() -> None:
    """The caller says which reading the ledger was settled under."""
    part = {"type": "message", "input_tokens": 60_000, "output_tokens": 0}
    long = entry(usage(input_tokens=120_000, iterations=[part, part]), HAIKU)
    assert compare([long], LIST, LIST).after.nano == 120_000 * 500
    assert compare([long], LIST, LIST, per_iteration=True).after.nano == 120_000 * 100


def test_numbers_that_no_store_holds() -> None:
    """They are unpriced, as in the ledger; so is a usage that cannot be read."""
    huge = msgspec.structs.replace(PLAIN, tokens=TokenClasses(input=10**17))
    assert reprice(huge, LIST) == Unpriced("overflow")
    assert reprice(msgspec.structs.replace(PLAIN, usage=msgspec.Raw(b"[]")), LIST) == Unpriced("unparsed-usage")


def test_dates_pick_the_rows() -> None:
    """A row that begins after the traffic changes nothing in it."""
    search = LIST.tool("web_search", AT)
    assert search is not None
    dearer = msgspec.structs.replace(search, pico_per_use=2 * 10**10, since=date(2026, 11, 23))
    later = PriceBook(LIST.rows, (dearer, *LIST.tools))
    assert compare([SEARCHED], LIST, later).after == Money(30_000_000, 30_000_000)


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 9),
    st.integers(0, 3),
    st.integers(0, 600_000),
)
def test_repricing_gives_what_was_settled(
    tokens: int, read: int, output: int, searches: int, runs: int, free_ms: int
) -> None:
    """Under the book that priced it, to the nano-dollar, with discounts and without."""
    raw = usage(
        input_tokens=tokens,
        cache_read_input_tokens=read,
        output_tokens=output,
        server_tool_use={"web_search_requests": searches},
    )
    for prices in (LIST, CHEAPER):
        one = entry(raw, HAIKU, rules=book(prices=prices), runs=runs, free_ms=free_ms)
        assert reprice(one, prices) == one.lines
        assert compare([one], prices, prices).before == Money(one.cost_nano or 0, one.list_nano or 0)
