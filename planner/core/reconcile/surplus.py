"""Tokens and searches that one side has and the other has not, by who used them; no money yet.

The usage report knows API keys and the ledger knows principals. Which key belongs to which principal, `callers.yaml`
may say (`api_keys`); the others of a workspace are counted together.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from planner.core.reconcile.batches import MOST_TOKENS, Made, Passage, said
from planner.core.reconcile.cells import (
    NOTHING,
    Cause,
    Counts,
    clipped,
    covers,
    minus,
    negative,
    plus,
    searched,
    shared,
    total,
)
from planner.core.reconcile.ours import Group, Ours
from planner.core.reconcile.theirs import Bill, Variant

OUTPUT: Final = 4
"""Where output tokens stand in counts."""

CUT_LEAST: Final = 256
"""Output tokens by which the estimate of a cut stream may always be off; beyond them, by as much as it is."""


class Place(NamedTuple):
    """Where tokens are compared: `owner` is a principal whose keys are declared, empty for all others together."""

    day: str
    workspace: str
    model: str
    batch: bool
    owner: str


class Used(NamedTuple):
    """Tokens that explain something, as they were served where that is known; None for the place's usual way."""

    cause: Cause
    counts: Counts
    variant: Variant | None
    evidence: str


class Surplus:
    """Bill less ledger, in tokens, and the causes that were found for it.

    Attributes:
        found: what explains the difference of a place.
        rest: what nothing explains there.
        foreign: keys of which the ledger has seen nothing, with their workspace.
        past: days and workspaces on which batches explain a surplus, with how many requests, and the evidence.
        fetched: results that the bill has on another day, or in other rows, with that day and the evidence.
        batching: keys, with their workspace, that the ledger has seen nothing of but such batches.
    """

    def __init__(self, ours: Ours, bill: Bill, owners: Mapping[str, str]) -> None:
        self._ours = ours
        self._days = bill.usage_days
        self._owners = owners
        self._declared = set(owners.values())
        self._keys: dict[Place, dict[str, list[tuple[Variant, Counts]]]] = {}
        self.found: dict[Place, list[Used]] = {}
        self.rest: dict[Place, Counts] = {}
        self.foreign: set[tuple[str, str]] = set()
        self.past: dict[tuple[str, str], tuple[int, str]] = {}
        self.batching: set[tuple[str, str]] = set()
        self.fetched: list[tuple[Passage, str, str]] = []
        self._made = ours.batches.made()
        priority = self._count(bill)
        self._models = _models(self.rest)
        self._find_priority(priority)
        self._find_fetched()
        self._find_moved()
        missing = self._missing()
        self._find_foreign(missing.keys())
        self._find_past(missing)
        self._find_others()

    def at(self, day: str, workspace: str, model: str, *, batch: bool) -> Iterable[Place]:
        """The places of a day, workspace and model."""
        for owner in ("", *sorted(self._declared)):
            place = Place(day, workspace, model, batch, owner)
            if place in self.rest:
                yield place

    def variants(self, place: Place) -> list[Variant]:
        """How tokens were served at a place."""
        return [variant for served in self._keys.get(place, {}).values() for variant, _ in served]

    def _count(self, bill: Bill) -> dict[Place, Counts]:
        """Both sides; tokens of the priority tier stand apart, for they are in no cost report."""
        priority: dict[Place, Counts] = {}
        for variant, counts in bill.usage.items():
            owner = self._owners.get(variant.key, "")
            place = Place(variant.day, variant.workspace, variant.model, variant.tier == "batch", owner)
            if variant.tier == "priority":
                priority[place] = plus(priority.get(place, NOTHING), counts)
                counts = searched(counts)  # noqa: PLW2901 - tokens of that tier are on no report, its searches are
            self._keys.setdefault(place, {}).setdefault(variant.key, []).append((variant, counts))
            self.rest[place] = plus(self.rest.get(place, NOTHING), counts)
        for group, counts in self._ours.tokens.items():
            place = _place(group, self._declared)
            if place.day not in self._days:
                self.rest.pop(place, None)  # a day without a usage report says nothing of tokens
                continue
            if group.tier == "priority":
                priority[place] = minus(priority.get(place, NOTHING), counts)
                counts = searched(counts)  # noqa: PLW2901 - likewise
            self.rest[place] = minus(self.rest.get(place, NOTHING), counts)
        return priority

    def _take(self, place: Place, used: Used) -> None:
        self.found.setdefault(place, []).append(used)
        self.rest[place] = minus(self.rest.get(place, NOTHING), used.counts)

    def _find_priority(self, priority: Mapping[Place, Counts]) -> None:
        """Requests that the ledger priced as usual and the API served in the priority tier."""
        for place, more in priority.items():
            lacking = minus(NOTHING, self.rest.get(place, NOTHING))
            common = minus(shared(more, lacking), searched(shared(more, lacking)))
            if any(common):
                evidence = (
                    f"{sum(common[:5])} tokens were served in the priority tier, which the cost report leaves out"
                )
                self._take(place, Used(Cause.PRIORITY_TIER, minus(NOTHING, common), None, evidence))

    def _find_fetched(self) -> None:
        """Results that the bill has elsewhere: of a later day or month, or of several models in one.

        All are taken out of the ledger's days first, and given to days on which the bill has them, the earliest first:
        batches that are fetched the morning after follow each other day by day.
        """
        found = [
            (batch, passage, self._fetched_at(passage))
            for batch in self._made
            for passage in batch.passages
            if passage.day != batch.day or not passage.model
        ]
        found.sort(key=lambda each: (each[0].day, min(each[0].days[1], each[1].day), each[1].day, each[1].request_id))
        for _, passage, place in found:
            if passage.compared and passage.day in self._days:
                self.rest[place] = plus(self.rest.get(place, NOTHING), passage.counts)
        for batch, passage, place in found:
            self._move(batch, passage, place)

    def _fetched_at(self, passage: Passage) -> Place:
        owner = passage.principal if passage.principal in self._declared else ""
        return Place(passage.day, passage.workspace, passage.model, batch=True, owner=owner)

    def _move(self, batch: Made, passage: Passage, fetched: Place) -> None:
        """Take what the days of its batch have of a fetch; what another month has of it is not looked for."""
        known = passage.compared and passage.day in self._days
        evidence = f"results of a batch of {batch.day} were fetched on {passage.day}"
        rest, moved, most, main = passage.counts, NOTHING, 0, ""
        for place in self._billed(batch, fetched):
            here = shared(rest, self.rest[place])
            rest = minus(rest, here)
            if place == fetched:
                self.rest[place] = minus(self.rest[place], here)
            elif any(here):
                self._take(place, Used(Cause.OTHER_DAY, here, None, evidence))
                moved, (most, main) = plus(moved, here), max((most, main), (sum(here), place.day))
        other = [day for day in batch.days if day[:7] != self._ours.month and day <= passage.day]
        if other:
            rest, moved = NOTHING, plus(moved, rest)
        if known:
            self.rest[fetched] = minus(self.rest[fetched], rest)
        if moved == passage.counts and any(moved):
            self.fetched.append((passage, main or other[0], evidence))
        elif known and any(moved):
            self.found.setdefault(fetched, []).append(Used(Cause.OTHER_DAY, minus(NOTHING, moved), None, evidence))

    def _billed(self, batch: Made, fetched: Place) -> Iterator[Place]:
        """Where results can have been billed; they were processed by the day of their fetch."""
        for day in batch.days:
            for model in self._models.get((day, fetched.workspace), ()) if day <= fetched.day else ():
                place = fetched._replace(day=day, model=model)
                named = model == fetched.model if fetched.model else batch.asking(model)
                if named and place in self.rest:
                    yield place

    def _find_moved(self) -> None:
        """Requests that ran over midnight, or results fetched after it: one side lacks what the next day has."""
        for place, counts in sorted(self.rest.items()):
            lacking = minus(NOTHING, negative(counts))
            if not any(lacking[:OUTPUT]):
                continue
            for days in (-1, 1):
                other = place._replace(day=(date.fromisoformat(place.day) + timedelta(days=days)).isoformat())
                if other in self.rest and covers(self.rest[other], lacking):
                    evidence = f"the ledger has {sum(lacking[:5])} tokens on {place.day}, the bill on {other.day}"
                    self._take(place, Used(Cause.OTHER_DAY, minus(NOTHING, lacking), None, evidence))
                    self._take(other, Used(Cause.OTHER_DAY, lacking, None, evidence))
                    break

    def _missing(self) -> dict[Place, list[Made]]:
        """Batches of which results are missing, by the places where these can have been billed."""
        places: dict[tuple[str, str, str], list[Place]] = {}
        for place in self.rest:
            if place.batch:
                places.setdefault((place.day, place.workspace, place.owner), []).append(place)
        found: dict[Place, list[Made]] = {}
        for batch in self._made:
            owner = batch.principal if batch.principal in self._declared else ""
            for day in batch.days if batch.missing else ():
                for place in places.get((day, batch.workspace, owner), ()):
                    if batch.lacking(place.model):
                        found.setdefault(place, []).append(batch)
        return found

    def _find_foreign(self, missing: Collection[Place]) -> None:
        """Keys of which everything is missing in the ledger, on every day and of every model.

        What such a key has where batches are `missing` may be theirs, if it has nothing else or is alone there.
        """
        used: dict[tuple[str, str], list[tuple[Place, Counts]]] = {}
        for place, keys in self._keys.items():
            for key, served in keys.items() if not place.owner else ():
                used.setdefault((place.workspace, key), []).append((place, total(counts for _, counts in served)))
        sizes = {name: sum(sum(counts) for _, counts in places) for name, places in used.items()}
        for name in sorted(used, key=lambda each: (-sizes[each], each)):
            if all(place in missing for place, _ in used[name]):
                if all(self._covered(place, counts) for place, counts in used[name]):
                    self.batching.add(name)
                continue
            alone = {place for place, _ in used[name] if place in missing and len(self._keys[place]) == 1}
            mine = [(place, counts) for place, counts in used[name] if place not in alone]
            if all(self._covered(place, counts) for place, counts in mine):
                self.foreign.add(name)
                for place, _ in mine:
                    for variant, counts in self._keys[place][name[1]]:
                        evidence = f"key {name[1] or '(none)'} is on the bill and in no ledger entry"
                        self._take(place, Used(Cause.BYPASS, counts, variant, evidence))

    def _find_past(self, missing: Mapping[Place, Sequence[Made]]) -> None:
        """Results that did not pass, of batches that did: no more than the requests that are missing can have used."""
        left = {batch.id: batch.missing * MOST_TOKENS for batches in missing.values() for batch in batches}
        for place, batches in sorted(missing.items(), key=lambda each: each[0]):
            for cause in (Cause.UNPRICED, Cause.LOST_ENTRIES, Cause.BATCHES_PAST):
                mine = [batch for batch in batches if batch.cause is cause and left[batch.id]]
                more = clipped(shared(self.rest[place], self.rest[place]), sum(left[batch.id] for batch in mine))
                if not any(more):
                    continue
                requests = sum(batch.lacking(place.model) for batch in mine)
                evidence = said(mine, requests)
                self._take(place, Used(cause, more, None, evidence))
                if cause is Cause.BATCHES_PAST:
                    before = self.past.get((place.day, place.workspace), (0, evidence))
                    self.past[place.day, place.workspace] = before[0] + requests, before[1]
                taken = sum(more[:5])
                for batch in mine:
                    part = min(taken, left[batch.id])
                    left[batch.id] -= part
                    taken -= part

    def _covered(self, place: Place, counts: Counts) -> bool:
        """Whether all of these tokens are missing in the ledger; estimates of cut streams may hide some output."""
        cut = 0 if place.batch else self._cut(place)
        slack = _least(cut) if cut else 0
        rest = self.rest[place]
        return covers((*rest[:OUTPUT], rest[OUTPUT] + slack, rest[5]), counts)

    def _find_others(self) -> None:
        for place, counts in sorted(self.rest.items()):
            self._find_cut(place, counts)
            more = shared(self.rest[place], self.rest[place])
            if not any(more):
                continue
            intents = self._ours.open.get((place.day, place.workspace), 0)
            most = total([self._ours.largest] * intents)
            number = sum(more[:5])
            if place.owner:
                cause, evidence = Cause.LOST_ENTRIES, f"{number} tokens beyond the ledger on keys of {place.owner}"
            elif intents and covers(most, more):
                cause, evidence = Cause.LOST_ENTRIES, f"{number} tokens, and {intents} requests whose end nobody saw"
            else:
                cause, evidence = Cause.BYPASS, f"{number} tokens beyond the ledger on keys that it knows"
            self._take(place, Used(cause, more, None, evidence))

    def _find_cut(self, place: Place, counts: Counts) -> None:
        """Output of streams that the caller cut, which the ledger estimates; a batch has none."""
        if place.batch:
            return
        cut, off = self._cut(place), counts[OUTPUT]
        intents = self._ours.open.get((place.day, place.workspace), 0)
        others = any(counts[:OUTPUT]) or counts[5]
        if not cut or not off or abs(off) > _least(cut) or (off > 0 and (others or intents)):
            return
        evidence = f"the ledger estimated {cut} output tokens of streams that were cut"
        self._take(place, Used(Cause.CUT_STREAMS, (0, 0, 0, 0, off, 0), None, evidence))

    def _cut(self, place: Place) -> int:
        return self._ours.cut.get((place.day, place.workspace, place.model), 0)


def _models(places: Iterable[Place]) -> dict[tuple[str, str], list[str]]:
    """The models of batches by day and workspace, each once."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for place in sorted(places):
        if place.batch:
            found.setdefault((place.day, place.workspace), {})[place.model] = None
    return {spot: list(models) for spot, models in found.items()}


def _least(cut: int) -> int:
    return cut + CUT_LEAST


def _place(group: Group, declared: set[str]) -> Place:
    owner = group.principal if group.principal in declared else ""
    return Place(group.day, group.workspace, group.model, group.tier == "batch", owner)
