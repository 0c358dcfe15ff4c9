"""The bill of the month: what the replay's world charges, summed by hour to charged items, as the API reports it.

Nothing of the ledger is counted here: tokens are the world's, and so are amounts. `lines` writes the format that
`planner simulator --bill` reads (docs/simulator.md, "A prepared bill").
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from planner.core.replay.calls import Call, Counts, Response

TOKEN_KINDS: Final = Counts.__struct_fields__
LONG_CONTEXT: Final = 200_000
"""Prompt tokens above which the reports put a request into another context window."""


class ItemLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A kind of charge: `quantity` in tokens, searches or seconds, and what they cost in nano-dollars.

    The seconds of `code_execution` are those that count, its amount is what the free hours leave to pay. `list_nano` is
    the amount at list price, None where that is the same.
    """

    kind: str
    quantity: int | str
    nano: int
    list_nano: int | None = None

    @property
    def listed(self) -> int:
        """Nano-dollars at list price."""
        return self.nano if self.list_nano is None else self.list_nano


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests that are alike in all that a report tells apart, within one hour (`at`, RFC 3339)."""

    at: str
    organization: str
    workspace: str
    api_key: str
    model: str
    service_tier: str = "standard"
    inference_geo: str = "global"
    speed: str = "standard"
    context_window: str = "0-200k"
    requests: int = 1
    spans: int = 0
    lines: tuple[ItemLine, ...] = ()

    @property
    def nano(self) -> int:
        """What they cost together."""
        return sum(line.nano for line in self.lines)

    @property
    def day(self) -> str:
        """The day (UTC) on which they are reported."""
        return self.at[:10]


class Charged(NamedTuple):
    """One request on the bill: nano-dollars by kind, at contracted and at list price, and its code runs that bill."""

    call: Call
    response: Response
    api_key: str
    nano: dict[str, int]
    listed: dict[str, int]
    spans: int


class _Sum:
    """What alike requests come to."""

    __slots__ = ("listed", "nano", "quantities", "requests", "spans")

    def __init__(self) -> None:
        self.requests = 0
        self.spans = 0
        self.quantities: dict[str, int] = {}
        self.nano: dict[str, int] = {}
        self.listed: dict[str, int] = {}


_Key = tuple[str, str, str, str, str, str, str, str, str]


class Bill:
    """Sums requests by hour; it grows with hours and agents, not with requests."""

    def __init__(self) -> None:
        self._sums: dict[_Key, _Sum] = {}
        self.requests = 0

    def add(self, charged: Charged) -> None:
        """Put a request on the bill."""
        call, response = charged.call, charged.response
        window = "200k-1M" if response.whole.prompt > LONG_CONTEXT else "0-200k"
        key = (
            at_hour(call.at),
            call.organization,
            call.workspace,
            charged.api_key,
            call.model,
            "batch" if call.batch else "standard",
            "us" if call.us else "global",
            "fast" if call.fast else "standard",
            window,
        )
        found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = _Sum()
        self.requests += 1
        found.requests += 1
        found.spans += charged.spans
        for kind, quantity in _quantities(call, response):
            found.quantities[kind] = found.quantities.get(kind, 0) + quantity
            found.nano[kind] = found.nano.get(kind, 0) + charged.nano.get(kind, 0)
            found.listed[kind] = found.listed.get(kind, 0) + charged.listed.get(kind, 0)

    @property
    def items(self) -> tuple[Item, ...]:
        """The charged items in order of time."""
        return tuple(_item(key, self._sums[key]) for key in sorted(self._sums))


def lines(items: Iterable[Item]) -> Iterator[bytes]:
    """Charged items as JSON Lines, each with its line feed."""
    encoder = msgspec.json.Encoder()
    for item in items:
        yield encoder.encode(item) + b"\n"


def total(items: Iterable[Item]) -> int:
    """What items cost together, in nano-dollars."""
    return sum(item.nano for item in items)


def at_hour(at: datetime) -> str:
    """The hour of a moment, as items have it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:00:00Z")


def _quantities(call: Call, response: Response) -> Iterator[tuple[str, int]]:
    """Units by kind: tokens, searches, milliseconds."""
    for kind in TOKEN_KINDS:
        if tokens := getattr(response.whole, kind):
            yield kind, tokens
    if call.work.web_searches:
        yield "web_search", call.work.web_searches
    if response.billed_ms:
        yield "code_execution", response.billed_ms


def _item(key: _Key, found: _Sum) -> Item:
    at, organization, workspace, api_key, model, tier, geo, speed, window = key
    return Item(
        at=at,
        organization=organization,
        workspace=workspace,
        api_key=api_key,
        model=model,
        service_tier=tier,
        inference_geo=geo,
        speed=speed,
        context_window=window,
        requests=found.requests,
        spans=found.spans,
        lines=tuple(
            ItemLine(
                kind,
                f"{quantity // 1_000}.{quantity % 1_000:03}" if kind == "code_execution" else quantity,
                found.nano[kind],
                None if found.listed[kind] == found.nano[kind] else found.listed[kind],
            )
            for kind, quantity in sorted(found.quantities.items())
        ),
    )
