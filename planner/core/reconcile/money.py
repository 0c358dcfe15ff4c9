"""What tokens and searches that only one side has cost, and where both have the same and disagree on the price.

    bill = (ledger + what tokens of one side alone cost) x factor of a price row

A factor is believed where at least two days show the same one: a single cell would agree with any.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from planner.core.metering.usage import TokenClasses
from planner.core.pricing.prices import PriceBook
from planner.core.reconcile.cells import SEARCH, TOKENS, Cause, Cell
from planner.core.reconcile.ours import Ours
from planner.core.reconcile.residual import Claim, Residual
from planner.core.reconcile.surplus import Place, Surplus, Used
from planner.core.reconcile.theirs import Bill, Variant

ONE: Final = Fraction(1)
PICO_PER_NANO: Final = 1_000
ENOUGH: Final = 2
"""Days that must show the same factor, and cells that must show a reading."""

LEAST_CHANGE: Final = Fraction(1, 400)
"""A factor nearer to 1 is no other price: whoever slips when writing one is off by more, and estimated tokens of
answers that were cut come as near by chance. What it would have explained is left unexplained. Ours."""

Range = tuple[Fraction, Fraction]


class WrongPrice(msgspec.Struct, frozen=True):
    """A price that the bill contradicts: of a row, for a class of tokens or a tool, by a factor, in a span of days.

    `tier` says which of its rates is wrong: `all`, `base`, or `over` for long prompts. `nano` is what it moved.
    """

    row: str
    model: str
    kind: str
    tier: str
    factor: Fraction
    first_day: str
    last_day: str
    cells: int
    nano: int


class _Cellwise(NamedTuple):
    cell: Cell
    fixed: int
    part: int
    extra: tuple[int, int]


class Pricing:
    """Prices the surplus of a month, and finds the rows that the bill contradicts."""

    def __init__(self, ours: Ours, bill: Bill, surplus: Surplus, prices: PriceBook) -> None:
        self._ours = ours
        self._bill = bill
        self._surplus = surplus
        self._prices = prices
        self.wrong: list[WrongPrice] = []
        self._factors: dict[Cell, Fraction] = {}
        self._models: dict[tuple[str, str], set[str]] = {}
        for place in surplus.rest:
            self._models.setdefault((place.day, place.workspace), set()).add(place.model)
        self._billed: dict[Cell, int] = {}
        self._done: set[Cell] = set()
        self._users: dict[tuple[str, str, str], set[tuple[str, str]]] = {}
        for variant, counts in bill.usage.items():
            for model in (variant.model, ""):
                place_of = (variant.day, variant.workspace, model)
                self._users.setdefault(place_of, set()).add((variant.workspace, variant.key))
            for kind, count in zip(TOKENS, counts, strict=False) if variant.tier != "priority" else ():
                cell = Cell(variant.day, variant.workspace, kind, variant.model, variant.tier == "batch")
                self._billed[cell] = self._billed.get(cell, 0) + count

    def explain(self, residual: Residual) -> None:
        """Let tokens, searches and prices take their part of the differences."""
        self._strangers(residual)
        self._read_tier(residual)
        cells = sorted(
            cell for cell in residual.difference if cell.kind in (*TOKENS, SEARCH) and cell not in self._done
        )
        claims = {cell: self._claims(cell) for cell in cells}
        for kind, model, batch in sorted({(cell.kind, cell.model, cell.batch) for cell in cells}):
            mine = [cell for cell in cells if (cell.kind, cell.model, cell.batch) == (kind, model, batch)]
            self._find_wrong(mine, claims, residual)
        for cell in cells:
            factor = self._factors.get(cell, ONE)
            scaled = [
                claim
                if claim.cause is Cause.UNPRICED
                else claim._replace(low=round(claim.low * factor), high=round(claim.high * factor))
                for claim in claims[cell]
            ]
            residual.settle(cell, scaled)

    def _strangers(self, residual: Residual) -> None:
        """Descriptions of which the ledger has nothing and only keys that it never saw used anything: all is theirs."""
        known: set[tuple[str, str, str]] = {(*group[:2], "") for group in self._ours.tokens}
        known |= {(group.day, group.workspace, group.model) for group in self._ours.tokens}
        for cell in sorted(residual.left):
            if cell.kind not in (*TOKENS, SEARCH) or (cell.day, cell.workspace, cell.model) in known:
                continue
            keys = self._users.get((cell.day, cell.workspace, cell.model), set())
            if any(used.cause is not Cause.BYPASS for _, used in self._used(cell)):
                continue
            if keys and keys <= self._surplus.foreign and not self._ours.nano.get(cell):
                evidence = f"used by {', '.join(sorted(key for _, key in keys))} alone, in no ledger entry"
                residual.explain(Cause.BYPASS, cell, residual.left[cell], evidence)
                self._done.add(cell)

    # ------------------------------------------------------------ claims

    def _claims(self, cell: Cell) -> list[Claim]:
        claims = self._unpriced(cell)
        for place, used in self._used(cell):
            claim = self._claim(cell, place, used)
            claims += [claim] if claim is not None and (claim.low or claim.high) else []
        return claims

    def _used(self, cell: Cell) -> Iterable[tuple[Place, Used]]:
        """What was found for the places of a cell and counts in it."""
        models = [cell.model] if cell.kind != SEARCH else sorted(self._models.get((cell.day, cell.workspace), ()))
        batches = (cell.batch,) if cell.kind != SEARCH else (False, True)
        for model in models:
            for batch in batches:
                for place in self._surplus.at(cell.day, cell.workspace, model, batch=batch):
                    for used in self._surplus.found.get(place, ()):
                        if used.counts[_index(cell.kind)]:
                            yield place, used

    def _claim(self, cell: Cell, place: Place, used: Used) -> Claim | None:
        count = used.counts[_index(cell.kind)]
        variants = [used.variant] if used.variant is not None else self._surplus.variants(place)
        rates = self._rates(cell, variants)
        if rates is None:
            return None
        ends = sorted(round(count * rate / PICO_PER_NANO) for rate in rates)
        return Claim(used.cause, ends[0], ends[1], used.evidence)

    def _rates(self, cell: Cell, variants: Sequence[Variant]) -> Range | None:
        """The lowest and highest pico-dollars that a token may cost; by the bill itself where no row has a price."""
        at = noon(cell.day)
        if cell.kind == SEARCH:
            tool = self._prices.tool(SEARCH, at)
            pico = None if tool is None else tool.pico_per_use
            return None if pico is None else (pico * self._prices.factor(SEARCH, None, at),) * 2
        row = self._prices.lookup(cell.model, at)
        if row is None:
            return self._implied(cell)
        bases = [getattr(row.rates, cell.kind)] + ([] if row.over is None else [getattr(row.over.rates, cell.kind)])
        factors = []
        for fast, us in {(variant.fast, variant.us) for variant in variants} or {(False, False)}:
            factor: Fraction | None = self._prices.factor(cell.kind, cell.model, at)
            for name, wanted in (("batch", cell.batch), ("fast", fast), ("us", us)):
                more = getattr(row.multipliers, name) if wanted else ONE
                factor = None if factor is None or more is None else factor * more
            factors += [factor] if factor is not None else []
        if not factors:
            return self._implied(cell)
        return min(bases) * min(factors), max(bases) * max(factors)

    def _implied(self, cell: Cell) -> Range | None:
        """What a token costs on the bill, where the whole cell has one price."""
        billed = self._billed.get(cell, 0)
        return None if not billed else (self._bill.costs.get(cell, Fraction(0)) * PICO_PER_NANO / billed,) * 2

    def _unpriced(self, cell: Cell) -> list[Claim]:
        """What requests cost that the ledger knows and has no price for."""
        if cell.kind == SEARCH:
            keys = [key for key in self._ours.unpriced if key[:2] == (cell.day, cell.workspace)]
        else:
            keys = [key for key in [(cell.day, cell.workspace, cell.model, cell.batch)] if key in self._ours.unpriced]
        claims = []
        for key in keys:
            unknown = self._ours.unpriced[key]
            count = unknown.counts[_index(cell.kind)]
            rates = self._rates(cell, ()) if count else None
            if rates is not None:
                low, high = (round(count * rate / PICO_PER_NANO) for rate in rates)
                evidence = f"{count} {cell.kind} of {key[2]} have no price in the ledger: {unknown.reason}"
                claims.append(Claim(Cause.UNPRICED, low, high, evidence))
        return claims

    # ------------------------------------------------------------ readings and rows

    def _read_tier(self, residual: Residual) -> None:
        """The other reading of the tier of Haiku 5.5, where it makes the figures agree."""
        moved = {cell: nano for cell, nano in self._ours.other_tier.items() if nano}
        certain = [cell for cell in moved if not any(self._claims(cell))]
        agree = [
            cell
            for cell in certain
            if abs(residual.left.get(cell, 0) - moved[cell]) <= residual.tolerance(cell) < abs(moved[cell])
        ]
        if len(agree) >= ENOUGH and len(agree) == len(certain):
            for cell, nano in moved.items():
                residual.explain(Cause.TIER_READING, cell, nano, "the other value of haiku55_tier_on agrees")

    def _find_wrong(self, cells: list[Cell], claims: dict[Cell, list[Claim]], residual: Residual) -> None:
        """Runs of days on which the bill is the ledger times one factor."""
        for tier in ("all", "base", "over"):
            told = [self._split(cell, claims[cell], tier, residual) for cell in cells]
            runs = _runs([each for each in told if each is not None and each.part], residual)
            if not runs:
                continue
            for factor, members in runs:
                if abs(factor - ONE) >= LEAST_CHANGE:
                    self._settle_wrong(factor, members, tier, residual)
            return

    def _split(self, cell: Cell, claims: list[Claim], tier: str, residual: Residual) -> _Cellwise | None:
        """The part of a cell's ledger amount that a rate of the row priced, and what does not depend on it."""
        counted = residual.theirs.get(cell, 0) - residual.left.get(cell, 0)  # the ledger, lag and readings taken off
        dearer = self._ours.dearer.get(cell, 0)
        part = {"all": counted, "base": counted - dearer, "over": dearer}[tier]
        if tier != "all" and (not dearer or claims):
            return None
        unpriced = [claim for claim in claims if claim.cause is Cause.UNPRICED]
        others = [claim for claim in claims if claim.cause is not Cause.UNPRICED]
        fixed = counted - part + sum(claim.low for claim in unpriced)
        return _Cellwise(cell, fixed, part, (sum(c.low for c in others), sum(c.high for c in others)))

    def _settle_wrong(self, factor: Fraction, members: list[_Cellwise], tier: str, residual: Residual) -> None:
        first, moved = members[0].cell, 0
        at = noon(first.day)
        row = self._prices.lookup(first.model, at)
        name = first.kind if first.kind == SEARCH else "no row" if row is None else row.name
        evidence = f"tokens agree and money is {float(factor):.4g} times the ledger's: {name}, {first.kind} ({tier})"
        for member in members:
            nano = round(member.part * (factor - ONE))
            residual.explain(Cause.PRICE_ROW, member.cell, nano, evidence)
            self._factors[member.cell] = factor
            moved += nano
        days = [member.cell.day for member in members]
        self.wrong.append(
            WrongPrice(name, first.model, first.kind, tier, factor, min(days), max(days), len(members), moved)
        )


