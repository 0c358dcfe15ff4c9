"""A closed month: its figures as they were then, and a seal over every entry that they are the sum of.

    what is known now = what was closed + what came since

Nothing in a closing changes. What comes later is a correction, which is an entry of its own, or a request that was
settled late: both are told as the difference between the sums of now and those of then. The seal is a digest over what
of each entry is money or says whose it is, in the order of the ledger, and not over how a version writes entries down,
so that it can be checked by versions to come. Which entries it covers is kept as a mark of 8 bytes for each.

Two things may be done to closed entries, both openly and neither to an amount: a name is taken out of them
(`planner.core.reports.forgetting`), which makes another seal that the closing tells beside the first, and after their
time they go as a whole (`planner.core.reports.pruning`).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import (
    Amounts,
    DecisionKey,
    DecisionModelKey,
    K,
    Key,
    Rollup,
    ShadowKey,
    ShadowModelKey,
    TagKey,
    add,
    cost_nano,
    is_notional,
    list_nano,
    merged,
    rollup,
)
from planner.core.reports.figures import Money, money, total
from planner.core.reports.holdout import HoldOut, Measured

MARK: Final = 8
"""Bytes of SHA-256 that stand for an entry: of ten million entries two share theirs once in 370,000 months."""

SEALED: Final = b"planner closing 1\n"
"""Which form of an entry is sealed; another form has another beginning."""

_DAY: Final = len("2026-11-22")
_REST_OF_DAY: Final = "T00:00:00.000000+00:00"


class Renamed(msgspec.Struct, frozen=True, kw_only=True):
    """A name was taken out of closed entries: when (RFC 3339 UTC), out of how many, and the seals before and after.

    Both were made of the entries themselves in one reading, so that the second seal rests on the first.
    """

    at: str
    entries: int
    before: str
    after: str


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a month (`2026-11`) when it is closed. `open` requests were not settled yet; they are no entry.

    `requests`, `tags`, `decisions` and `shadows` are the sums by day, `holdouts` what hold-outs had shown; `marks` are
    those of its entries, sorted. `renamed` are the names that were taken out since, the first one first.
    `decision_models` and `shadow_models` are the sums by decision and shadow by model as well; versions before kept
    none.
    """

    month: str
    closed_at: str
    version: str
    entries: int
    corrections: int
    open: int
    digest: str
    cost: Money
    listed: Money
    requests: tuple[tuple[Key, Amounts], ...]
    tags: tuple[tuple[TagKey, Amounts], ...]
    decisions: tuple[tuple[DecisionKey, Amounts], ...]
    shadows: tuple[tuple[ShadowKey, Amounts], ...]
    holdouts: tuple[Measured, ...]
    marks: bytes
    renamed: tuple[Renamed, ...] = ()
    decision_models: tuple[tuple[DecisionModelKey, Amounts], ...] = ()
    shadow_models: tuple[tuple[ShadowModelKey, Amounts], ...] = ()

    @property
    def seal(self) -> str | None:
        """The seal that the entries have by now; None where they had another one when a name was taken out of them."""
        seal = self.digest
        for each in self.renamed:
            if each.before != seal:
                return None
            seal = each.after
        return seal

    def sums(self) -> Rollup:
        """The frozen figures."""
        return Rollup(
            requests=dict(self.requests),
            tags=dict(self.tags),
            decisions=dict(self.decisions),
            shadows=dict(self.shadows),
            decision_models=dict(self.decision_models),
            shadow_models=dict(self.shadow_models),
        )


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a second look at a closed month finds.

    Attributes:
        month, closed_at, version: of the closing.
        entries: that were closed.
        missing: of them, those that are in the ledger no more.
        later: entries of the month that came since.
        digest, found: the seal, and that over the closed entries as they are now.
        cost, found_cost: the frozen cost, and that of the closed entries as they are now.
        same: whether nothing of what was closed has changed.
        nameless: entries that a name was taken out of since; `digest` is the seal that they have without it.
        pruned_at: when the entries were pruned, RFC 3339 UTC. Then `found` is the seal that was found before they went,
            and `found_cost` and `same` are by the hourly sums, which stay.
    """

    month: str
    closed_at: str
    version: str
    entries: int
    missing: int
    later: int
    digest: str
    found: str
    cost: Money
    found_cost: Money
    same: bool
    nameless: int = 0
    pruned_at: str | None = None


class Marks:
    """Sorted marks, looked up as a sequence."""

    def __init__(self, marks: bytes) -> None:
        self._marks = marks

    def __len__(self) -> int:
        return len(self._marks) // MARK

    def __getitem__(self, index: int) -> bytes:
        return self._marks[index * MARK : (index + 1) * MARK]

    def __contains__(self, mark: object) -> bool:
        if not isinstance(mark, bytes):
            return False
        index = bisect_left(self, mark)
        return index < len(self) and self[index] == mark


class Seal:
    """Watches entries pass, in the order of the ledger."""

    def __init__(self) -> None:
        self._digest = sha256(SEALED)
        self._marks: list[bytes] = []
        self.entries, self.corrections = 0, 0
        self.open: list[str] = []
        self.holdout = HoldOut()

    def over(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries; those that are not settled are noted, and not sealed."""
        for entry in entries:
            self.add(entry)
            yield entry

    def add(self, entry: Entry) -> None:
        """Seal one entry; one that is not settled is noted."""
        if entry.outcome == "unknown":
            self.open.append(entry.request_id)
            return
        self._digest.update(sealed(entry))
        self._marks.append(mark(entry))
        self.entries += 1
        self.corrections += entry.corrects is not None
        held_out(self.holdout, entry)

    @property
    def digest(self) -> str:
        """SHA-256 over all of them, in hex."""
        return self._digest.hexdigest()

    @property
    def marks(self) -> bytes:
        """Their marks, sorted."""
        return b"".join(sorted(self._marks))


