"""Results of a message batch, read line by line as they pass: each is priced by its own model, their sum is one entry.

A batch bills when it is processed, and nothing tells of it but its results, which may be fetched again and again, and
broken off. So an entry holds what the batch is known to cost by then, less what earlier entries of it hold already.

Of a batch that was made through the planner the ledger knows what its requests declared, what was done to them, and
when: a result is priced by that, and so is what it would have cost untouched. A batch is processed within a day [A], so
a line whose price changed in that day is estimated.

Of another batch a result tells too little, and the dearer case is taken: code is priced as if no web tool freed it,
unless the result shows that code called one; files that were preloaded without a run are not seen at all. Nor does it
tell when it was made: prices and discounts are those of the fetch. Results can be fetched for 29 days [A], so a line
whose price changed within that time is estimated. The month of the free hours is that of the fetch in both cases.
Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing, checked 2026-11-22.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

import msgspec
from msgspec import Raw

from planner.core.breaker import blames
from planner.core.ledger.batched import Kind, Known, member
from planner.core.ledger.entry import Batch, Code, Ending, Entry, Seconds
from planner.core.metering.counts import UsageError
from planner.core.metering.readers import Told
from planner.core.metering.stopwatch import Stopwatch
from planner.core.metering.usage import Metered, TokenClasses, meter
from planner.core.money import checked, format_nano
from planner.core.pricing.prices import CODE, CREDIT, NANO_PER_MS, Basis, Line, PriceBook, Unpriced
from planner.core.rulebook.book import RuleBook
from planner.core.settlement import Sessions, Settlement, Terms, settle
from planner.core.wire import Block, Message, WireError

LARGEST_RESULT: Final = 8 * 1024 * 1024
"""Bytes of one line that are kept: the longest output is some megabytes; a longer line makes the cost unknown."""

MOST_CONTAINERS: Final = 10_000
"""Containers whose sessions are told apart; results that name one are rare, since each makes its own."""

LIVES: Final = timedelta(days=30)
"""A batch is made at most so long before its results are fetched: they stay for 29 days [A], and days are whole."""

DAY: Final = timedelta(days=1)
"""A batch that was not processed within 24 hours expires [A]."""

FREE_OF_COST: Final = frozenset({"errored", "canceled", "expired"})
"""Results of requests that were not answered [A]."""


Tally = Counter[str]
"""What results were counted to, by dotted names: of two tallies of one batch, the later can only be more."""


def tally(entries: Iterable[Entry]) -> Tally:
    """What the settled entries of one batch count together; one without a known cost counted nothing."""
    found: Tally = Counter()
    for entry in entries:
        if entry.batch is None or entry.cost_nano is None:
            continue
        found["results"] += entry.batch.results - entry.batch.settled_before
        before_credit = sum(line.nano for line in entry.lines if line.kind != CREDIT)
        found["untouched"] += before_credit if entry.batch.untouched_nano is None else entry.batch.untouched_nano
        _add_lines(found, entry.lines)
        if entry.tokens is not None:
            _add_tokens(found, entry.tokens)
        if entry.code is not None:
            _add_code(found, entry.code)
    return found


class Settled(msgspec.Struct, frozen=True):
    """What one passage of results adds to the ledger."""

    money: Settlement
    batch: Batch | None
    tokens: TokenClasses | None = None


class BatchReader:
    """Reads results as they pass; a line that cannot be read or priced makes the cost unknown, and is told by why."""

    def __init__(self, book: RuleBook, terms: Terms, known: Known | None = None) -> None:
        self.told = Told()
        self.refused: set[int] = set()
        self._book = book
        self._terms = terms
        self._known = known
        self._kinds = () if known is None else known.made.kinds
        self._places = {} if known is None else known.made.places()
        self._since, self._until = (terms.at - LIVES, terms.at) if known is None else (known.at, known.at + DAY)
        self._untouched_known = True
        self._line = bytearray()
        self._skipping = False
        self._torn = False
        self._seen: Tally = Counter()
        self._bases: dict[str, Basis] = {}
        self._unpriced: str | None = None
        self._sessions: dict[str, Sessions] = {}

    def feed(self, data: bytes, at: float) -> None:
        """Take in the lines that are whole by now."""
        del at
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._keep(piece)
            if not self._skipping:
                self._read(bytes(self._line))
            self._line.clear()
            self._skipping = False
        self._keep(rest)

    def end(self, at: float) -> None:
        """The last line may end without a line feed; one that is cut off is none, unless the answer was whole."""
        del at
        line, self._line = bytes(self._line).strip(), bytearray()
        if line:
            try:
                msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self._torn = True
            else:
                self._read(line)

    def metered(self) -> Metered | None:
        """The tokens of all results that passed."""
        return Metered(classes=_tokens(self._seen))

    def settle(self, ending: Ending, batch: Batch | None, terms: Terms, before: Tally | None) -> Settled:
        """What this passage adds to what was counted `before`; None: nobody knows what was, and so what it adds."""
        passed = self._seen["results"]
        unpriced = self._unpriced or ("unparsed-usage" if self._torn and ending == "ok" else None)
        if before is None:
            unpriced = unpriced or "store-unavailable"
        if unpriced is not None or before is None:
            named = None if batch is None else msgspec.structs.replace(batch, results=passed)
            return Settled(Settlement(unpriced=unpriced), named)
        news = self._seen - before
        untouched = news["untouched"] if self._edited and self._untouched_known else None
        named = None if batch is None else Batch(batch.id, passed, passed - news["results"], untouched)
        try:
            return Settled(self._money(news, terms), named, _tokens(news))
        except OverflowError:  # an amount that no store holds
            return Settled(Settlement(unpriced="overflow"), named)

    def _money(self, news: Tally, terms: Terms) -> Settlement:
        """Lines of what is new. Raises OverflowError."""
        lines = [
            _line(kind, news[f"quantity.{kind}"], checked(news[f"nano.{kind}"]), checked(news[f"listed.{kind}"]), basis)
            for kind, basis in self._bases.items()
            if news[f"quantity.{kind}"]
        ]
        hours = news["hours_ms"]
        charged = news[f"quantity.{CODE}"]
        credited = min(charged, max(terms.free_ms, 0))
        if credited:
            nano, listed = (_share(news[f"{price}.{CODE}"], credited, charged) for price in ("nano", "listed"))
            credit = _line(CODE, credited, -nano, -listed, self._bases[CODE])
            lines.append(msgspec.structs.replace(credit, kind=CREDIT))
        cost = checked(sum(line.nano for line in lines))
        untouched, alone = (self._untouched(news, terms), news["untouched_hours_ms"]) if self._edited else (cost, hours)
        seconds = Seconds(0.0, news["likely_ms"] / 1000, news["high_ms"] / 1000)
        ran = charged or news["high_ms"]
        code = Code(news["runs"], seconds, "billed" if charged else "free", hours, alone) if ran else None
        return Settlement(
            lines=tuple(lines),
            cost=cost,
            listed=checked(sum(line.listed for line in lines)),
            untouched=untouched,
            code=code,
            hours_ms=hours,
            untouched_hours_ms=alone,
        )

    @property
    def _edited(self) -> bool:
        """Whether we edited any request of this batch."""
        return any(not kind.edit.empty for kind in self._kinds)

    def _untouched(self, news: Tally, terms: Terms) -> int | None:
        """What is new would have cost without our edits, less the free hours that would be left; None where unknown.

        Raises OverflowError.
        """
        if not self._untouched_known:
            return None
        left = terms.free_ms if terms.untouched_free_ms is None else terms.untouched_free_ms
        free = min(news["untouched_hours_ms"], max(left, 0))
        credit = self._book.prices.contracted(self._terms.organization).time_line(CODE, free, self._at_of(terms))
        if isinstance(credit, Unpriced):
            return None
        return checked(news["untouched"] - (0 if credit is None else credit.nano))

    def _at_of(self, terms: Terms) -> datetime:
        """The moment at whose prices results are priced: when the batch was made, else when they are fetched."""
        return terms.at if self._known is None else self._known.at

    def _keep(self, piece: bytes) -> None:
        if self._skipping:
            return
        if len(self._line) + len(piece) > LARGEST_RESULT:
            self._line.clear()
            self._skipping = True
            self._unpriced = self._unpriced or "oversized-response"
        else:
            self._line += piece

    def _read(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            told = _LINE.decode(line)
            result, place = told.result, self._places.get(member(told.custom_id), 0)
            kind = self._kinds[place] if self._kinds else None
            if result.type == "succeeded":
                self._count(Message.parse(bytes(result.message)), kind)
            elif result.type == "errored" and kind is not None and blames(kind.edit, bytes(result.error).decode()):
                self.refused.add(place)
            elif result.type not in FREE_OF_COST:
                self._unpriced = self._unpriced or "unparsed-usage"
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UsageError, WireError):
            self._unpriced = self._unpriced or "unparsed-usage"

    def _count(self, message: Message, kind: Kind | None) -> None:
        """Price one result by itself. Raises UsageError."""
        same = not self._seen["results"] or message.model == self.told.model
        self.told.model = message.model if same else None
        self._seen["results"] += 1
        if message.usage is None:
            self._unpriced = self._unpriced or "no-usage"
            return
        used = meter(message.usage)
        used = msgspec.structs.replace(used, modifiers=msgspec.structs.replace(used.modifiers, batch=True))
        container = None if message.container is None else message.container.id
        one = settle(used, self._result_terms(message, container, kind), self._book)
        if container is not None and len(self._sessions) < MOST_CONTAINERS:
            self._sessions[container] = one.sessions
        self._unpriced = self._unpriced or one.unpriced
        for line in one.lines:
            if self._bases.get(line.kind) in {None, "measured"}:
                moved = line.basis == "measured" and self._moved(line.kind, message.model or "")
                self._bases[line.kind] = "estimated" if moved else line.basis
        self._untouched_known = self._untouched_known and one.untouched is not None
        self._seen["untouched"] += one.untouched or 0
        _add_lines(self._seen, one.lines)
        _add_tokens(self._seen, used.classes)
        if one.code is not None:
            _add_code(self._seen, one.code)

    def _moved(self, kind: str, model: str) -> bool:
        """Whether the price of a line changed while the batch may have been processed."""
        prices = self._book.prices.contracted(self._terms.organization)
        return _price(prices, kind, model, self._since) != _price(prices, kind, model, self._until)

    def _result_terms(self, message: Message, container: str | None, kind: Kind | None) -> Terms:
        """How a result was made, as far as is known; nothing bounds how long its code ran but what is believed."""
        watch = Stopwatch()
        for block in message.content:
            watch.start(None, block, 0.0)
        shown = any(map(_calls_web_from_code, message.content))
        known = Kind(requests=1) if kind is None else kind
        return Terms(
            at=self._at_of(self._terms),
            model=message.model or "",
            organization=self._terms.organization,
            edit=known.edit,
            added=known.added,
            free=shown or known.free,
            frees=known.frees or (shown and known.edit.empty),
            tool_cached=known.tool_cached,
            preloaded=known.preloaded,
            sessions=self._sessions.get(container or "", Sessions()),
            runs=watch.runs,
            resumed=watch.resumed,
            likely_ms=self._terms.likely_ms,
            elapsed_ms=round(self._book.catalog.priors.code_seconds.high * 1000),
            notional=self._terms.notional,
        )


class _Result(msgspec.Struct):
    type: str
    message: Raw = Raw(b"null")
    error: Raw = Raw(b"null")


class _Line(msgspec.Struct):
    result: _Result
    custom_id: str = ""


_LINE: Final = msgspec.json.Decoder(_Line)


def _calls_web_from_code(block: Block) -> bool:
    """Whether code called a web tool, which only those that free code let it do."""
    return block.server_call and block.programmatic


def _add_lines(found: Tally, lines: Iterable[Line]) -> None:
    for line in lines:
        if line.kind == CREDIT:  # what is new alone can use up free hours
            continue
        found[f"quantity.{line.kind}"] += _count_of(line)
        found[f"nano.{line.kind}"] += line.nano
        found[f"listed.{line.kind}"] += line.listed


def _add_tokens(found: Tally, classes: TokenClasses) -> None:
    for name, count in msgspec.structs.asdict(classes).items():
        found[f"tokens.{name}"] += count


def _add_code(found: Tally, code: Code) -> None:
    found["runs"] += code.runs
    found["likely_ms"] += round(code.seconds.likely * 1000)
    found["high_ms"] += round(code.seconds.high * 1000)
    found["hours_ms"] += code.hours_ms
    found["untouched_hours_ms"] += code.untouched_hours_ms


def _tokens(found: Tally) -> TokenClasses:
    return TokenClasses(**{name: found[f"tokens.{name}"] for name in TokenClasses.__struct_fields__})


def _price(prices: PriceBook, kind: str, model: str, at: datetime) -> object:
    """What the price of a kind of line is made of at a time."""
    row = prices.lookup(model, at) if kind in TokenClasses.__struct_fields__ else prices.tool(kind, at)
    return row, prices.factor(kind, model, at)


def _line(kind: str, count: int, nano: int, listed: int, basis: Basis) -> Line:
    return Line(kind, *_quantity(kind, count), nano, basis, None if listed == nano else listed)


def _share(nano: int, part: int, whole: int) -> int:
    """Nano-dollars of a part, rounded once, half to even."""
    return round(Fraction(nano * part, whole))


def _count_of(line: Line) -> int:
    """Tokens and uses as they are, seconds as milliseconds."""
    if isinstance(line.quantity, int):
        return line.quantity
    whole, _, rest = line.quantity.partition(".")
    return int(whole) * 1_000 + int(rest.ljust(3, "0")[:3])


def _quantity(kind: str, count: int) -> tuple[int | str, str]:
    """The quantity and unit of a line."""
    if kind == CODE:
        return format_nano(count * NANO_PER_MS), "second"
    return count, "use" if kind == "web_search" else "token"
