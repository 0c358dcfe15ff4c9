"""Results of a batch are counted once, each at its own price, in whatever pieces and however often they pass."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.batch.results import LARGEST_RESULT, BatchReader, Settled, tally
from planner.core.exchange import Exchange
from planner.core.ledger.batched import Known
from planner.core.ledger.entry import Batch, Digests, Entry, Latency
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.discounts import Discount
from planner.core.pricing.prices import PriceBook
from planner.core.rulebook.book import RuleBook
from planner.core.settlement import Terms
from tests.doubles.deciding import BOOK, book
from tests.doubles.messages import usage

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOOK = Latency(total=1.5, first_byte=0.5, overhead=0.001)
OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"
OPUS_NANO = (1_000 * 4_000 + 50 * 20_000) // 2
SONNET_NANO = (1_000 * 2_000 + 50 * 10_000) // 2
MINIMUM = 4_166_667
PRIOR = BOOK.catalog.priors.code_seconds
RAN: list[dict[str, Any]] = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}},
    {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {}},
]
SEARCHED = {
    "type": "server_tool_use",
    "id": "srvtoolu_2",
    "name": "web_search",
    "caller": {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"},
}


def result(kind: str = "succeeded", model: str = OPUS, name: str = "one", **members: Any) -> bytes:
    """One line of results."""
    message = {"id": "msg_1", "type": "message", "model": model, "content": [], "usage": usage(service_tier="batch")}
    told = {"type": kind} | ({"message": message | members} if kind == "succeeded" else {})
    return msgspec.json.encode({"custom_id": name, "result": told}) + b"\n"


def passed(
    *chunks: bytes,
    before: Any = None,
    ending: Any = "ok",
    free_ms: int = 0,
    notional: bool = False,
    rules: RuleBook = BOOK,
    organization: str | None = None,
    known: Known | None = None,
    untouched_free_ms: int | None = None,
) -> Settled:
    """What a passage of results adds to what earlier entries count."""
    reader = BatchReader(rules, Terms(at=AT, model="", notional=notional, organization=organization), known)
    for chunk in chunks:
        reader.feed(chunk, 0.0)
    reader.end(0.0)
    terms = Terms(at=AT, model="", free_ms=free_ms, untouched_free_ms=untouched_free_ms)
    return reader.settle(ending, Batch("b"), terms, tally(()) if before is None else before)


def entry(settled: Settled) -> Entry:
    """The ledger's entry of a passage."""
    return Entry(
        request_id="1",
        at=AT.isoformat(),
        principal="p",
        endpoint="batch_results",
        method="GET",
        mode="plan",
        outcome="ok",
        cost_nano=settled.money.cost,
        list_nano=settled.money.listed,
        lines=settled.money.lines,
        untouched_nano=settled.money.untouched,
        code=settled.money.code,
        tokens=settled.tokens,
        batch=settled.batch,
        digests=Digests("r", "p"),
    )


def amounts(settled: Settled) -> dict[str, int]:
    """Nano-dollars by kind of line; each kind stands once."""
    kinds = [line.kind for line in settled.money.lines]
    assert len(kinds) == len(set(kinds))
    return {line.kind: line.nano for line in settled.money.lines}


MIXED = b"".join(
    [
        result(),
        result("errored"),
        result(model=SONNET, content=RAN, container={"id": "c1"}),
        result("canceled"),
        result(usage=usage(server_tool_use={"web_search_requests": 2}, cache_read_input_tokens=7)),
        result("expired"),
        result(content=RAN),
        b"\n",
    ]
)
WHOLE = passed(MIXED)


