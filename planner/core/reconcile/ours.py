"""What the ledger says of a month, kept so that it can be held against the bill: amounts, tokens, container time.

It grows with days, workspaces, principals and models, and by one small record for each request that used a container.
Subscription traffic is on no bill and is left out.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.metering.counts import UsageError
from planner.core.metering.usage import Metered, meter
from planner.core.pricing.lines import HAIKU_55, usage_lines
from planner.core.pricing.prices import CODE as CODE_LINE
from planner.core.pricing.prices import CREDIT, Line, PriceBook, Unpriced
from planner.core.reasons import Action, Outcome, Reason
from planner.core.reconcile.batches import Batches, Passage
from planner.core.reconcile.cells import CODE, NOTHING, SEARCH, TOKENS, Cell, Counts, counts_of, plus, searched

NEWER_WEB: Final = "20260209"
"""The version from which on a web tool frees code [A]:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool, checked 2026-11-22."""


K = TypeVar("K")


class Group(NamedTuple):
    """Requests whose tokens are counted together."""

    day: str
    workspace: str
    principal: str
    model: str
    tier: str


class Use(NamedTuple):
    """One request that used a container, or may have; times are milliseconds and moments seconds since 1970.

    Attributes:
        at, until: when it arrived, and when it ended.
        day, workspace, request_id: which request.
        hours_ms, credited_ms: what the ledger counts, and how much of it free hours give back.
        likely_ms, high_ms: how long code ran.
        container: digest of its id.
        runs: code runs it tells of.
        charge: how the ledger bills it; `none` where nothing ran and only Skills or files were loaded.
        direct, deferred: whether what frees it are web tools with direct callers only, or deferred.
        history: whether it is billed, if at all, only for files of earlier messages.
        skills: whether it names Skills.
    """

    at: float
    until: float
    day: str
    workspace: str
    request_id: str
    hours_ms: int
    credited_ms: int
    likely_ms: int
    high_ms: int
    container: str
    runs: int
    charge: str
    direct: bool = False
    deferred: bool = False
    history: bool = False
    skills: bool = False


class Unknown(msgspec.Struct):
    """Tokens that the ledger knows and cannot price, and why."""

    counts: Counts = NOTHING
    reason: str = ""


class Ours:
    """The ledger of one organization and month, as far as it concerns the bill.

    `organization` None takes every entry. What arrived after `known_until` (aware) is in the amounts as well, and once
    more under `lag`. `per_iteration` is how the tier of Haiku 5.5 is read by the rules in force.
    """

    def __init__(
        self, month: str, prices: PriceBook, known_until: datetime, *, organization: str | None, per_iteration: bool
    ) -> None:
        self.month = month
        self._known = known_until.isoformat(timespec="microseconds")
        self.batches = Batches(month, self._known)
        self._prices = prices
        self._organization = organization
        self._per_iteration = per_iteration
        self.nano: dict[Cell, int] = {}
        self.lines: dict[Cell, int] = {}
        self.dearer: dict[Cell, int] = {}
        self.other_tier: dict[Cell, int] = {}
        self.corrected: dict[Cell, int] = {}
        self.lag: dict[Cell, int] = {}
        self.tokens: dict[Group, Counts] = {}
        self.unpriced: dict[tuple[str, str, str, bool], Unknown] = {}
        self.open: dict[tuple[str, str], int] = {}
        self.cut: dict[tuple[str, str, str], int] = {}
        self.largest: Counts = NOTHING
        self.longest_ms = 0
        self.runs: dict[tuple[str, str, str], int] = {}
        self.uses: list[Use] = []
        self.shifted: dict[Cell, int] = {}
        self._corrections: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self.requests = 0

    def add(self, entry: Entry) -> None:
        """Take in one entry; another organization's and subscription traffic are passed over.

        So is another month's, but for what it tells of batches.
        """
        if is_notional(entry) or (
            self._organization is not None and entry.organization not in (self._organization, None)
        ):
            return
        self.batches.add(entry)
        if not entry.at.startswith(self.month):
            return
        day, workspace = entry.at[:10], entry.workspace or ""
        if entry.corrects is not None:
            for line in entry.lines:
                self._put(self._corrections, entry.corrects, line.nano)
                self._put(self.corrected, Cell(day, workspace, CODE), line.nano)
                self._put(self.nano, Cell(day, workspace, CODE), line.nano)
            self._correct_use(entry)
            return
        self.requests += 1
        if entry.outcome == "unknown":
            if entry.at < self._known:
                self._put(self.open, (day, workspace), 1)
            return
        model, batch = entry.served_model or entry.model or "", entry.batch is not None
        metered = _metered(entry)
        late = entry.at >= self._known
        tier = "batch" if batch else _tier(metered)
        self._add_lines(entry, day, workspace, metered, late=late)
        if not late:
            self._add_tokens(entry, Group(day, workspace, entry.principal, model, tier), metered)
        self._add_use(entry, day, workspace, late=late)

    def _add_lines(self, entry: Entry, day: str, workspace: str, metered: Metered | None, *, late: bool) -> None:
        batch = entry.batch is not None
        for line, model in self._named(entry, metered):
            cell = cell_of(line, day, workspace, model, batch=batch)
            self._put(self.nano, cell, line.nano)
            self._put(self.lines, cell, 1)
            if late:
                self._put(self.lag, cell, line.nano)
            elif cell.kind in TOKENS and self._is_dearer(line, model, entry.at):
                self._put(self.dearer, cell, line.nano)
        exact = all(line.basis == "measured" for line in entry.lines if line.kind in TOKENS)
        if metered is not None and not late and entry.lines and exact and not batch:
            self._other_tier(entry, metered, day, workspace)

    def _named(self, entry: Entry, metered: Metered | None) -> Iterable[tuple[Line, str]]:
        """Every line with the model that it bills: that of advisors and fallbacks is in the usage alone."""
        own = entry.served_model or entry.model or ""
        theirs: dict[Line, list[str]] = {}
        for extra in () if metered is None else metered.extras:
            at = datetime.fromisoformat(entry.at)
            model = extra.model or own
            parts = tuple((part, part.prompt) for part in extra.each) or ((extra.classes, extra.classes.prompt),)
            priced = self._prices.tier_lines(model, at, parts, metered.modifiers) if metered is not None else ()
            for line in () if isinstance(priced, Unpriced) else priced:
                theirs.setdefault(line, []).append(model)
        named = []
        for line in reversed(entry.lines):  # extras come behind the response's own
            found = theirs.get(msgspec.structs.replace(line, basis="measured"))
            named.append((line, found.pop() if found else ((metered and metered.model) or own)))
        return reversed(named)

    def _is_dearer(self, line: Line, model: str, at: str) -> bool:
        """Whether a line of tokens was priced in the tier of long prompts."""
        row = self._prices.lookup(model, datetime.fromisoformat(at))
        if row is None or row.over is None:
            return False
        base, over = getattr(row.rates, line.kind), getattr(row.over.rates, line.kind)
        return bool(line.listed * 2_000 > int(line.quantity) * (base + over))

    def _other_tier(self, entry: Entry, metered: Metered, day: str, workspace: str) -> None:
        """What the tokens of Haiku 5.5 would cost were its tier read the other way, less what they cost."""
        model = entry.served_model or entry.model or ""
        if not model.startswith(HAIKU_55):
            return
        at = datetime.fromisoformat(entry.at)
        runs = 0 if entry.code is None else entry.code.runs
        both = [
            usage_lines(metered, model, at, self._prices, runs=runs, per_iteration=reading)
            for reading in (self._per_iteration, not self._per_iteration)
        ]
        for sign, lines in zip((-1, 1), both, strict=True):
            for line in () if isinstance(lines, Unpriced) else lines:
                if line.kind in TOKENS:
                    self._put(self.other_tier, Cell(day, workspace, line.kind, model), sign * line.nano)

    def _add_tokens(self, entry: Entry, group: Group, metered: Metered | None) -> None:
        if entry.tokens is None:
            return
        shares = [(group.model, counts_of(entry.tokens, 0 if metered is None else metered.web_searches))]
        if entry.batch is not None:
            shares = [(group.model, counts_of(entry.tokens, _searches(entry)))]
        elif metered is not None:
            shares = [(metered.model or group.model, counts_of(entry.tokens, _searches(entry) or metered.web_searches))]
            shares += [(extra.model or group.model, counts_of(extra.classes)) for extra in metered.extras]
        for model, counts in shares:
            place = group._replace(model=model)
            self.tokens[place] = plus(self.tokens.get(place, NOTHING), counts)
            self.largest = tuple(map(max, self.largest, counts))  # type: ignore[assignment]  # as many as there were
            if entry.unpriced is not None:
                key = (group.day, group.workspace, model, group.tier == "batch")
                found = self.unpriced.setdefault(key, Unknown(reason=entry.unpriced))
                priority = group.tier == "priority"  # whose tokens are on no bill
                found.counts = plus(found.counts, searched(counts) if priority else counts)
        estimated = any(line.basis == "estimated" and line.kind in TOKENS for line in entry.lines)
        if estimated and entry.batch is None:  # of a batch the price is estimated, and not how much there was
            self._put(self.cut, (group.day, group.workspace, group.model), entry.tokens.output)

    def _add_use(self, entry: Entry, day: str, workspace: str, *, late: bool) -> None:
        code, shape = entry.code, entry.shape
        skills = 0 if shape is None else shape.skills
        history = self._is_history(entry)
        if late or (code is None and not skills and not history):
            return
        at = datetime.fromisoformat(entry.at).timestamp()
        credited = sum(line.milliseconds for line in entry.lines if line.kind == CREDIT)
        likely, high = (0, 0) if code is None else (round(code.seconds.likely * 1000), round(code.seconds.high * 1000))
        runs = 0 if code is None else code.runs
        charge = "none" if code is None else "unmetered" if entry.unpriced is not None else code.charge
        self.longest_ms = max(self.longest_ms, high)
        if charge not in {"free", "none"}:
            self._put(self.runs, (day, workspace, entry.principal), max(runs, 1))
        direct, deferred = _web(entry)
        self.uses.append(
            Use(
                at,
                at + (0.0 if entry.latency is None else entry.latency.total),
                day,
                workspace,
                entry.request_id,
                0 if code is None else code.hours_ms,
                credited,
                likely,
                high,
                entry.container or entry.request_id,
                runs,
                charge,
                direct,
                deferred,
                history=history,
                skills=skills > 0,
            )
        )

    def _is_history(self, entry: Entry) -> bool:
        """Whether no code ran and all files of a request are those of earlier messages.

        An answer that it goes on from tells how many there were before, where the ledger has it with files.
        """
        shape = entry.shape
        if shape is None or not shape.files:
            return False
        if shape.message is not None:
            self._files[shape.message] = shape.files
        before = None if shape.after is None else self._files.get(shape.after)
        fresh = before is not None and shape.files > before
        return not shape.begins and not fresh and (entry.code is None or entry.code.runs == 0)

    def _correct_use(self, entry: Entry) -> None:
        """A correction moves the container time of its own day, as a use that took no time of its own."""
        code = entry.code
        moved = 0 if code is None else code.hours_ms
        credited = sum(line.milliseconds for line in entry.lines if line.kind == CREDIT)
        at = datetime.fromisoformat(entry.at).timestamp()
        amended = entry.corrects or ""
        self.uses.append(
            Use(at, at, entry.at[:10], entry.workspace or "", amended, moved, credited, 0, 0, "", 0, "corrected")
        )

    def redate(self, fetched: Mapping[str, tuple[Passage, str]]) -> list[tuple[str, Cell, int]]:
        """Count container time of results, by the request that fetched them, on days on which they were billed.

        Return what they are in the cells of their fetch, corrections included; none of it is late. `shifted` is the
        container time that stands in other cells because of it.
        """
        told: list[tuple[str, Cell, int]] = []
        for request_id, (passage, day) in fetched.items():
            code = Cell(passage.day, passage.workspace, CODE)
            amounts = {code: self._corrections.get(request_id, 0)}
            for line in passage.lines:
                cell = cell_of(line, code.day, code.workspace, passage.model, batch=True)
                self._put(amounts, cell, line.nano)
                if passage.here and passage.late:
                    self._put(self.lag, cell, -line.nano)
            told += [(request_id, cell, nano) for cell, nano in amounts.items()]
            self._put(self.shifted, code, -amounts[code])
            self._put(self.shifted, code._replace(day=day), amounts[code])
        self.uses = [
            self._moved(use, *fetched[use.request_id]) if use.request_id in fetched else use for use in self.uses
        ]
        return told

    def _moved(self, use: Use, passage: Passage, day: str) -> Use:
        if use.charge not in {"free", "none", "corrected"}:
            for at, runs in ((use.day, -max(use.runs, 1)), (day, max(use.runs, 1))):
                self._put(self.runs, (at, use.workspace, passage.principal), runs)
        return use._replace(day=day)

    @staticmethod
    def _put(into: dict[K, int], key: K, amount: int) -> None:
        into[key] = into.get(key, 0) + amount


def cell_of(line: Line, day: str, workspace: str, model: str, *, batch: bool) -> Cell:
    """Where a line stands on the bill: a credit stands with the container time that it takes back."""
    if line.kind in (CODE_LINE, CREDIT):
        return Cell(day, workspace, CODE)
    if line.kind == SEARCH:
        return Cell(day, workspace, SEARCH)
    return Cell(day, workspace, line.kind, model, batch)


def is_notional(entry: Entry) -> bool:
    """Whether an entry is not billed by the token: its lines say so, or what was decided where it has none."""
    return any(line.basis == "notional" for line in entry.lines) or any(
        decision.reason is Reason.SUBSCRIPTION for decision in entry.decisions
    )


def _metered(entry: Entry) -> Metered | None:
    """The usage of an entry read anew; None where it has none that can be read."""
    if entry.batch is not None or bytes(entry.usage) == b"null":
        return None
    try:
        return meter(bytes(entry.usage))
    except UsageError:
        return None


def _tier(metered: Metered | None) -> str:
    if metered is None:
        return "standard"
    return "priority" if metered.modifiers.priority else "batch" if metered.modifiers.batch else "standard"


def _searches(entry: Entry) -> int:
    return sum(int(line.quantity) for line in entry.lines if line.kind == SEARCH)


def _web(entry: Entry) -> tuple[bool, bool]:
    """Whether the web tools that free the code of a request have direct callers alone, and whether all are deferred."""
    shape = entry.shape
    if shape is None:
        return False, False
    newer = [tool for tool in shape.tools if tool.type.startswith("web_") and tool.type[-8:] >= NEWER_WEB]
    basic = any(tool.type.startswith("web_") and tool.type[-8:] < NEWER_WEB for tool in shape.tools)
    bundled = any(
        decision.action is Action.BUNDLE and decision.outcome in {Outcome.APPLIED, Outcome.KEPT}
        for decision in entry.decisions
    )
    upgraded = bundled and basic and not newer
    direct = upgraded or (bool(newer) and all(tool.callers == ("direct",) for tool in newer))
    return direct, bool(newer) and all(tool.deferred for tool in newer)
