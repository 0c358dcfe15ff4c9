"""What a request cost, and what the same work would have cost without our edits.

Tokens and searches are exact, since the response tells them. Container time is an estimate, since no response does, and
so is what an untouched request would have cost.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from planner.core.containers import Charge, Work, charge
from planner.core.conversations import ToolEdit
from planner.core.ledger.entry import Code
from planner.core.metering.usage import Metered, TokenClasses
from planner.core.money import checked
from planner.core.pricing.lines import lightened, usage_lines
from planner.core.pricing.prices import Basis, Line, PriceBook, Unpriced
from planner.core.rulebook.book import RuleBook

NOTIONAL: Final[Basis] = "notional"
NO_CHARGE: Final = Charge(None, (), None)

IDLE: Final = timedelta(minutes=5)
"""A container that was idle for longer was checkpointed, and its next billed use opens a session anew [A]:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool, checked 2026-11-22."""


class Session(msgspec.Struct, frozen=True):
    """The billed time of one container: milliseconds used since the first billed use, and when the last one ended."""

    used_ms: int
    last: datetime

    def alive(self, at: datetime) -> bool:
        """Whether a use at that time goes on in this session."""
        return at - self.last <= IDLE


class Sessions(msgspec.Struct, frozen=True):
    """The session of one container as it is billed, and as it would be without our edits; None where none is open."""

    billed: Session | None = None
    untouched: Session | None = None


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How one request was sent and answered, as far as money depends on it.

    Attributes:
        at: when it arrived, aware; it picks the prices.
        model: that served.
        organization: that is billed, by which contracted prices are found.
        edit: what was done to `tools`.
        added: input tokens that the edit is believed to add to each iteration; None for what the rules say alone.
        free: whether code execution was free in it.
        frees: whether code execution would have been free in it untouched.
        threaded: whether it went on in a container by our doing.
        tool_cached: whether a cache breakpoint lies behind `tools`, so that a tool put last is cached as well.
        sessions: of the container that it ran in; empty for a new one.
        free_ms: what is left of the organization's free hours.
        untouched_free_ms: what would be left of them without our edits; None for as much.
        runs: code runs that the response tells of.
        resumed: whether code of an earlier response ran on in it.
        measured_ms: how long code was seen to run in its stream; None where nothing was seen.
        likely_ms: how long code is believed to run in a request that runs any, by what was learnt of its like; None
            for the catalog's prior. Either counts only where nothing was measured.
        spared_start_ms: how long a new container is believed to take to start, where we had it go on in a warm one.
        preloaded: whether something was preloaded into the container.
        elapsed_ms: how long the response took.
        notional: whether it is not billed by the token.
    """

    at: datetime
    model: str
    organization: str | None = None
    edit: ToolEdit = ToolEdit()
    added: float | None = None
    free: bool = False
    frees: bool = False
    threaded: bool = False
    tool_cached: bool = True
    sessions: Sessions = Sessions()
    free_ms: int = 0
    untouched_free_ms: int | None = None
    runs: int = 0
    resumed: bool = False
    measured_ms: int | None = None
    likely_ms: int | None = None
    spared_start_ms: int = 0
    preloaded: bool = False
    elapsed_ms: int = 0
    notional: bool = False


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """The money of one request in nano-dollars; `cost` None means unknown, and `unpriced` says why.

    `cost` and `untouched` are at contracted prices, `listed` is what the same lines cost at list price.
    `hours_ms` is the container time that counts toward the organization's free hours, `untouched_hours_ms` what would
    without our edits; both are 0 for what is not billed by the token.
    """

    lines: tuple[Line, ...] = ()
    cost: int | None = None
    listed: int | None = None
    untouched: int | None = None
    unpriced: str | None = None
    code: Code | None = None
    sessions: Sessions = Sessions()
    hours_ms: int = 0
    untouched_hours_ms: int = 0


