"""Charges as the bill and usage APIs tell them: grouped, bucketed, in decimal cents."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from planner.simulator.bill import Charge, Line
from planner.simulator.canonical import Json
from planner.simulator.models import find

TOKEN_TYPES = {
    "input": "uncached_input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write_5m": "cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h": "cache_creation.ephemeral_1h_input_tokens",
}
TOKEN_NAMES = {
    "input": "Input Tokens",
    "output": "Output Tokens",
    "cache_read": "Input Tokens, Cache Hit",
    "cache_write_5m": "Input Tokens, Cache Write 5m",
    "cache_write_1h": "Input Tokens, Cache Write 1h",
}
CODE_EXECUTION = "Code Execution Usage"
WEB_SEARCH = "Web Search Usage"
NANO_PER_CENT = 10_000_000
WIDTHS = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1), "1d": timedelta(days=1)}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An amount with everything a report may group it by, or execution spans; `listed` is the amount at list price.

    One row of a charge counts its requests.
    """

    at: datetime
    dimensions: Json
    nano: int
    listed: int = 0
    spans: int = 0
    requests: int = 0


def cost_rows(charges: Iterable[Charge]) -> Iterator[Row]:
    """The priced lines of charges; a container line and its credit make one amount.

    Execution spans that a session had paid for already are a row without money.
    """
    for charge in charges:
        spans = 0 if charge.work.use is not None and charge.work.use.free else charge.work.spans
        counted = False
        for line in charge.lines:
            if line.nano is not None:
                listed = line.nano if line.listed is None else round(line.listed)
                found = _dimensions(charge, line.kind, line)
                first = not counted and found["cost_type"] != "code_execution"
                counted = counted or first
                requests = charge.requests if first else 0
                yield Row(at=charge.work.at, dimensions=found, nano=line.nano, listed=listed, requests=requests)
        if spans:
            yield Row(at=charge.work.at, dimensions=_dimensions(charge, "code_execution", None), nano=0, spans=spans)


def _dimensions(charge: Charge, kind: str, line: Line | None) -> Json:
    work = charge.work
    found: Json = {
        "workspace_id": work.workspace,
        "api_key_id": work.api_key_id,
        "organization_id": work.organization,
        "actor_type": "api_actor",
        "product": "message_batches_api" if work.tier == "batch" else "messages_api",
        "context_window": None,
        "inference_geo": None,
        "model": None,
        "service_tier": None,
        "speed": None,
        "token_type": None,
    }
    if line is not None and kind in TOKEN_TYPES:
        model = find(line.model or "")
        name = model.name if model is not None else line.model
        batch = " (Batch)" if work.tier == "batch" else ""
        return {
            **found,
            "cost_type": "tokens",
            "description": f"{name} Usage{batch} - {TOKEN_NAMES[kind]}",
            "context_window": line.context_window,
            "inference_geo": work.geo,
            "model": line.model,
            "service_tier": work.tier,
            "speed": "fast" if work.fast else "standard",
            "token_type": TOKEN_TYPES[kind],
        }
    if kind == "web_search":
        return {**found, "cost_type": "web_search", "description": WEB_SEARCH}
    return {**found, "cost_type": "code_execution", "description": CODE_EXECUTION, "product": None}


def cents(nano: int) -> str:
    """Nano-dollars as a decimal string of cents, exactly."""
    text = format(Decimal(nano) / NANO_PER_CENT, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def buckets(start: datetime, end: datetime, width: str) -> Iterator[tuple[datetime, datetime]]:
    """The time buckets from the one `start` falls in, up to `end`."""
    step = WIDTHS[width]
    begin = snapped(start, width)
    while begin < end:
        yield begin, begin + step
        begin += step


def snapped(at: datetime, width: str) -> datetime:
    """The start of the bucket a time falls in."""
    if width == "1d":
        return at.replace(hour=0, minute=0, second=0, microsecond=0)
    if width == "1h":
        return at.replace(minute=0, second=0, microsecond=0)
    return at.replace(second=0, microsecond=0)


class Counts:
    """Token counts of a group of charges."""

    def __init__(self) -> None:
        self.tokens = dict.fromkeys(TOKEN_TYPES, 0)
        self.searches = 0
        self.requests = 0

    def add(self, charge: Charge) -> None:
        """Count a charge; container time is not usage."""
        self.requests += charge.requests
        for line in charge.lines:
            if line.kind in self.tokens:
                self.tokens[line.kind] += int(line.quantity)
            elif line.kind == "web_search":
                self.searches += int(line.quantity)

    def value(self) -> Json:
        """The counts as the usage reports spell them."""
        return {
            "uncached_input_tokens": self.tokens["input"],
            "cache_creation": {
                "ephemeral_1h_input_tokens": self.tokens["cache_write_1h"],
                "ephemeral_5m_input_tokens": self.tokens["cache_write_5m"],
            },
            "cache_read_input_tokens": self.tokens["cache_read"],
            "output_tokens": self.tokens["output"],
            "server_tool_use": {"web_search_requests": self.searches},
        }


def usage_dimensions(charge: Charge) -> Json:
    """What a usage report may group a charge by."""
    work = charge.work
    window = next((line.context_window for line in charge.lines if line.context_window), "0-200k")
    return {
        "workspace_id": work.workspace,
        "api_key_id": work.api_key_id,
        "organization_id": work.organization,
        "actor_type": "api_actor",
        "product": "message_batches_api" if work.tier == "batch" else "messages_api",
        "model": work.model,
        "service_tier": work.tier,
        "context_window": window,
        "inference_geo": work.geo,
        "speed": "fast" if work.fast else "standard",
    }


def group_key(dimensions: Json, names: Sequence[str]) -> tuple[str | None, ...]:
    """The values of the named dimensions."""
    return tuple(dimensions.get(name) for name in names)
