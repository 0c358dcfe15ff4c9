"""Random ledger entries: what the laws of sums, stores and reports are tried on. No price is looked up for them."""

from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st

from planner.core.ledger.entry import Code, Digests, Ending, Entry, Expected, Latency, Lost, Seconds, Shadow
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome, Reason

NANO = st.integers(-(10**12), 10**15)
COUNT = st.integers(0, 10**6)
SECONDS = st.floats(0, 1_000, allow_nan=False).map(lambda value: round(value, 6))
WORDS = st.sampled_from(["a", "b", "é"])
LINES = st.builds(
    Line,
    st.sampled_from(["input", "output", "web_search"]),
    COUNT,
    st.just("token"),
    NANO,
    st.sampled_from(["measured", "estimated"]),
    st.none() | NANO,
) | st.builds(
    Line,
    st.sampled_from(["code_execution", "allowance_credit"]),
    st.sampled_from(["1", "0.25", "-300.001"]),
    st.just("second"),
    NANO,
    st.just("estimated"),
)
DECISIONS = st.builds(
    Decision,
    st.sampled_from(Action),
    st.sampled_from(Outcome),
    st.sampled_from([None, Reason.HOLDOUT, Reason.NOT_WORTH_IT]),
    st.sampled_from([None, "a", "b", "é"]),
)
LOSSES = st.sampled_from([None, Lost("c", "replaced", ours=True), Lost("d", "refused", ours=False)])
EXPECTED = st.none() | st.builds(Expected, NANO, NANO)
SHADOWS = st.builds(
    Shadow,
    st.sampled_from(Action),
    st.sampled_from(Outcome),
    st.sampled_from([None, Reason.UNCERTAIN]),
    WORDS,
    EXPECTED,
)
CODES = st.builds(
    Code, COUNT, st.builds(Seconds, SECONDS, SECONDS, SECONDS), st.sampled_from(["free", "billed"]), COUNT, COUNT
)
MAYBE_WORDS = st.sampled_from([None, "a", "b", "é"])
MAYBE_NANO = st.none() | NANO
TAGS = st.dictionaries(WORDS, WORDS, max_size=2)
TOKENS = st.none() | st.builds(TokenClasses, input=COUNT, cache_write_5m=COUNT, output=COUNT)
LATENCIES = st.none() | st.builds(Latency, SECONDS, st.none() | SECONDS, SECONDS)
MAYBE_CODES = st.none() | CODES
CONTAINERS = st.sampled_from([None, "c"])
OUTCOMES: st.SearchStrategy[Ending] = st.sampled_from(["ok", "error", "cancelled", "refused"])
MINUTES = st.integers(0, 59)
ATTEMPTS = st.integers(0, 2)
BOOLEANS = st.booleans()
FIFTHS = st.integers(0, 4)
ALL_LINES, ALL_DECISIONS, ALL_SHADOWS = (
    st.lists(LINES, max_size=4),
    st.lists(DECISIONS, max_size=4),
    st.lists(SHADOWS, max_size=2),
)
"""Made once, since Hypothesis takes longer to look a new strategy over than to draw from it."""
HOURS = st.sampled_from(["2026-10-31T23", "2026-11-01T00", "2026-11-30T23"])
USAGES = st.sampled_from([b"null", b'{"server_tool_use":{"web_search_requests":2}}', b'{"server_tool_use":[]}'])


@st.composite
def entries(draw: st.DrawFn, number: int = 1) -> Entry:
    """One settled entry, `number` in its id; what it cost is the sum of its lines, or unknown."""
    lines = tuple(draw(ALL_LINES))
    if draw(FIFTHS) == 0:
        lines = tuple(msgspec.structs.replace(line, basis="notional") for line in lines)
    known = draw(BOOLEANS)
    fields: dict[str, Any] = {name: draw(MAYBE_WORDS) for name in ("organization", "workspace", "team", "project")}
    return Entry(
        request_id=f"{number:024x}",
        at=f"{draw(HOURS)}:{draw(MINUTES):02d}:00.000000+00:00",
        principal=draw(WORDS),
        tags=draw(TAGS),
        endpoint="messages",
        method="POST",
        model=draw(MAYBE_WORDS),
        served_model=draw(MAYBE_WORDS),
        mode="plan",
        outcome=draw(OUTCOMES),
        attempts=draw(ATTEMPTS),
        cost_nano=sum(line.nano for line in lines) if known else None,
        list_nano=sum(line.listed for line in lines) if known else None,
        unpriced=None if known else "unknown-model",
        lines=lines if known else (),
        untouched_nano=draw(MAYBE_NANO) if known else None,
        expected_nano=draw(EXPECTED),
        decisions=tuple(draw(ALL_DECISIONS)),
        shadows=tuple(draw(ALL_SHADOWS)),
        usage=msgspec.Raw(draw(USAGES)),
        tokens=draw(TOKENS),
        code=draw(MAYBE_CODES),
        container=draw(CONTAINERS),
        lost=draw(LOSSES),
        latency=draw(LATENCIES),
        digests=Digests("r", "p"),
        **fields,
    )


@cache
def of_size(size: int) -> st.SearchStrategy[list[Entry]]:
    """So many settled entries, each with an id of its own."""
    return st.tuples(*(entries(number) for number in range(size))).map(list)


def ledgers(most: int = 12) -> st.SearchStrategy[list[Entry]]:
    """Settled entries, each with an id of its own."""
    return st.integers(0, most).flatmap(of_size)