def settle(metered: Metered, terms: Terms, book: RuleBook) -> Settlement:
    """Price what one response used; one thing without a price makes the whole cost unknown, never 0."""
    try:
        return _settle(metered, terms, book)
    except OverflowError:  # an amount that no store holds
        return Settlement(unpriced="overflow")


def _settle(metered: Metered, terms: Terms, book: RuleBook) -> Settlement:
    """Price it. Raises OverflowError for an amount beyond 64 bits."""
    charged, billed = _container(terms, book, terms.sessions.billed, free=terms.free, free_ms=terms.free_ms)
    before = None if terms.threaded else terms.sessions.untouched  # without us it would have had a container of its own
    left = terms.free_ms if terms.untouched_free_ms is None else terms.untouched_free_ms
    free = terms.frees if terms.edit.free else terms.free
    alone, untouched = _container(terms, book, before, free=free, free_ms=left)
    hours, alone_hours = (0, 0) if terms.notional else (charged.hours_ms, alone.hours_ms)
    code = charged.code
    if code is not None:
        spared = _opens(alone, before, terms, book) and not _opens(charged, terms.sessions.billed, terms, book)
        code = msgspec.structs.replace(
            code,
            hours_ms=hours,
            untouched_hours_ms=alone_hours,
            avoided_nano=_sum(alone.lines) - _sum(charged.lines) if spared and not terms.notional else None,
            start_saved_ms=terms.spared_start_ms if terms.runs else 0,
        )
    settled = Settlement(
        code=code, sessions=Sessions(billed, untouched), hours_ms=hours, untouched_hours_ms=alone_hours
    )
    lines = _measured_lines(metered, terms, book)
    if isinstance(lines, Unpriced):
        return msgspec.structs.replace(settled, unpriced=lines.reason)
    if _unmetered(charged):
        return msgspec.structs.replace(settled, unpriced="no-price-for-code-execution")
    all_lines = _notional((*lines, *charged.lines), terms)
    cost = _sum(all_lines)
    ours = not terms.edit.empty or terms.threaded or terms.sessions.billed != terms.sessions.untouched
    return msgspec.structs.replace(
        settled,
        lines=all_lines,
        cost=cost,
        listed=checked(sum(line.listed for line in all_lines)),
        untouched=_untouched(metered, terms, book, alone) if ours else cost,
    )


def _container(
    terms: Terms, book: RuleBook, before: Session | None, *, free: bool, free_ms: int
) -> tuple[Charge, Session | None]:
    """What the container time of this request costs, and the session behind it; a free use opens none and keeps none.

    `before` is the session that it goes on in, if it is still alive.
    """
    if not (terms.runs or terms.resumed or terms.preloaded):  # as of most requests, and there is nothing to charge
        return NO_CHARGE, before
    now = before if before is not None and before.alive(terms.at) else None
    idle = 0 if now is None else max(round((terms.at - now.last).total_seconds() * 1000), 0)
    work = Work(
        runs=terms.runs,
        preloaded=terms.preloaded,
        free=free,
        elapsed_ms=terms.elapsed_ms,
        likely_ms=_likely_ms(terms, book),
        resumed=terms.resumed,
        idle_ms=idle,
    )
    used_ms = None if now is None else now.used_ms
    charged = charge(work, used_ms, _prices(terms, book), terms.at, free_ms=free_ms, code=book.settings.code)
    if charged.code is None or charged.code.charge == "free" or charged.used_ms is None:
        return charged, before
    return charged, Session(charged.used_ms, terms.at + timedelta(milliseconds=terms.elapsed_ms))


def _opens(charged: Charge, before: Session | None, terms: Terms, book: RuleBook) -> bool:
    """Whether a charge carries the minimum of a session, or of a request."""
    if charged.code is None or charged.code.charge != "billed":
        return False
    return book.settings.code.minimum_per == "request" or before is None or not before.alive(terms.at)


