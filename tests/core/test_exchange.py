"""One exchange ends in one settled entry, whatever comes back, in whatever pieces, and never changes a chunk."""

import gzip
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.conversations import Scope
from planner.core.endpoints import Billing
from planner.core.exchange import Exchange, Phase, container_digest
from planner.core.ledger.entry import Digests, Ending, Entry, Latency
from planner.core.metering.readers import LARGEST_RESPONSE, MOST_IDS
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.discounts import Discount
from planner.core.pricing.prices import PriceBook
from planner.core.rulebook.book import RuleBook
from planner.core.settlement import Terms
from planner.core.wire import MessagesRequest
from tests.doubles.messages import COST_NANO, INPUT_TOKENS, MODEL, OUTPUT_TOKENS, event, events, message, usage
from tests.doubles.proxy import shipped_rules

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
TOOK = Latency(total=1.5, first_byte=0.5, overhead=0.001)
JSON = [(b"Content-Type", b"application/json")]
CODED = [[(b"content-encoding", name)] for name in (b"gzip", b"br")]
SSE = [(b"content-type", b"text/event-stream; charset=utf-8")]
STREAM = b"".join(events())


def exchange(billing: Billing = "message", *, notional: bool = False) -> Exchange:
    """A fresh exchange."""
    intent = Entry(
        request_id="1",
        at=AT.isoformat(timespec="microseconds"),
        principal="p",
        organization="declared",
        endpoint="messages",
        method="POST",
        mode="plan",
        model=MODEL,
        digests=Digests("r", "p"),
    )
    return Exchange(intent, Terms(at=AT, model=MODEL, notional=notional), shipped_rules(), billing=billing)


def answered(
    *chunks: bytes,
    headers: list[tuple[bytes, bytes]] = JSON,
    status: int = 200,
    ending: Ending = "ok",
    billing: Billing = "message",
) -> Entry:
    """The entry of an exchange that got this answer."""
    one = exchange(billing)
    one.begin(status, headers)
    for chunk in chunks:
        one.feed(chunk)
    return one.settle(ending, TOOK)