def close(month: str, sums: Rollup, seal: Seal, *, closed_at: datetime, version: str) -> Closing:
    """The closing of a month of which all entries have passed a seal, and `sums` are the sums."""
    days, whole = by_day(sums), total(sums.requests.values())
    return Closing(
        month=month,
        closed_at=closed_at.astimezone(UTC).isoformat(timespec="microseconds"),
        version=version,
        entries=seal.entries,
        corrections=seal.corrections,
        open=len(seal.open),
        digest=seal.digest,
        cost=money(cost_nano(whole)),
        listed=money(list_nano(whole)),
        requests=tuple(sorted(days.requests.items())),
        tags=tuple(sorted(days.tags.items())),
        decisions=tuple(sorted(days.decisions.items())),
        shadows=tuple(sorted(days.shadows.items())),
        holdouts=seal.holdout.measured(),
        marks=seal.marks,
        decision_models=tuple(sorted(days.decision_models.items())),
        shadow_models=tuple(sorted(days.shadow_models.items())),
    )


def verify(closing: Closing, entries: Iterable[Entry]) -> Verified:
    """Hold a closing against the entries of its month as they are now, in the order of the ledger."""
    marks, seal, later = Marks(closing.marks), Seal(), 0

    def closed() -> Iterator[Entry]:
        nonlocal later
        for entry in entries:
            if entry.outcome != "unknown":
                if mark(entry) in marks:
                    yield entry
                else:
                    later += 1

    cost = cost_nano(total(rollup(seal.over(closed())).requests.values()))
    frozen = cost_nano(total(amounts for _, amounts in closing.requests))
    same = seal.digest == closing.seal and cost == frozen == closing.cost.nano and seal.entries == closing.entries
    return Verified(
        month=closing.month,
        closed_at=closing.closed_at,
        version=closing.version,
        entries=closing.entries,
        missing=closing.entries - seal.entries,
        later=later,
        digest=closing.seal or closing.digest,
        found=seal.digest,
        cost=closing.cost,
        found_cost=money(cost),
        same=same,
        nameless=sum(each.entries for each in closing.renamed),
    )


def since_closing(closing: Closing, now: Rollup) -> Rollup:
    """What came to a month after it was closed: the sums of now less those of then, by day."""
    days, then = by_day(now), closing.sums()
    came = Rollup.made(lambda kind: _less(days.of(kind), then.of(kind)))
    if (then.decisions and not then.decision_models) or (then.shadows and not then.shadow_models):
        return msgspec.structs.replace(came, decision_models={}, shadow_models={})  # closed before models were told
    return came


def held_out(holdout: HoldOut, entry: Entry) -> None:
    """Count an entry for what a hold-out measures: one that is billed by the token and was planned.

    Corrections are left out: container time that the bill knows better is no longer of the arm's choosing.
    """
    if entry.prefix is not None and entry.corrects is None and not is_notional(entry):
        holdout.add(entry.decisions, entry.prefix, entry.at[:_DAY], entry.cost_nano)


def by_day(sums: Rollup) -> Rollup:
    """The same sums by day: `hour` is the first hour of each."""
    return Rollup.made(lambda kind: _days(sums.of(kind)))


def sealed(entry: Entry) -> bytes:
    """A settled entry as it is sealed: whose it is, what it cost, and what it amends; one line of JSON."""
    lines = [[line.kind, str(line.quantity), line.unit, line.nano, line.listed, line.basis] for line in entry.lines]
    whose = [
        entry.principal,
        entry.organization,
        entry.workspace,
        entry.team,
        entry.project,
        sorted(entry.tags.items()),
    ]
    what = [entry.endpoint, entry.served_model or entry.model, entry.outcome, entry.unpriced]
    amounts = [entry.cost_nano, entry.list_nano, entry.untouched_nano, lines]
    amends = [entry.corrects, entry.corrected_at]
    return msgspec.json.encode([entry.request_id, entry.at, whose, what, amounts, amends]) + b"\n"


def mark(entry: Entry) -> bytes:
    """What stands for an entry."""
    return sha256(entry.request_id.encode()).digest()[:MARK]


def _days(cells: dict[K, Amounts]) -> dict[K, Amounts]:
    found: dict[K, Amounts] = {}
    for key, amounts in cells.items():
        add(found.setdefault(key._replace(hour=key.hour[:_DAY] + _REST_OF_DAY), {}), amounts)
    return {key: amounts for key, amounts in found.items() if amounts}


def _less(now: dict[K, Amounts], then: dict[K, Amounts]) -> dict[K, Amounts]:
    owed = {key: {name: -amount for name, amount in amounts.items()} for key, amounts in then.items()}
    return {key: amounts for key, amounts in merged(now, owed).items() if amounts}