def test_each_result_at_its_own_price() -> None:
    """Half of the price of its model; searches at full price; code an estimate; what was not answered costs nothing."""
    found = amounts(WHOLE)
    assert found["input"] + found["output"] == 3 * OPUS_NANO + SONNET_NANO
    assert found["cache_read"] == 7 * 200 // 2
    assert found["web_search"] == 2 * 10_000_000
    assert found["code_execution"] == 2 * MINIMUM
    assert WHOLE.money.cost == WHOLE.money.untouched == sum(found.values())
    assert WHOLE.tokens == TokenClasses(input=4_000, output=200, cache_read=7)
    assert WHOLE.batch == Batch("b", 4, 0)
    assert {line.kind: (line.quantity, line.unit, line.basis) for line in WHOLE.money.lines} == {
        "input": (4_000, "token", "measured"),
        "output": (200, "token", "measured"),
        "cache_read": (7, "token", "measured"),
        "web_search": (2, "use", "measured"),
        "code_execution": ("600", "second", "estimated"),
    }
    code = WHOLE.money.code
    assert code is not None
    assert (code.runs, code.charge, code.hours_ms, WHOLE.money.hours_ms) == (2, "billed", 600_000, 600_000)
    assert (code.seconds.likely, code.seconds.high) == (2 * PRIOR.likely, 2 * PRIOR.high)


def test_whole_is_byte_by_byte() -> None:
    """Nothing depends on where a chunk ends."""
    assert passed(*(bytes([byte]) for byte in MIXED)) == WHOLE


@given(st.lists(st.integers(0, len(MIXED)), max_size=12))
def test_whole_is_any_pieces(cuts: list[int]) -> None:
    """Nor on how many there are."""
    edges = [0, *sorted(cuts), len(MIXED)]
    assert passed(*(MIXED[start:end] for start, end in pairwise(edges))) == WHOLE


@given(st.lists(st.integers(0, len(MIXED)), max_size=4), st.integers(0, 900_000))
def test_a_batch_costs_the_same_however_often_it_is_fetched(cuts: list[int], free_ms: int) -> None:
    """Broken off anywhere, any number of times, then whole, then again: the entries add up to one whole passage."""
    entries: list[Entry] = []
    for cut in cuts:
        entries.append(entry(passed(MIXED[:cut], before=tally(entries), ending="error", free_ms=free_ms)))
    entries.append(entry(passed(MIXED, before=tally(entries), free_ms=free_ms)))
    kinds = {line.kind for each in entries for line in each.lines} - {"allowance_credit"}
    for kind in kinds:
        assert sum(line.nano for each in entries for line in each.lines if line.kind == kind) == amounts(WHOLE)[kind]
    assert tally(entries) == tally([entry(WHOLE)])
    again = passed(MIXED, before=tally(entries), free_ms=free_ms)
    assert (again.money.cost, again.money.lines, again.money.code, again.money.hours_ms) == (0, (), None, 0)
    assert again.batch == Batch("b", 4, 4)
    assert again.tokens == TokenClasses()


def test_the_last_line_may_lack_its_line_feed() -> None:
    """It is whole all the same."""
    assert passed(MIXED.rstrip(b"\n")) == WHOLE


