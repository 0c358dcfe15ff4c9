"""Whether a conversation that begins joins the container of its caller's session: by money first, then by time.

    a new container      its minimum, and what it runs beyond that
    the session's own    what it runs beyond the minimum that is paid, and its waiting where the settings bill that

Cheaper is joined, dearer is not. Where neither is (an hour costs nothing now, code is free anyway, the session is over
and a new one would begin in either), only time tells them apart: a container that ran a moment ago need not start.
"""

from typing import Final

from planner.core.containers import Work, charge, preloads
from planner.core.conversations import Turn
from planner.core.facts import Facts
from planner.core.learning.expectation import SESSION_SECONDS
from planner.core.ledger.entry import Expected
from planner.core.reasons import Reason
from planner.core.rulebook.book import RuleBook
from planner.core.wire import MessagesRequest

UNFIT: Final = frozenset({Reason.NOT_WORTH_IT, Reason.COLD})
"""Why a container that could be joined is not."""


def weigh(request: MessagesRequest, facts: Facts, book: RuleBook, turn: Turn, *, free: bool) -> Expected | None:
    """What the container time of a request is expected to cost in a new container, and in that of a turn.

    At the marginal price of an hour, in nano-dollars; `free` says that its code is free anyway. None without a price.
    """
    if free:
        return Expected(0, 0)
    prices = book.prices.contracted(None if facts.scope is None else facts.scope.organization)
    row = prices.tool("code_execution", facts.now)
    if row is None or row.pico_per_hour is None:
        return None
    priors, code = book.catalog.priors, book.settings.code
    milliseconds = round(facts.learnt.seconds.at(priors.code_seconds.likely) * 1000)
    chance = 1.0 if preloads(request, code) else facts.learnt.code.at(priors.code_probability.likely)

    def expected(used_ms: int | None, idle_ms: int) -> int:
        work = Work(1, preloaded=False, free=False, elapsed_ms=milliseconds, likely_ms=milliseconds, idle_ms=idle_ms)
        lines = charge(work, used_ms, prices, facts.now, free_ms=0, code=code).lines
        return round(sum(line.nano for line in lines) * chance * facts.allowance.probability)

    idle = None if turn.used_at is None else (facts.now - turn.used_at).total_seconds()
    if idle is None or idle > SESSION_SECONDS:
        return Expected(expected(None, 0), expected(None, 0))
    return Expected(expected(None, 0), expected(turn.used_ms, round(max(idle, 0.0) * 1000)))


def declines(weighed: Expected | None, turn: Turn, facts: Facts) -> Reason | None:
    """Why the container of a turn is not joined for what that is expected to cost; None to join it."""
    if weighed is not None and weighed.planned != weighed.untouched:
        return Reason.NOT_WORTH_IT if weighed.planned > weighed.untouched else None
    return None if turn.warm(turn.container, facts.now) else Reason.COLD