def test_who_is_billed_by_the_answer_pays_what_it_agreed() -> None:
    """The organization that the answer names has the discount, not the one that was declared."""
    shipped = shipped_rules()
    off = Discount(
        name="d", why="w", off=Fraction(1, 2), organizations=("org",), source="s", checked=AT.date(), mark="A"
    )
    prices = PriceBook(shipped.prices.rows, shipped.prices.tools, (off,))
    rules = RuleBook(prices=prices, catalog=shipped.catalog, policies=shipped.policies, settings=shipped.settings)
    costs = []
    for name in (b"org", b"declared"):
        one = Exchange(exchange().intent, Terms(at=AT, model=MODEL), rules, billing="message")
        one.begin(200, [*JSON, (b"anthropic-organization-id", name)])
        one.feed(message())
        entry = one.settle("ok", TOOK)
        costs.append((entry.cost_nano, entry.list_nano))
    assert costs == [(COST_NANO // 2, COST_NANO), (COST_NANO, COST_NANO)]


@pytest.mark.parametrize("kind", ["thinking", "redacted_thinking"])
def test_thinking_is_known_again_by_its_seal(kind: str) -> None:
    """Streamed or whole, the seal is the one that the next request shows; the signature itself is not kept."""
    member = "signature" if kind == "thinking" else "data"
    block = {"type": kind, member: "c2VhbGVk"}
    seals = MessagesRequest.parse(
        msgspec.json.encode({"model": MODEL, "messages": [{"role": "assistant", "content": [block]}]})
    ).seals
    begins = {**block, "signature": ""} if kind == "thinking" else block
    streamed = [
        event("message_start", message={"id": "msg_01", "content": []}),
        event("content_block_start", index=0, content_block=begins),
        event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm."}),
        *(
            [event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2VhbGVk"})]
            if kind == "thinking"
            else []
        ),
        event("content_block_stop", index=0),
    ]
    for headers, chunks in ((JSON, [message(content=[block])]), (SSE, streamed)):
        one = exchange()
        one.begin(200, headers)
        for chunk in chunks:
            one.feed(chunk)
        assert one.ended().call_ids == seals
        assert len(seals) == 1
        assert "c2VhbGVk" not in seals[0]


def test_the_newest_ids_are_kept() -> None:
    """A response of a thousand calls is known by its last ones, which the next request is looked up by."""
    calls = [{"type": "tool_use", "id": f"toolu_{number}", "name": "f", "input": {}} for number in range(1_000)]
    streamed = [event("content_block_start", index=0, content_block=call) for call in calls]
    for headers, chunks in ((JSON, [message(content=calls)]), (SSE, streamed)):
        one = exchange()
        one.begin(200, headers)
        for chunk in chunks:
            one.feed(chunk)
        assert one.ended().call_ids == tuple(call["id"] for call in calls[-MOST_IDS:])


def test_a_scope_is_what_the_answer_says() -> None:
    """Not what was declared, and not half of it."""
    one = exchange()
    one.begin(200, [*JSON, (b"anthropic-organization-id", b"o")])
    assert one.scope is None
    one.begin(200, [*JSON, (b"anthropic-organization-id", b"o"), (b"anthropic-workspace-id", b"w")])
    assert one.scope == Scope("o", "w")


def test_whole_message() -> None:
    """A message is priced by its usage, at the rates of the model that served."""
    scope = [(b"Anthropic-Organization-Id", b"org"), (b"anthropic-workspace-id", b"w")]
    headers = [*JSON, (b"Request-Id", b"req"), *scope]
    entry = answered(message(container={"id": "container_1"}), headers=headers)
    assert (entry.outcome, entry.status, entry.cost_nano, entry.untouched_nano) == ("ok", 200, COST_NANO, COST_NANO)
    assert entry.tokens == TokenClasses(input=INPUT_TOKENS, output=OUTPUT_TOKENS)
    assert msgspec.json.decode(entry.usage) == usage()
    assert (entry.organization, entry.workspace, entry.upstream_request_id) == ("org", "w", "req")
    assert entry.container == container_digest("container_1")
    assert entry.latency == TOOK


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ([{"type": "text", "text": "hi"}], TokenClasses(input=INPUT_TOKENS)),
        ([{"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution"}], None),
    ],
)
def test_what_was_used_is_told_once_it_ended(content: list[dict[str, str]], first: TokenClasses | None) -> None:
    """A message whose content shows a server call tells sums over iterations, and no first prompt."""
    one = exchange()
    one.begin(200, JSON)
    one.feed(message(content=content))
    early = one.metered
    one.ended()
    late = one.metered
    assert early is None
    assert late is not None
    assert late.first == first


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_stream_in_any_pieces(cuts: list[int]) -> None:
    """However a stream is cut into chunks, the entry is the same."""
    bounds = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in pairwise(bounds)]
    assert answered(*chunks, headers=SSE) == answered(STREAM, headers=SSE)


def coded(*kinds: str) -> list[bytes]:
    """The events of a streamed message whose code runs take time."""
    calls = {
        "call": {"type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution", "input": {}},
        "result": {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {}},
    }
    start, *_, delta, stop = events()
    made = [start]
    for index, kind in enumerate(kinds):
        made.append(event("content_block_start", index=index, content_block=calls[kind]))
        made.append(event("content_block_stop", index=index))
    return [*made, delta, stop]


@pytest.mark.parametrize(
    ("kinds", "likely", "runs"),
    [(("call", "result"), 1.0, 1), (("result",), 1.0, 0), (("call",), 2.0, 1)],
    ids=["a run", "a result of an earlier call", "a call that waits, seen to the end"],
)
def test_code_time_is_seen_in_a_stream(kinds: tuple[str, ...], likely: float, runs: int) -> None:
    """Between the moments at which its events came, a second apart."""
    one = exchange()
    one.begin(200, SSE)
    for at, each in enumerate(coded(*kinds)):
        one.feed(each, 100.0 + at)
    code = one.settle("ok", msgspec.structs.replace(TOOK, total=60.0)).code
    assert code is not None
    assert (code.runs, code.seconds.likely, code.seconds.high) == (runs, likely, 60.0)


