"""Two price books compared in money: what recorded traffic costs under each, exactly, and what either cannot price.

Tokens are re-priced from the recorded classes, as served; container time from the recorded lines, since the time that
bills was settled then. A line in the middle of a container session may so differ from the ledger's by a nano-dollar:
there it is the difference of two roundings, here it is rounded once. It is the same under both books.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.metering.counts import UsageError
from planner.core.metering.usage import Metered, meter
from planner.core.money import parse_nano
from planner.core.pricing.lines import usage_lines
from planner.core.pricing.prices import CODE, CREDIT, NANO_PER_MS, Line, PriceBook, Unpriced

_UNTOLD: Final = {"input_tokens": msgspec.Raw(b"0"), "output_tokens": msgspec.Raw(b"0")}
"""What a stream that was cut may not have told."""


class Money(msgspec.Struct, frozen=True):
    """Nano-dollars at contracted and at list price."""

    nano: int = 0
    list_nano: int = 0

    def __add__(self, other: "Money") -> "Money":
        return Money(self.nano + other.nano, self.list_nano + other.list_nano)


class Part(msgspec.Struct, frozen=True):
    """What one kind of line costs under both books, in requests that both can price, by the model that answered."""

    model: str
    kind: str
    before: Money
    after: Money


class Lack(msgspec.Struct, frozen=True, order=True):
    """Why a book cannot price requests to a model."""

    reason: str
    model: str


class PriceDiff(msgspec.Struct, frozen=True, kw_only=True):
    """Two books on the same traffic.

    Attributes:
        requests: that both can price; `before`, `after` and `parts` are theirs alone, so that they can be compared.
        before: what those cost under the first book.
        after: what those cost under the second.
        parts: the same by model and kind, in alphabetical order.
        lost: what requests cost under the first book that the second cannot price.
        gained: what requests cost under the second that the first cannot price.
        unpriced_before: requests that the first book cannot price, by reason and model.
        unpriced_after: requests that the second cannot.
        notional: requests that are not billed by the token; they stay out of all the others.
    """

    requests: int
    before: Money
    after: Money
    parts: tuple[Part, ...]
    lost: Money
    gained: Money
    unpriced_before: Mapping[Lack, int]
    unpriced_after: Mapping[Lack, int]
    notional: int


def compare(entries: Iterable[Entry], before: PriceBook, after: PriceBook, *, per_iteration: bool = False) -> PriceDiff:
    """Price recorded requests under both books; those that cost nothing by their nature are left out.

    `per_iteration` says that the setting `haiku55_tier_on` is `iteration_prompt`.
    """
    pricing = Repricing(before, after, per_iteration=per_iteration)
    for entry in entries:
        pricing.take(entry)
    return pricing.result()


class Repricing:
    """Compares two books while entries pass, as `compare` does."""

    def __init__(self, before: PriceBook, after: PriceBook, *, per_iteration: bool = False) -> None:
        self._before, self._after, self._per_iteration = before, after, per_iteration
        self._tally = _Tally()

    def take(self, entry: Entry) -> None:
        """Price one recorded request under both books."""
        before, after = self._before, self._after
        if any(line.basis == "notional" for line in entry.lines):
            self._tally.notional += 1
        elif entry.tokens is not None or entry.unpriced is not None:
            old, new = (reprice(entry, book, per_iteration=self._per_iteration) for book in (before, after))
            at = datetime.fromisoformat(entry.at)
            priced = not isinstance(old, Unpriced) and not isinstance(new, Unpriced)
            if priced and _timed(entry) and _minimum(before, at) != _minimum(after, at):
                new = Unpriced("minimum-differs")  # which time would have been billed, no entry tells
            self._tally.take(entry, old, new)

    def result(self) -> PriceDiff:
        """What everything that was taken comes to."""
        return self._tally.result()


def reprice(entry: Entry, book: PriceBook, *, per_iteration: bool = False) -> tuple[Line, ...] | Unpriced:
    """Return the lines of one recorded request under a book, or why it has no price there."""
    if entry.tokens is None:
        return Unpriced(entry.unpriced or "no-usage")
    if not entry.lines and entry.code is not None and entry.code.hours_ms and entry.code.charge != "free":
        return Unpriced("unrecorded-container-time")  # it had no price, so what the free hours gave back is unknown
    at = datetime.fromisoformat(entry.at)
    prices = book.contracted(entry.organization)
    runs = 0 if entry.code is None else entry.code.runs
    model = entry.served_model or entry.model or ""
    try:
        metered = _metered(entry)
        lines = usage_lines(metered, model, at, prices, runs=runs, per_iteration=per_iteration)
        return lines if isinstance(lines, Unpriced) else _with_time(lines, entry.lines, prices, at)
    except UsageError:
        return Unpriced("unparsed-usage")
    except OverflowError:
        return Unpriced("overflow")


def _metered(entry: Entry) -> Metered:
    """What was used, as it was counted when the entry was settled."""
    searches = [int(line.quantity) for line in entry.lines if line.kind == "web_search"]
    try:
        told = msgspec.json.decode(entry.usage, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError as error:
        raise UsageError(f"The usage of {entry.request_id} is no JSON object: {error}.") from error
    metered = meter(msgspec.json.encode(_UNTOLD | told))
    if entry.tokens is not None and metered.classes != entry.tokens:  # of a stream that was cut, they were estimated
        metered = msgspec.structs.replace(metered, classes=entry.tokens, each=())
    estimated = any(line.basis == "estimated" and line.unit != "second" for line in entry.lines)
    searched = sum(searches) if entry.lines else metered.web_searches
    return msgspec.structs.replace(metered, web_searches=searched, estimated=estimated)


def _with_time(
    lines: tuple[Line, ...], settled: Sequence[Line], prices: PriceBook, at: datetime
) -> tuple[Line, ...] | Unpriced:
    """The lines, and those of recorded container time and its credit at these prices."""
    found = list(lines)
    for line in settled:
        if line.kind not in (CODE, CREDIT):
            continue
        timed = prices.time_line(CODE, parse_nano(str(line.quantity)) // NANO_PER_MS, at)
        if isinstance(timed, Unpriced):
            return timed
        if timed is not None and line.kind == CREDIT:
            listed = None if timed.list_nano is None else -timed.list_nano
            timed = msgspec.structs.replace(timed, kind=CREDIT, nano=-timed.nano, list_nano=listed)
        if timed is not None:
            found.append(timed)
    return tuple(found)


def _timed(entry: Entry) -> bool:
    return any(line.kind == CODE for line in entry.lines)


def _minimum(book: PriceBook, at: datetime) -> int | None:
    row = book.tool(CODE, at)
    return None if row is None else row.minimum_ms


class _Tally:
    """Sums while entries pass; its size is that of the models, not of the traffic."""

    def __init__(self) -> None:
        self.notional = 0
        self._requests = 0
        self._sums: dict[tuple[str, str], tuple[Money, Money]] = {}
        self._alone = [Money(), Money()]
        self._lacks: tuple[Counter[Lack], Counter[Lack]] = (Counter(), Counter())

    def take(self, entry: Entry, old: tuple[Line, ...] | Unpriced, new: tuple[Line, ...] | Unpriced) -> None:
        """Add one request."""
        model = entry.served_model or entry.model or ""
        for place, lines in enumerate((old, new)):
            if isinstance(lines, Unpriced):
                self._lacks[place][Lack(lines.reason, model)] += 1
        if isinstance(old, Unpriced) or isinstance(new, Unpriced):
            for place, lines in enumerate((old, new)):
                if not isinstance(lines, Unpriced):
                    self._alone[place] += sum((_money(line) for line in lines), Money())
            return
        self._requests += 1
        for place, lines in enumerate((old, new)):
            for line in lines:
                both = list(self._sums.get((model, line.kind), (Money(), Money())))
                both[place] += _money(line)
                self._sums[model, line.kind] = both[0], both[1]

    def result(self) -> PriceDiff:
        """Everything taken so far."""
        parts = tuple(Part(*key, *self._sums[key]) for key in sorted(self._sums))
        return PriceDiff(
            requests=self._requests,
            before=sum((part.before for part in parts), Money()),
            after=sum((part.after for part in parts), Money()),
            parts=parts,
            lost=self._alone[0],
            gained=self._alone[1],
            unpriced_before=dict(sorted(self._lacks[0].items())),
            unpriced_after=dict(sorted(self._lacks[1].items())),
            notional=self.notional,
        )


def _money(line: Line) -> Money:
    return Money(line.nano, line.listed)
