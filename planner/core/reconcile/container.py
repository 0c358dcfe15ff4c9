"""Container time on both sides: the bill has money and spans, the ledger has an estimate of the time.

What settings say of it is a reading: the same uses, billed another way. A reading is believed where it makes at least
nine tenths of the difference vanish and shows in two cells or agrees exactly; one that has a free number (the free
hours) must show in three. Readings that bill every cell alike are all told, since the bill cannot tell which it is.
What no reading explains can be the estimate, as far as low and high of the uses let it.
"""

from calendar import monthrange
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

import msgspec

from planner.core.pricing.prices import Line, PriceBook
from planner.core.reconcile.cells import CODE, Cause, Cell
from planner.core.reconcile.money import noon
from planner.core.reconcile.ours import Ours, Use
from planner.core.reconcile.readings import Fit, Reading, near, setting
from planner.core.reconcile.residual import Claim, Residual
from planner.core.reconcile.spans import Beyond, beyond, explain_batches, explain_bypass
from planner.core.reconcile.surplus import Surplus
from planner.core.reconcile.theirs import Bill
from planner.core.rulebook.book import FreeHoursSettings, Settings
from planner.core.settlement import IDLE

MS_PER_HOUR: Final = 3_600_000
COUNTING: Final = "code.free_use_counts"
LEFT_OVER: Final = 10
"""A reading must leave no more than one part in so many of the difference."""

HUNDREDTHS: Final = 100
MONTHS_OF_USE: Final = 20
"""Free hours are fitted to hundredths of an hour, and others are believed to use no more than so many months' worth."""

CERTAIN: Final = 100
"""How many times rounding a correction must be before its absence can be seen."""

FOR_A_NUMBER: Final = 3
"""Cells that must show a reading with a free number in it."""

FREED: Final = frozenset({"free", "none"})


class _Session(msgspec.Struct):
    """A container session from its first billed use on: seconds since 1970, and milliseconds run and paid for."""

    start: float
    last: float
    ran: int = 0
    paid: int = 0


