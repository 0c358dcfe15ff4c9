"""What the month comes to: ledger and bill side by side, by workspace, day and kind, and why they differ where they do.

    bill = ledger + what each cause explains, to the nano-dollar, in every cell

A request that was answered whole and has a price can differ in its container time alone. Whatever else there were would
stand under `UNEXPLAINED`, which is empty.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

from planner.core.ledger.entry import Entry
from planner.core.pricing.prices import CODE, CREDIT

LOST: Final = "end-not-seen"
CUT: Final = "cut-stream"
UNPRICED: Final = "no-price"
ESTIMATED: Final = "container-estimate"
FREE_HOURS: Final = "free-hours"
ROUNDED: Final = "rounding"
UNEXPLAINED: Final = "unexplained"

CAUSES: Final[Mapping[str, str]] = {
    LOST: "requests whose end the planner did not see: the API billed them, the ledger does not know their cost",
    CUT: "streams that the caller cut: how much was written, and that a container was started, is estimated",
    UNPRICED: "models that the planner's prices do not know: their cost is unknown, not 0",
    ESTIMATED: "container time of answers that did not stream: how long code ran is estimated",
    FREE_HOURS: "container time at the moment at which the free hours run out, which the estimates before it move",
    ROUNDED: "container time of sessions, which is rounded a session here and a request there",
    UNEXPLAINED: "nobody knows",
}
"""Why the bill may be another than the ledger."""

K = TypeVar("K")

SMALLEST: Final = 2
"""Nano-dollars by which two roundings of one request may differ."""


class Key(NamedTuple):
    """A cell: an organization's workspace, a day (UTC, ISO 8601), and a kind of line.

    The credit for free hours stands with `code_execution`, of which it takes back a part.
    """

    organization: str
    workspace: str
    day: str
    kind: str


class Account:
    """Adds up a month; it grows with workspaces and days, not with requests. Amounts are nano-dollars."""

    def __init__(self) -> None:
        self.ledger: dict[Key, int] = {}
        self.bill: dict[Key, int] = {}
        self.causes: dict[str, dict[Key, int]] = {}
        self.teams: dict[str, int] = {}
        self.outcomes: dict[str, int] = {}
        self.entries = 0
        self.corrections = 0

    def add(self, entries: Iterable[Entry], billed: Mapping[str, int], hours_ms: int, cause: str | None) -> None:
        """Add a request: its entries and what it is billed by kind.

        `hours_ms` is the container time on the bill; `cause` says why its amounts may differ, None for no reason.
        """
        written: dict[str, int] = {}
        counted, place = 0, None
        for entry in entries:
            self._count(entry)
            place = entry
            counted += 0 if entry.code is None else entry.code.hours_ms
            for kind, nano in amounts(entry).items():
                written[kind] = written.get(kind, 0) + nano
        if place is None:
            return
        for kind in written.keys() | billed.keys():
            key = Key(place.organization or "", place.workspace or "", place.at[:10], kind)
            ours, theirs = written.get(kind, 0), billed.get(kind, 0)
            _put(self.ledger, key, ours)
            _put(self.bill, key, theirs)
            if theirs != ours:
                why = cause or _cause(kind, theirs - ours, moved=counted != hours_ms)
                _put(self.causes.setdefault(why, {}), key, theirs - ours)

    def explained(self, cause: str) -> int:
        """How much more the bill has by one cause."""
        return sum(self.causes.get(cause, {}).values())

    def unbalanced(self) -> list[Key]:
        """Cells in which bill and ledger differ by something else than the causes say: none, or the month is wrong."""
        why: dict[Key, int] = {}
        for cause, cells in self.causes.items():
            if cause != UNEXPLAINED:
                for key, nano in cells.items():
                    _put(why, key, nano)
        keys = sorted(self.bill.keys() | self.ledger.keys())
        return [key for key in keys if self.bill.get(key, 0) != self.ledger.get(key, 0) + why.get(key, 0)]

    def _count(self, entry: Entry) -> None:
        self.entries += entry.corrects is None
        self.corrections += entry.corrects is not None
        if entry.corrects is None:
            self.outcomes[entry.outcome] = self.outcomes.get(entry.outcome, 0) + 1
        if (nano := sum(amounts(entry).values())) or entry.team:
            _put(self.teams, entry.team or "", nano)


def amounts(entry: Entry) -> dict[str, int]:
    """What an entry costs by kind; what a subscription pays costs nothing."""
    found: dict[str, int] = {}
    for line in entry.lines:
        if line.basis != "notional":
            kind = CODE if line.kind == CREDIT else line.kind
            found[kind] = found.get(kind, 0) + line.nano
    return found


def _put(cells: dict[K, int], key: K, nano: int) -> None:
    cells[key] = cells.get(key, 0) + nano


def _cause(kind: str, difference: int, *, moved: bool) -> str:
    if kind != CODE:
        return UNEXPLAINED
    if moved:
        return ESTIMATED
    return ROUNDED if abs(difference) <= SMALLEST else FREE_HOURS