def noon(day: str) -> datetime:
    """A moment of a day (UTC) by which its prices are found."""
    return datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)


def _runs(told: Sequence[_Cellwise], residual: Residual) -> list[tuple[Fraction, list[_Cellwise]]]:
    """Cells one behind the other that show one factor other than 1; those that allow 1 as well are taken along."""
    runs: list[tuple[Fraction, list[_Cellwise]]] = []
    shared: Range | None = None
    members: list[_Cellwise] = []
    between: list[_Cellwise] = []
    showing: set[str] = set()
    for each in sorted(told, key=lambda one: one.cell):
        found = _range(each, residual)
        if found is None:
            continue
        both = None if shared is None else (max(shared[0], found[0]), min(shared[1], found[1]))
        fits = both is not None and both[0] <= both[1]
        if found[0] <= ONE <= found[1] and (fits or shared is None):
            between += [each] if fits else []
            continue
        if fits:
            shared, members, between = both, [*members, *between, each], []
            showing.add(each.cell.day)
            continue
        if shared is not None and len(showing) >= ENOUGH:
            runs.append((_simplest(shared), members))
        allows_one = found[0] <= ONE <= found[1]
        shared, members, between = (None, [], []) if allows_one else (found, [each], [])
        showing = set() if allows_one else {each.cell.day}
    if shared is not None and len(showing) >= ENOUGH:
        runs.append((_simplest(shared), members))
    return runs


def _range(each: _Cellwise, residual: Residual) -> Range | None:
    """The factors that a cell allows: its amount less what is fixed, by what the row priced."""
    off = residual.tolerance(each.cell)
    money = residual.theirs.get(each.cell, 0) - each.fixed
    ends = [each.part + extra for extra in each.extra]
    if min(ends) <= 0 or money <= off:
        return None
    return Fraction(money - off, max(ends)), Fraction(money + off, min(ends))


def _simplest(shared: Range) -> Fraction:
    """The plainest fraction in a range: a price is a number that somebody wrote down."""
    low, high = shared
    below = 1
    while below <= 10**12:
        above = -(-low.numerator * below // low.denominator)
        if Fraction(above, below) <= high:
            return Fraction(above, below)
        below = below + 1 if below < 1_000 else below * 10
    return (low + high) / 2


def _index(kind: str) -> int:
    return 5 if kind == SEARCH else TokenClasses.__struct_fields__.index(kind)