class Container:
    """The month's container time under the settings in force, and under others."""

    def __init__(self, ours: Ours, prices: PriceBook, settings: Settings, owners: Mapping[str, str]) -> None:
        self._ours = ours
        self._owners = owners
        self._prices = prices
        self._settings = settings
        self._uses = sorted(ours.uses, key=lambda use: (use.at, use.request_id))
        self._rates: dict[str, tuple[int, int]] = {}
        self.readings: list[Reading] = []
        self._moved: dict[Cell, int] = {}
        self._believed: tuple[list[int], FreeHoursSettings | None, bool | None] = (
            [use.hours_ms for use in self._uses],
            None,
            None,
        )

    def explain(self, residual: Residual, bill: Bill, foreign: Collection[tuple[str, str]], surplus: Surplus) -> None:
        """Let everything that moves container time take its part of the differences."""
        explain_bypass(residual, bill, foreign)
        explain_batches(residual, self._ours, bill, surplus)
        cells = sorted(cell for cell in residual.difference if cell.kind == CODE and cell.day in bill.cost_days)
        self._late_corrections(residual, cells)
        self._unmetered(residual, cells)
        self._readings(residual, cells)
        self._estimate(residual, cells, beyond(self._ours, bill, self._owners, foreign, surplus), surplus)

    # ------------------------------------------------------------ what is not known

    def _late_corrections(self, residual: Residual, cells: Sequence[Cell]) -> None:
        """Corrections with which the ledger left the bill: without them both agreed."""
        for cell in cells:
            corrected = self._ours.corrected.get(cell, 0)
            if abs(corrected) > CERTAIN * residual.tolerance(cell) and not residual.settled(cell):
                without = residual.left[cell] + corrected
                if abs(without) <= residual.tolerance(cell):
                    evidence = "ledger and bill agree without the corrections that were made of this day"
                    residual.explain(Cause.LATE_CORRECTIONS, cell, -corrected, evidence)

    def _unmetered(self, residual: Residual, cells: Sequence[Cell]) -> None:
        """Requests without a price: their container time is on the bill and in no line."""
        most: dict[Cell, int] = {}
        for use in self._uses:
            if use.charge == "unmetered":
                cell = Cell(use.day, use.workspace, CODE)
                most[cell] = most.get(cell, 0) + use.hours_ms + max(use.high_ms - use.likely_ms, 0)
        for cell in cells:
            if cell in most:
                claim = Claim(
                    Cause.UNPRICED, 0, self._price(cell.day, most[cell]), "requests that have no price ran code"
                )
                residual.settle(cell, [claim])

    # ------------------------------------------------------------ readings

    def _readings(self, residual: Residual, cells: Sequence[Cell]) -> None:
        """Believe the one other reading that fits best, if one fits; tell those that bill the same along with it."""
        before = sum(abs(residual.left[cell]) for cell in cells)
        if all(residual.settled(cell) for cell in cells):
            return
        base, days = self.cost([use.hours_ms for use in self._uses]), {cell.day for cell in cells}
        fits: list[Fit] = []
        for cause, key, value, hours, free in self._candidates(residual, cells, base):
            counting = key == COUNTING or None
            cost = self.cost(hours, free, counting=counting)
            moved = {cell: cost.get(cell, 0) - base.get(cell, 0) for cell in {*cost, *base} if cell.day in days}
            after = sum(abs(residual.left[cell] - moved.get(cell, 0)) for cell in cells)
            if self._is_believed(cause, residual, cells, moved, (before, after)):
                fits.append(Fit(after, cause, key, value, moved, (hours, free, counting)))
        if not fits:
            return
        best = min(fits, key=lambda fit: fit.after)
        alike = [fit for fit in fits if all(near(fit, best, cell, residual) for cell in {*fit.moved, *best.moved})]
        self._believed, self._moved = best.believed, best.moved
        for cell, nano in best.moved.items():
            residual.explain(best.cause, cell, nano, f"{' or '.join(map(str, alike))} fits the bill")
        shown = {cell.day for cell, nano in best.moved.items() if nano}
        for fit in alike:
            now, others = setting(self._settings, fit.key), tuple(str(each) for each in alike if each is not fit)
            nano = sum(fit.moved.values())
            self.readings.append(Reading(fit.key, now, fit.value, nano, len(shown), before, fit.after, others))

    def _is_believed(
        self,
        cause: Cause,
        residual: Residual,
        cells: Sequence[Cell],
        moved: dict[Cell, int],
        misfit: tuple[int, int],
    ) -> bool:
        before, after = misfit
        showing = [cell for cell in cells if abs(moved.get(cell, 0)) > residual.tolerance(cell)]
        exact = all(abs(residual.left[cell] - moved.get(cell, 0)) <= residual.tolerance(cell) for cell in cells)
        needed = FOR_A_NUMBER if cause is Cause.ALLOWANCE else 1 if exact else 2
        return len(showing) >= needed and (exact or after * LEFT_OVER <= before)

    def _candidates(
        self, residual: Residual, cells: Sequence[Cell], base: dict[Cell, int]
    ) -> Iterable[tuple[Cause, str, Any, list[int], FreeHoursSettings | None]]:
        """Other readings: the setting, its value, the hours that each use counts then, and the free hours."""
        code = self._settings.code
        other = "session" if code.minimum_per == "request" else "request"
        recorded = [use.hours_ms for use in self._uses]
        yield Cause.MINIMUM_READING, "code.minimum_per", other, self._hours(minimum_per=other), None
        yield Cause.OTHER_READING, "code.idle_bills", not code.idle_bills, self._hours(idle=not code.idle_bills), None
        for key, value, applies in self._flips():
            yield Cause.OTHER_READING, key, value, self._hours(changed=applies), None
        for key in ("free_hours.limit", "free_hours.used_elsewhere"):
            free = self._fit(residual, cells, base, key.rpartition(".")[2])
            if free is not None:
                value = getattr(free, key.rpartition(".")[2])
                yield Cause.ALLOWANCE, key, value, recorded, free

    def _flips(self) -> Iterable[tuple[str, bool, Callable[[Use], bool]]]:
        """Settings that say whether a kind of use is billed at all, and which uses they are about."""
        code = self._settings.code
        if not code.free_use_counts:
            yield COUNTING, True, lambda use: use.charge == "free"
        if code.direct_web_tool_frees:
            yield "code.direct_web_tool_frees", False, lambda use: use.charge == "free" and use.direct
        if not code.deferred_web_tool_frees:
            yield "code.deferred_web_tool_frees", True, lambda use: use.charge != "free" and use.deferred
        if not code.skills_preload_bills:
            yield "code.skills_preload_bills", True, lambda use: use.charge == "none" and use.skills
        if code.history_uploads_bill:
            yield "code.history_uploads_bill", False, lambda use: use.charge not in FREED and use.history
        else:
            yield "code.history_uploads_bill", True, lambda use: use.charge == "none" and use.history

    def _hours(
        self,
        *,
        minimum_per: str | None = None,
        idle: bool | None = None,
        changed: Callable[[Use], bool] | None = None,
    ) -> list[int]:
        """Milliseconds that each use counts under another reading; containers that it does not touch keep their own.

        In one that it touches all uses count anew: who is first in a session pays its minimum.
        """
        per = self._settings.code.minimum_per if minimum_per is None else minimum_per
        idle_bills = self._settings.code.idle_bills if idle is None else idle
        sessions: dict[str, _Session] = {}
        touched = {use.container for use in self._uses if changed is None or changed(use)}
        hours = []
        for use in self._uses:
            if use.container not in touched:
                hours.append(use.hours_ms)
                continue
            billed = (use.charge not in FREED) != (changed is not None and changed(use))
            if use.charge == "corrected" or not billed:
                hours.append(use.hours_ms if use.charge == "corrected" else 0)
                continue
            minimum = self._rate(use.day)[1]
            if per == "request":
                hours.append(max(use.likely_ms, minimum))
                continue
            session = sessions.get(use.container)
            if session is None or use.at - session.last > IDLE.total_seconds():
                session = sessions[use.container] = _Session(use.at, use.until)
            session.last = max(session.last, use.until)
            session.ran += use.likely_ms
            owed = max(round((session.last - session.start) * 1000) if idle_bills else session.ran, minimum)
            hours.append(owed - session.paid)
            session.paid = owed
        return hours

    def _fit(
        self, residual: Residual, cells: Sequence[Cell], base: dict[Cell, int], name: str
    ) -> FreeHoursSettings | None:
        """The free hours at which all uses together come to what is billed, by one of their settings, in hundredths.

        None where no value can.
        """
        wanted = sum(residual.left[cell] + base.get(cell, 0) for cell in cells)
        recorded = [use.hours_ms for use in self._uses]
        most = sum(recorded) * HUNDREDTHS // MS_PER_HOUR + 1
        if wanted <= 0 or not self._uses:
            return None
        free, days = self._settings.free_hours, {cell.day for cell in cells}
        highest = most if name == "limit" else round(free.limit * HUNDREDTHS * MONTHS_OF_USE)

        def owed(hundredths: int) -> int:
            given = msgspec.structs.replace(free, **{name: hundredths / HUNDREDTHS})
            return sum(nano for cell, nano in self.cost(recorded, given).items() if cell.day in days)

        low, high = 0, highest
        while low < high:
            middle = (low + high) // 2
            if (owed(middle) > wanted) == (name == "limit"):
                low = middle + 1
            else:
                high = middle
        best = min((each for each in (low - 1, low) if each >= 0), key=lambda each: abs(owed(each) - wanted))
        fitted = msgspec.structs.replace(free, **{name: best / HUNDREDTHS})
        return None if fitted == free else fitted

    # ------------------------------------------------------------ the estimate

    def _estimate(self, residual: Residual, cells: Sequence[Cell], unseen: Beyond, surplus: Surplus) -> None:
        """Give the estimate what lies between low and high, and unseen spans what so many minimums can cost.

        All spans that the ledger lacks use up free hours, which then end earlier for all others. Those of batches can
        have run as long as any that the ledger knows.
        """
        kept, free, counting = self._believed
        base = self.cost(kept, free, counting=counting)
        shorter = [hours - self._sure(use, hours) for use, hours in self._with(kept)]
        low = self.cost(shorter, free, counting=counting)
        longer = [hours + max(use.high_ms - use.likely_ms, 0) for use, hours in self._with(kept)]
        minimum = max((self._rate(cell.day)[1] for cell in cells), default=0)
        longest = max(minimum, self._ours.longest_ms)
        high = self.cost(longer, free, counting=counting, unseen_ms=unseen.spans * longest if unseen.spans else 0)
        for cell in cells:
            if residual.settled(cell):
                continue
            told = self._ours.nano.get(cell, 0) - self._ours.lag.get(cell, 0) + self._ours.shifted.get(cell, 0)
            told += self._moved.get(cell, 0)
            ends = [cost.get(cell, 0) - told for cost in (low, base, high)]
            claims = [Claim(Cause.CONTAINER_ESTIMATE, min(*ends, 0), max(*ends, 0), "within low and high of its uses")]
            if requests := unseen.past.get((cell.day, cell.workspace), 0):
                evidence = f"code of {surplus.past[cell.day, cell.workspace][1]}"
                claims.append(Claim(Cause.BATCHES_PAST, 0, self._price(cell.day, requests * longest), evidence))
            if spans := unseen.lost.get((cell.day, cell.workspace), 0):
                most = self._price(cell.day, spans * self._rate(cell.day)[1])
                evidence = f"{spans} spans beyond the ledger, and requests whose end nobody saw"
                residual.settle(cell, [Claim(Cause.LOST_ENTRIES, 0, most, evidence)])
            if not residual.settled(cell):
                residual.settle(cell, claims)

    def _with(self, hours: Sequence[int]) -> Iterable[tuple[Use, int]]:
        return zip(self._uses, hours, strict=True)

    def _sure(self, use: Use, hours: int) -> int:
        """Milliseconds by which a use may count less: all beyond the minimum that it carries."""
        if use.charge in FREED or use.charge == "corrected":
            return 0
        minimum = self._rate(use.day)[1]
        return hours - minimum if hours >= minimum else hours

    # ------------------------------------------------------------ money

    def cost(
        self,
        hours: Sequence[int],
        free: FreeHoursSettings | None = None,
        *,
        counting: bool | None = None,
        unseen_ms: int = 0,
    ) -> dict[Cell, int]:
        """Nano-dollars by cell of uses that count so many milliseconds, beyond the free hours, in order of time.

        `counting` says that free uses count and are not billed; None as the settings have it. `unseen_ms` is what
        requests that the ledger does not know of may have used of the free hours.
        """
        free = self._settings.free_hours if free is None else free
        used = unseen_ms
        owed: dict[Cell, int] = {}
        counts = self._settings.code.free_use_counts if counting is None else counting
        for use, ms in self._with(hours):
            if use.charge == "unmetered":
                used += ms
                continue
            left = round((free.limit - free.used_elsewhere * _passed(use.at)) * MS_PER_HOUR) - used
            used += ms
            if ms and (use.charge not in FREED or not counts):
                credited = min(max(left, 0), ms) if ms > 0 else 0
                cell = Cell(use.day, use.workspace, CODE)
                owed[cell] = owed.get(cell, 0) + ms - credited
        return {cell: self._price(cell.day, ms) for cell, ms in owed.items()}

    def hours_ms(self) -> int:
        """Milliseconds that the ledger counts in the month."""
        return sum(use.hours_ms for use in self._uses)

    def _price(self, day: str, milliseconds: int) -> int:
        return round(Fraction(milliseconds * self._rate(day)[0], MS_PER_HOUR))

    def _rate(self, day: str) -> tuple[int, int]:
        """What an hour costs in nano-dollars, and the minimum in milliseconds."""
        found = self._rates.get(day)
        if found is None:
            at = noon(day)
            line, row = self._prices.time_line(CODE, MS_PER_HOUR, at), self._prices.tool(CODE, at)
            nano = line.nano if isinstance(line, Line) else 0
            found = self._rates[day] = (nano, 0 if row is None else row.minimum_ms)
        return found


def _passed(at: float) -> float:
    """The share of its month (UTC) that is over."""
    moment = datetime.fromtimestamp(at, UTC)
    start = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (moment - start).total_seconds() / (monthrange(moment.year, moment.month)[1] * 86_400)
