"""Token usage as responses report it: the first iteration in `message_start`, the sum of all in `message_delta`."""

from collections.abc import Sequence

import msgspec

from planner.simulator.bill import Sample
from planner.simulator.canonical import Json

PLACEHOLDER_OUTPUT = 1
APART = frozenset({"advisor_message", "compaction"})


class Extras(msgspec.Struct, frozen=True, kw_only=True):
    """What usage says besides tokens."""

    tier: str = "standard"
    geo: str = "not_available"
    speed: str | None = None
    searches: int = 0
    fetches: int = 0
    used_server_tools: bool = False
    iterations: bool = False


def own(samples: Sequence[Sample]) -> list[Sample]:
    """The iterations that top-level usage sums: not the advisor's and not compaction."""
    return [sample for sample in samples if sample.kind not in APART]


def started(samples: Sequence[Sample], extras: Extras) -> Json:
    """`message_start.usage`: the first iteration, output a placeholder."""
    first = own(samples)[0]
    return {**_tokens([first]), "output_tokens": min(PLACEHOLDER_OUTPUT, first.output), **_setting(extras)}


def ended(samples: Sequence[Sample], extras: Extras) -> Json:
    """`message_delta.usage`: cumulative, without the lifetime split, tier, geo and speed."""
    found = _tokens(own(samples))
    del found["cache_creation"]
    return {**found, **_counts(samples, extras)}


def whole(samples: Sequence[Sample], extras: Extras) -> Json:
    """`usage` of a JSON response."""
    return {**_tokens(own(samples)), **_counts(samples, extras), **_setting(extras)}


def _tokens(samples: Sequence[Sample]) -> Json:
    five, hour = sum(s.cache_write_5m for s in samples), sum(s.cache_write_1h for s in samples)
    return {
        "input_tokens": sum(s.input for s in samples),
        "cache_creation_input_tokens": five + hour,
        "cache_read_input_tokens": sum(s.cache_read for s in samples),
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        "output_tokens": sum(s.output for s in samples),
    }


def _setting(extras: Extras) -> Json:
    found: Json = {"service_tier": extras.tier, "inference_geo": extras.geo}
    if extras.speed is not None:
        found["speed"] = extras.speed
    return found


def _counts(samples: Sequence[Sample], extras: Extras) -> Json:
    found: Json = {}
    if thinking := sum(sample.thinking for sample in own(samples)):
        found["output_tokens_details"] = {"thinking_tokens": thinking}
    if extras.used_server_tools:
        found["server_tool_use"] = {"web_search_requests": extras.searches, "web_fetch_requests": extras.fetches}
    if extras.iterations:
        found["iterations"] = [_iteration(sample) for sample in samples]
    return found


def _iteration(sample: Sample) -> Json:
    return {
        "type": sample.kind,
        **_tokens([sample]),
        **({} if sample.kind == "compaction" else {"model": sample.model}),
    }