def _likely_ms(terms: Terms, book: RuleBook) -> int:
    """How long code is likely to have run: as measured, else as learnt, else as everybody's does."""
    for known in (terms.measured_ms, terms.likely_ms):
        if known is not None:
            return known
    return round(book.catalog.priors.code_seconds.likely * 1000)


def _unmetered(charged: Charge) -> bool:
    return charged.code is not None and charged.code.charge == "unmetered"


def _sum(lines: tuple[Line, ...]) -> int:
    return checked(sum(line.nano for line in lines))


def _prices(terms: Terms, book: RuleBook) -> PriceBook:
    return book.prices.contracted(terms.organization)


def _measured_lines(metered: Metered, terms: Terms, book: RuleBook) -> tuple[Line, ...] | Unpriced:
    """The lines of all tokens and searches."""
    per_iteration = book.settings.haiku55_tier_on == "iteration_prompt"
    prices = _prices(terms, book)
    return usage_lines(metered, terms.model, terms.at, prices, runs=terms.runs, per_iteration=per_iteration)


def _untouched(metered: Metered, terms: Terms, book: RuleBook, alone: Charge) -> int | None:
    """The realised work re-priced without our edits; None where that has no price."""
    lighter = lightened(metered, _without(metered, terms, book))
    lines = _measured_lines(lighter, terms, book)
    if isinstance(lines, Unpriced) or _unmetered(alone):
        return None
    return _sum((*lines, *alone.lines))


def _without(metered: Metered, terms: Terms, book: RuleBook) -> TokenClasses:
    """The token classes less what our edit is believed to have added, taken from where its tokens were counted.

    Definitions stand at the front of every iteration's prompt. Behind them a breakpoint makes them cached: read in
    every iteration, but written in the first one where nothing was warm; without one they are plain input each time.
    Of the cache writes, those for an hour stand in front of those for 5 minutes.
    """
    classes = metered.classes
    each = added_tokens(terms, book)
    iterations = metered.iterations or terms.runs + 1
    cold = classes.cache_read <= (iterations - 1) * classes.cache_write
    written = each if terms.tool_cached and cold and classes.cache_write else 0
    read = each * iterations - written if terms.tool_cached and classes.cache_write + classes.cache_read else 0
    counts = msgspec.structs.asdict(classes)
    wanted = (
        (written, ("cache_write_1h", "cache_write_5m")),
        (read, ("cache_read",)),
        (each * iterations - written - read, ("input",)),
    )
    left = 0
    for tokens, names in wanted:
        left += _take(counts, tokens, names)
    _take(counts, left, ("cache_read", "cache_write_1h", "cache_write_5m", "input"))
    return TokenClasses(**counts)


def added_tokens(terms: Terms, book: RuleBook) -> int:
    """Input tokens that the edit of a request is believed to have added to each of its iterations."""
    return round(_added_tokens(terms.edit, book) if terms.added is None else terms.added)


def _added_tokens(edit: ToolEdit, book: RuleBook) -> float:
    """Input tokens that an edit of `tools` adds to each iteration, as the rules have it."""
    priors, each = book.catalog.priors, 0.0
    if edit.append is not None:
        interval = book.tool_tokens(str(msgspec.json.decode(edit.append)["type"]))
        each += 0.0 if interval is None else interval.likely
    for retype in edit.retypes:
        lifted = retype.declared.startswith("code_execution_")
        each += priors.lift_tokens.likely if lifted else priors.upgrade_tokens.likely
    return each


def _take(counts: dict[str, int], tokens: int, names: tuple[str, ...]) -> int:
    """Take tokens from these classes in turn; return what they did not hold."""
    for name in names:
        taken = min(tokens, counts[name])
        counts[name] -= taken
        tokens -= taken
    return tokens


def _notional(lines: tuple[Line, ...], terms: Terms) -> tuple[Line, ...]:
    """Lines of traffic that is not billed by the token say so."""
    return tuple(msgspec.structs.replace(line, basis=NOTIONAL) for line in lines) if terms.notional else lines
