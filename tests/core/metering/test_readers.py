"""Streams whose events come in any order, twice or not at all: what was said last is billed, what was not is marked."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.core.exchange import Exchange
from planner.core.ledger.entry import Digests, Ending, Entry, Latency
from planner.core.metering.readers import StreamReader, WholeReader
from planner.core.settlement import Terms
from tests.doubles.deciding import BOOK
from tests.doubles.messages import MODEL, event, message
from tests.doubles.settling import AT

SSE = [(b"content-type", b"text/event-stream; charset=utf-8")]
TOOK = Latency(total=60.0, first_byte=0.5, overhead=0.001)
SEARCH_NANO = 10_000_000
COUNTS = st.integers(0, 10**6)
TOTALS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
USAGE = st.fixed_dictionaries({}, optional=dict.fromkeys(TOTALS, COUNTS | st.none()))
STARTS = USAGE.map(lambda usage: {"type": "message_start", "message": {"id": "m", "model": MODEL, "usage": usage}})
SEARCHES = st.fixed_dictionaries({"web_search_requests": st.integers(0, 5)})
DELTAS = st.tuples(USAGE, st.none() | SEARCHES).map(
    lambda said: {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": said[0] | ({} if said[1] is None else {"server_tool_use": said[1]}),
    }
)
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]}
FAILED = FOUND | {"content": {"type": "web_search_tool_result_error", "error_code": "unavailable"}}
BLOCKS: list[dict[str, Any]] = [
    {"type": "text", "text": ""},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution", "input": {}},
    {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {}},
    FOUND,
    FAILED,
]
CONTENT = (
    st.sampled_from(BLOCKS).map(lambda block: {"type": "content_block_start", "index": 0, "content_block": block})
    | st.text(max_size=30).map(lambda text: {"type": "content_block_delta", "index": 0, "delta": {"text": text}})
    | st.just({"type": "content_block_stop", "index": 0})
)
NOISE = st.sampled_from(
    [
        {"type": "ping"},
        {"type": "brand_new", "usage": {"output_tokens": 10**6}},
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        {"type": "message_stop"},
        {"type": "message_start"},
        {"type": "message_delta", "usage": None},
        {"type": None},
    ]
)
EVENTS = st.lists(STARTS | DELTAS | CONTENT | NOISE, max_size=14)
Wire = dict[str, int]


def settled(events: list[dict[str, Any]], ending: Ending) -> Entry:
    """The entry of a stream of these events, a second apart."""
    intent = Entry(
        request_id="1",
        at=AT.isoformat(),
        principal="p",
        endpoint="messages",
        method="POST",
        mode="plan",
        model=MODEL,
        digests=Digests("r", "p"),
    )
    one = Exchange(intent, Terms(at=AT, model=MODEL), BOOK, billing="message")
    one.begin(200, SSE)
    for second, each in enumerate(events):
        one.feed(event(str(each["type"]), **{name: value for name, value in each.items() if name != "type"}), second)
    return one.settle(ending, TOOK)


def overlaid(usages: list[Any]) -> dict[str, Any]:
    """What is said last of each member, by those that say anything."""
    return {name: value for usage in usages for name, value in usage.items() if value is not None}


def iterated(blocks: list[dict[str, Any]]) -> int:
    """How often the model spoke again behind results, that follow what it said before."""
    kinds = "".join("r" if block["type"].endswith("_tool_result") else "m" for block in blocks)
    return kinds.lstrip("r").count("rm")


@given(EVENTS, st.sampled_from(["ok", "cancelled", "error"]))
def test_what_a_stream_said_last_is_what_is_billed(events: list[dict[str, Any]], ending: Ending) -> None:
    """To the token; where it did not say its output to the end, the lines are estimates and say so."""
    one = settled(events, ending)
    starts = [each["message"]["usage"] for each in events if each["type"] == "message_start" and "message" in each]
    deltas = [each["usage"] for each in events if each["type"] == "message_delta" and each["usage"] is not None]
    told = overlaid([overlaid(starts[-1:]), *deltas])
    final = any(usage.get("output_tokens") is not None for usage in deltas)
    if not starts and not deltas:
        assert (one.cost_nano, one.unpriced, one.lines) == (None, "no-usage", ())
        return
    if told.get("input_tokens") is None:
        assert (one.cost_nano, one.unpriced, one.lines) == (None, "unparsed-usage", ())
        return
    texts = (each["delta"]["text"] for each in events if each["type"] == "content_block_delta")
    written = sum(len(text.encode()) for text in texts)
    blocks = [each["content_block"] for each in events if each["type"] == "content_block_start"]
    wire = {name: told.get(name, 0) for name in TOTALS}
    searches = told.get("server_tool_use", {}).get("web_search_requests", 0)
    if not final:
        wire["output_tokens"] = max(wire["output_tokens"], (written + 2) // 4)
        searches = max(searches, blocks.count(FOUND))
        again = 0 if deltas else iterated(blocks)
        cached = wire["cache_read_input_tokens"] + wire["cache_creation_input_tokens"]
        wire["cache_read_input_tokens"] += again * cached
        wire["input_tokens"] += again * wire["input_tokens"]
    assert one.unpriced is None
    assert one.tokens is not None
    assert one.tokens.total == sum(wire.values())
    assert (one.tokens.input, one.tokens.output) == (wire["input_tokens"], wire["output_tokens"])
    quantities = {line.kind: line.quantity for line in one.lines}
    assert sum(count for count in quantities.values() if isinstance(count, int)) == sum(wire.values()) + searches
    assert quantities.get("web_search", 0) == searches
    told_all = final and not wire["cache_creation_input_tokens"]  # no event split the writes by their lifetimes
    bases = {line.basis for line in one.lines if line.kind not in {"code_execution", "allowance_credit"}}
    assert bases <= ({"measured"} if told_all else {"estimated"})
    assert one.cost_nano == sum(line.nano for line in one.lines)


@given(EVENTS)
def test_an_order_never_costs_less_than_nothing(events: list[dict[str, Any]]) -> None:
    """Neither tokens nor time, and the time is never longer than the request."""
    one = settled(events, "ok")
    assert all(line.nano >= 0 for line in one.lines)
    assert (
        one.code is None or 0 == one.code.seconds.low <= one.code.seconds.likely <= one.code.seconds.high <= TOOK.total
    )
    stopped = any(each["type"] == "message_stop" for each in events)
    failed = any(each["type"] == "error" for each in events)
    assert one.outcome == ("ok" if stopped and not failed else "error")


@given(EVENTS, st.data())
def test_events_said_twice_change_nothing(events: list[dict[str, Any]], data: st.DataObject) -> None:
    """Cumulative usage is not added up: a repeated start or delta is the same start or delta."""
    repeated: list[dict[str, Any]] = []
    for each in events:
        twice = each["type"] in {"message_start", "message_delta", "ping", "message_stop"} and data.draw(st.booleans())
        repeated += [each, each] if twice else [each]
    plain, again = (settled(each, "ok") for each in (events, repeated))
    assert (plain.tokens, plain.unpriced) == (again.tokens, again.unpriced)
    assert [line for line in plain.lines if line.unit != "second"] == [
        line for line in again.lines if line.unit != "second"
    ]


def test_a_search_that_failed_is_free() -> None:
    """In a stream that was cut, where the results are counted; one that ended tells the number itself."""
    begun = {"type": "message_start", "message": {"model": MODEL, "usage": {"input_tokens": 1, "output_tokens": 1}}}
    results = [{"type": "content_block_start", "index": 0, "content_block": block} for block in (FAILED, FOUND, FAILED)]
    one = settled([begun, *results], "cancelled")
    assert [(line.quantity, line.nano, line.basis) for line in one.lines if line.kind == "web_search"] == [
        (1, SEARCH_NANO, "estimated")
    ]


def test_iterations_of_other_models_have_their_own_price() -> None:
    """An advisor's at the advisor's, a compaction's at the model's own, beside the totals that leave both out."""
    iterations = [
        {"type": "compaction", "input_tokens": 7, "output_tokens": 3},
        {"type": "message", "input_tokens": 10, "output_tokens": 2},
        {"type": "advisor_message", "model": "claude-fable-5-2", "input_tokens": 5, "output_tokens": 4},
    ]
    usage = {"input_tokens": 10, "output_tokens": 2, "iterations": iterations}
    begun = {"type": "message_start", "message": {"model": MODEL, "usage": {"input_tokens": 10, "output_tokens": 1}}}
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
    one = settled([begun, ended, {"type": "message_stop"}], "ok")
    assert [(line.kind, line.quantity, line.nano) for line in one.lines] == [
        ("input", 10, 10 * 4_000),
        ("output", 2, 2 * 20_000),
        ("input", 7, 7 * 4_000),
        ("output", 3, 3 * 20_000),
        ("input", 5, 5 * 8_000),
        ("output", 4, 4 * 40_000),
    ]
    assert msgspec.json.decode(one.usage)["iterations"] == iterations


def test_what_waits_when_a_response_ends() -> None:
    """The server's calls that no result came for, and the results of earlier ones; streamed and whole."""
    call = BLOCKS[1]
    blocks = [call, BLOCKS[2], call | {"id": "srvtoolu_2"}, FOUND | {"tool_use_id": "srvtoolu_0"}]
    stream, whole = StreamReader(), WholeReader()
    for index, block in enumerate(blocks):
        stream.feed(event("content_block_start", index=index, content_block=block), 0.0)
    whole.feed(message(content=blocks), 0.0)
    whole.metered()
    for told in (stream.told, whole.told):
        assert (list(told.waiting), list(told.settled)) == (["srvtoolu_2"], ["srvtoolu_0"])