def test_code_time_that_nobody_saw() -> None:
    """A stream that comes at once tells no more than a message: what is likely of its like."""
    one = exchange()
    one.begin(200, SSE)
    one.feed(b"".join(coded("call", "result")), 100.0)
    code = one.settle("ok", msgspec.structs.replace(TOOK, total=60.0)).code
    assert code is not None
    assert code.seconds.likely == shipped_rules().catalog.priors.code_seconds.likely


def test_code_that_still_runs_when_the_stream_is_cut() -> None:
    """It was seen to run until then."""
    one = exchange()
    one.begin(200, SSE)
    for each in coded("call")[:3]:
        one.feed(each, 100.0)
    assert one.ended(140.0).code_ms == 40_000
    code = one.settle("cancelled", msgspec.structs.replace(TOOK, total=60.0)).code
    assert code is not None
    assert code.seconds.likely == 40.0


def test_code_that_goes_on_in_a_whole_message() -> None:
    """Its result stands there without its call."""
    result = {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_0", "content": {}}
    code = answered(message(content=[result])).code
    assert code is not None
    assert (code.runs, code.charge, code.seconds.high) == (0, "billed", 1.5)


def test_stream_costs_what_the_message_does() -> None:
    """The same message streamed or whole is the same money."""
    assert answered(STREAM, headers=SSE).lines == answered(message()).lines


@given(st.integers(0, len(STREAM)), st.sampled_from(["cancelled", "error", "ok"]))
def test_stream_cut_anywhere(cut: int, ending: Ending) -> None:
    """A cut stream is an estimate or unknown, never more than the whole and never 0; it is never `ok` unless whole."""
    entry = answered(STREAM[:cut], headers=SSE, ending=ending)
    whole = cut == len(STREAM)
    assert entry.cost_nano is None or 0 < entry.cost_nano <= COST_NANO
    assert (entry.cost_nano is None) == (entry.unpriced is not None)
    assert (entry.outcome == "ok") == (whole and ending != "error")
    if entry.outcome != "ok":
        assert entry.outcome == ("cancelled" if ending == "cancelled" else "error")


@given(st.binary(max_size=400), st.sampled_from([JSON, SSE, *CODED]))
def test_whatever_comes_back(data: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """No answer can make metering fail."""
    for body in (data, STREAM[: len(data)] + data, message()[:-3] + data):
        entry = answered(body, headers=headers)
        assert (entry.cost_nano is None) == (entry.unpriced is not None)


@pytest.mark.parametrize(
    "usage_text",
    [b"[" * 3_000, b'{"a":' * 3_000, b"null", b'{"input_tokens":-1}', b'{"input_tokens":1e99}', b'"x"', b"1"],
)
def test_usage_that_cannot_be(usage_text: bytes) -> None:
    """Usage that is no usage costs unknown, in a message and in a stream, and breaks nothing."""
    body = message().replace(msgspec.json.encode(usage()), usage_text)
    assert body != message()
    assert answered(body).cost_nano is None
    stream = STREAM.replace(msgspec.json.encode(usage()), usage_text)
    assert stream != STREAM
    entry = answered(stream, headers=SSE)
    assert entry.cost_nano is None or {line.basis for line in entry.lines} == {"estimated"}


def test_encoded() -> None:
    """An encoded answer is read decoded; one that breaks or has an unknown coding costs unknown."""
    packed = gzip.compress(message())
    coded = [*JSON, (b"content-encoding", b"gzip")]
    assert answered(packed[:20], packed[20:], headers=coded).cost_nano == COST_NANO
    assert answered(packed[:-30], headers=coded).unpriced is not None
    assert answered(b"x" + packed, headers=coded).unpriced == "undecodable-response"
    assert answered(message(), headers=[*JSON, (b"content-encoding", b"rot13")]).unpriced == "unknown-encoding"


def test_bomb() -> None:
    """An answer that unpacks to gigabytes is relayed and not kept."""
    bomb = gzip.compress(b" " * 200_000_000, compresslevel=9)
    entry = answered(bomb, headers=[*JSON, (b"content-encoding", b"gzip")])
    assert entry.unpriced == "undecodable-response"


def test_oversized() -> None:
    """A message larger than what is kept costs unknown."""
    piece = b" " * (1 << 20)
    entry = answered(*[piece] * (LARGEST_RESPONSE // len(piece) + 1), message())
    assert (entry.outcome, entry.cost_nano, entry.unpriced) == ("ok", None, "oversized-response")


@pytest.mark.parametrize(
    ("billing", "status", "cost", "outcome"),
    [
        ("message", 400, 0, "error"),
        ("message", 529, 0, "error"),
        ("message", 302, 0, "ok"),
        ("free", 200, 0, "ok"),
        ("free", 500, 0, "error"),
        ("elsewhere", 200, None, "ok"),
        ("elsewhere", 404, 0, "error"),
    ],
)
def test_what_is_not_a_message(billing: Billing, status: int, cost: int | None, outcome: str) -> None:
    """Refusals and free endpoints cost 0; what bills by itself costs unknown."""
    entry = answered(b"{}", status=status, billing=billing)
    assert (entry.cost_nano, entry.outcome) == (cost, outcome)


def test_no_answer() -> None:
    """A request that was sent and not answered costs unknown; one that never left costs 0."""
    sent, unsent = exchange(), exchange()
    unsent.not_sent()
    assert (sent.settle("error", TOOK).cost_nano, unsent.settle("error", TOOK).cost_nano) == (None, 0)


def test_cancelled_before_the_answer() -> None:
    """Hanging up first leaves the outcome to the caller."""
    assert exchange().settle("cancelled", TOOK).outcome == "cancelled"


def test_message_stop_makes_it_whole() -> None:
    """A caller that left after the last event has had everything."""
    assert answered(STREAM, headers=SSE, ending="cancelled").outcome == "ok"


def test_error_event() -> None:
    """An `error` event makes it an error, also when the stream ends in order."""
    cut = b"".join([*events()[:3], event("error", error={"type": "overloaded_error", "message": "x"})])
    assert answered(cut, headers=SSE).outcome == "error"


def test_unknown_events_lose_nothing() -> None:
    """Unknown events and fields between and after the known ones change nothing."""
    odd = event("brand_new", usage={"input_tokens": 10**9}, message="x") + b": comment\n\nid: 7\nretry: 1\n\n"
    pieces = [odd + piece for piece in events()] + [odd]
    assert answered(*pieces, headers=SSE) == answered(STREAM, headers=SSE)


def test_unpriced_model() -> None:
    """A model without a price costs unknown, with its tokens kept."""
    entry = answered(message(model="claude-unheard-of"))
    assert (entry.cost_nano, entry.lines, entry.served_model) == (None, (), "claude-unheard-of")
    assert entry.unpriced is not None
    assert entry.tokens is not None


def test_settled_once() -> None:
    """A request is settled exactly once, and nothing begins after."""
    one = exchange()
    one.begin(200, JSON)
    one.feed(message())
    one.settle("ok", TOOK)
    assert one.phase is Phase.SETTLED
    with pytest.raises(ValueError, match="settled already"):
        one.settle("ok", TOOK)
    with pytest.raises(ValueError, match="nothing can begin"):
        one.begin(200, JSON)


def test_second_head_begins_anew() -> None:
    """After a replay only the second answer counts."""
    one = exchange()
    one.begin(200, [(b"content-encoding", b"rot13")])
    one.feed(b"x")
    one.begin(200, JSON)
    one.feed(message())
    assert one.settle("ok", TOOK).cost_nano == COST_NANO


def test_notional() -> None:
    """What is not billed by the token is priced and says so."""
    one = exchange(notional=True)
    one.begin(200, JSON)
    one.feed(message())
    assert {line.basis for line in one.settle("ok", TOOK).lines} == {"notional"}