@pytest.mark.parametrize(("ending", "cost"), [("error", OPUS_NANO), ("cancelled", OPUS_NANO), ("ok", None)])
def test_a_line_that_was_cut_off(ending: str, cost: int | None) -> None:
    """Where the passage was broken off it is none; in one that claims to be whole it is an unreadable result."""
    one = passed(result() + result()[:-9], ending=ending)
    assert (one.money.cost, one.money.unpriced) == (cost, None if cost else "unparsed-usage")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not json\n", "unparsed-usage"),
        (b"\xff\n", "unparsed-usage"),
        (b"[" * 100_000 + b"\n", "unparsed-usage"),
        (b"{}\n", "unparsed-usage"),
        (result("thought_better_of_it"), "unparsed-usage"),
        (b'{"result":{"type":"succeeded"}}\n', "unparsed-usage"),
        (result(usage={"input_tokens": -1}), "unparsed-usage"),
        (result(usage=None), "no-usage"),
        (result(model="claude-unheard-of"), "unknown-model"),
        (result(model=None), "unknown-model"),  # type: ignore[arg-type]  # as the wire may be
        (b"x" * (LARGEST_RESULT + 1) + b"\n", "oversized-response"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_result_that_cannot_be_priced_makes_the_cost_unknown(line: bytes, reason: str) -> None:
    """Never 0, and never that of the others alone; what was counted before stays counted, and no more."""
    one = passed(result() + line + result())
    assert (one.money.cost, one.money.lines, one.money.unpriced, one.tokens) == (None, (), reason, None)
    assert one.batch is not None
    assert one.batch.results >= 2
    assert tally([entry(one)]) == tally(())


def test_a_long_line_is_not_kept() -> None:
    """However long it is, and what comes behind it is read again."""
    reader = BatchReader(BOOK, Terms(at=AT, model=""))
    for _ in range(30):
        reader.feed(b"x" * 1_000_000, 0.0)
        assert len(reader._line) <= LARGEST_RESULT  # noqa: SLF001 - nothing else tells what is kept
    reader.feed(b"\n" + result(), 0.0)
    assert reader.metered() is not None
    assert reader.told.model == OPUS


def test_an_unknown_past_leaves_the_cost_unknown() -> None:
    """What was counted before cannot be asked, so what this passage adds is not known."""
    reader = BatchReader(BOOK, Terms(at=AT, model=""))
    reader.feed(result(), 0.0)
    one = reader.settle("ok", Batch("b"), Terms(at=AT, model=""), None)
    assert (one.money.cost, one.money.unpriced, one.batch) == (None, "store-unavailable", Batch("b", 1))


def test_code_that_calls_a_web_tool_is_free() -> None:
    """Only the tools that free code let it call them."""
    one = passed(result(content=[RAN[0], SEARCHED, RAN[1]]))
    assert "code_execution" not in amounts(one)
    assert one.money.code is not None
    assert (one.money.code.charge, one.money.hours_ms) == ("free", 0)


def test_a_container_that_results_share_has_one_session() -> None:
    """The minimum once."""
    shared = result(content=RAN, container={"id": "c1"})
    assert amounts(passed(shared * 3))["code_execution"] == MINIMUM


@pytest.mark.parametrize(("free_ms", "credit"), [(0, 0), (-5, 0), (150_000, MINIMUM), (10**9, 2 * MINIMUM)])
def test_the_free_hours_come_back(free_ms: int, credit: int) -> None:
    """All while they last, then a part."""
    found = amounts(passed(result(content=RAN) * 2, free_ms=2 * free_ms)).get("allowance_credit", 0)
    assert found == -credit


def test_a_subscription_is_notional() -> None:
    """Its lines say so, and it uses no free hours."""
    one = passed(MIXED, notional=True)
    assert {line.basis for line in one.money.lines} == {"notional"}
    assert one.money.hours_ms == 0


def test_amounts_that_no_store_holds() -> None:
    """Are unknown."""
    most = result(usage=usage(input_tokens=10**9, output_tokens=10**9))
    reader = BatchReader(BOOK, Terms(at=AT, model=""))
    reader.feed(most, 0.0)
    seen = reader._seen  # noqa: SLF001 - as after a million such results
    seen.update({name: count * 10**6 for name, count in seen.items()})
    one = reader.settle("ok", Batch("b"), Terms(at=AT, model=""), tally(()))
    assert (one.money.cost, one.money.unpriced) == (None, "overflow")


def exchanged(
    *chunks: bytes, status: int = 200, rules: RuleBook = BOOK, billed: bytes | None = None, free_ms: int = 0
) -> Entry:
    """The entry of an exchange that got these results."""
    intent = msgspec.structs.replace(entry(Settled(WHOLE.money, Batch("b"))), outcome="unknown", lines=(), code=None)
    one = Exchange(intent, Terms(at=AT, model=""), rules, billing="batch")
    names = () if billed is None else ((b"Anthropic-Organization-Id", billed),)
    one.begin(status, [(b"content-type", b"application/x-jsonl"), *names])
    for chunk in chunks:
        one.feed(chunk)
    return one.settle("ok", TOOK, Terms(at=AT, model="", free_ms=free_ms), tally(()))


def test_an_exchange_is_one_entry() -> None:
    """With the model, where all results are of one; a usage as received there is none."""
    one = exchanged(MIXED)
    assert (one.cost_nano, one.lines, one.tokens, one.batch) == (
        WHOLE.money.cost,
        WHOLE.money.lines,
        WHOLE.tokens,
        WHOLE.batch,
    )
    assert (one.outcome, one.served_model, bytes(one.usage)) == ("ok", None, b"null")
    assert exchanged(result() * 2).served_model == OPUS


def test_results_that_are_not_there_cost_nothing() -> None:
    """A batch that has not ended answers with an error."""
    one = exchanged(b'{"type":"error"}', status=404)
    assert (one.outcome, one.cost_nano, one.batch) == ("error", 0, Batch("b"))


def agreed(off: Fraction = Fraction(1, 4), **members: Any) -> RuleBook:
    """The shipped rules with a discount that one organization has."""
    terms: dict[str, Any] = {"organizations": ("org",), "source": "s", "checked": date(2026, 1, 1), "mark": "A"}
    discount = Discount(name="d", why="w", off=off, **(terms | members))
    return book(prices=PriceBook(BOOK.prices.rows, BOOK.prices.tools, (discount,)))


def test_who_is_billed_by_the_answer_pays_what_it_agreed() -> None:
    """Contracted and list price are both kept, of each line and of the entry; others pay the list price."""
    theirs, others = (exchanged(MIXED, rules=agreed(), billed=name) for name in (b"org", b"another"))
    assert (others.cost_nano, others.list_nano) == (WHOLE.money.cost, WHOLE.money.cost)
    assert {line.list_nano for line in others.lines} == {None}
    assert theirs.list_nano == others.cost_nano
    assert theirs.cost_nano == sum(line.nano for line in theirs.lines)
    assert {line.kind: line.list_nano for line in theirs.lines} == amounts(WHOLE)
    found = {line.kind: line.nano for line in theirs.lines}
    tokens = (3 * OPUS_NANO + SONNET_NANO) * 3 // 4
    assert (found["input"] + found["output"], found["web_search"]) == (tokens, 15_000_000)
    assert found["code_execution"] == 2 * 3_125_000


def test_free_hours_come_back_at_both_prices() -> None:
    """What they cover costs nothing at either."""
    lines = exchanged(result(content=RAN), rules=agreed(), billed=b"org", free_ms=10**9).lines
    code, credit = (line for line in lines if line.unit == "second")
    assert (code.nano, code.listed) == (-credit.nano, -credit.listed) == (3_125_000, MINIMUM)


@given(st.integers(0, len(MIXED)), st.integers(0, 900_000))
def test_a_batch_has_one_list_price_however_often_it_is_fetched(cut: int, free_ms: int) -> None:
    """What was counted before counts at both prices."""
    rules = agreed()
    entries = [entry(passed(MIXED[:cut], ending="error", free_ms=free_ms, rules=rules, organization="org"))]
    entries.append(entry(passed(MIXED, before=tally(entries), rules=rules, organization="org")))
    gross = [line for each in entries for line in each.lines if line.kind != "allowance_credit"]
    assert sum(line.listed for line in gross) == WHOLE.money.cost
    assert tally(entries) == tally([entry(passed(MIXED, rules=rules, organization="org"))])
    for each in entries:
        assert each.list_nano == sum(line.listed for line in each.lines)


@pytest.mark.parametrize(("days", "basis"), [(0, "estimated"), (29, "estimated"), (30, "measured"), (-1, "measured")])
def test_a_price_that_changed_of_late_is_an_estimate(days: int, basis: str) -> None:
    """Results live for 29 days, and do not tell when they were made: prices of models, tools and contracts alike."""
    since = AT.date() - timedelta(days=days)
    row = BOOK.prices.lookup(OPUS, AT)
    assert row is not None
    dated = msgspec.structs.replace(row, since=since, until=None)
    moved = book(prices=PriceBook((dated, *BOOK.prices.rows), BOOK.prices.tools))
    searched = result(usage=usage(server_tool_use={"web_search_requests": 1}))
    own = {line.kind: line.basis for line in passed(searched, rules=moved).money.lines}
    assert own == {"input": basis, "output": basis, "web_search": "measured"}
    assert {line.basis for line in passed(result(model=SONNET), rules=moved).money.lines} == {"measured"}
    assert {line.basis for line in passed(result(), rules=moved, notional=True).money.lines} == {"notional"}
    contract = agreed(since=since, components=("web_search",))
    theirs = {line.kind: line.basis for line in passed(searched, rules=contract, organization="org").money.lines}
    assert theirs == {"input": "measured", "output": "measured", "web_search": basis}
