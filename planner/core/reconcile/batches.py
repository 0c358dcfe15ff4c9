"""The message batches that were made through the planner, and how much of their results passed it.

A batch bills on the day on which it is processed: when it was made, or a day later, since it ends within 24 hours [A].
Its results can be fetched for 29 days [A], through the planner or past it, and nobody but them tells what it used. So
of results that never passed there is no amount: only which models the batch names, and how many requests it holds.
Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing, checked 2026-11-22.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from planner.core.ledger.entry import RESULTS, Entry
from planner.core.pricing.prices import Line
from planner.core.reconcile.cells import SEARCH, Cause, Counts, counts_of

LIFE: Final = timedelta(days=29)
"""So long results can be fetched after their batch was made [A]."""

MOST_TOKENS: Final = 10_000_000
"""Tokens that one request of a batch takes at most. A bound of ours: ten iterations, after which the API pauses a turn
[A], each with a context of a million tokens, the longest that the catalog assumes.
Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools, checked 2026-11-22."""

MOST_TOLD: Final = 20
"""Batches that a statement names."""

OK: Final = 200


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """One fetch of results through the planner, and what it added to the ledger.

    Attributes:
        request_id: of the fetch.
        day: when they were fetched.
        model: that all of them were served by; empty where they were served by several.
        counts: tokens and searches.
        lines: what they cost.
        here: whether the month that is compared has it.
        late: whether the reports cannot know of that moment yet.
    """

    request_id: str
    day: str
    workspace: str
    principal: str
    model: str
    counts: Counts
    lines: tuple[Line, ...]
    here: bool
    late: bool

    @property
    def compared(self) -> bool:
        """Whether its tokens are held against the usage report."""
        return self.here and not self.late


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that was made through the planner.

    Attributes:
        id: digest of its id.
        at: when it was made (RFC 3339 UTC).
        models: how many of its requests ask for which model.
        passed: results that bill and passed.
        whole: whether all results passed at once, and what they cost is known.
        trouble: why the ledger lacks what did pass; None where it does not, or nothing passed.
        passages: its fetches, in order of arrival.
    """

    id: str
    at: str
    workspace: str
    principal: str
    requests: int
    models: dict[str, int]
    passed: int = 0
    whole: bool = False
    trouble: Cause | None = None
    passages: tuple[Passage, ...] = ()

    @property
    def day(self) -> str:
        """When it was made (UTC)."""
        return self.at[:10]

    @property
    def days(self) -> tuple[str, str]:
        """The days on which it can have been processed, and so billed."""
        return self.day, (date.fromisoformat(self.day) + timedelta(days=1)).isoformat()

    @property
    def missing(self) -> int:
        """Requests whose results did not pass; of these the ones that failed or expired bill nothing."""
        return 0 if self.whole else max(self.requests - self.passed, 0)

    @property
    def cause(self) -> Cause:
        """Why the ledger lacks what is missing of it."""
        return self.trouble or Cause.BATCHES_PAST

    def asking(self, model: str) -> int:
        """How many of its requests can have been served as a model of the bill: a name, or its snapshot."""
        return sum(count for name, count in self.models.items() if model == name or model.startswith(f"{name}-20"))

    def lacking(self, model: str) -> int:
        """How many of these did not pass, at most."""
        return min(self.asking(model), self.missing)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A batch for people: `id` is a digest of its id, `missing` how many results did not pass, at most."""

    id: str
    made_at: str
    workspace: str
    requests: int
    passed: int
    missing: int


class Batches:
    """Batches as the entries of a ledger tell them, whatever their order, each entry once.

    `month` is the one that is compared, `known` the moment (RFC 3339 UTC) up to which the reports know.
    """

    def __init__(self, month: str, known: str) -> None:
        self._month = month
        self._known = known
        self._making: dict[str, Entry] = {}
        self._results: dict[str, dict[str, Entry]] = {}

    def add(self, entry: Entry) -> None:
        """Take in an entry of any month; all but those that made a batch, and those of results, are passed over."""
        if entry.batch is None or not entry.batch.id:
            return
        if entry.batch.made is not None:
            self._making[entry.batch.id] = entry
        elif entry.endpoint == RESULTS:
            self._results.setdefault(entry.batch.id, {})[entry.request_id] = entry

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Digests of batches that other months tell more of: when they were made, or where missing results passed."""
        missing = {batch.id for batch in self.made() if batch.missing}
        return tuple(sorted(missing | (self._results.keys() - self._making.keys())))

    def made(self) -> tuple[Made, ...]:
        """The batches of which it is known when they were made, in that order."""
        found = (self._of(digest, entry) for digest, entry in self._making.items())
        return tuple(sorted(found, key=lambda each: (each.at, each.id)))

    def told(self) -> tuple[Told, ...]:
        """The batches of the month, those with missing results first, and most of them; older ones if some are missing.

        A batch of the day before belongs to a month in which it may have been billed.
        """
        mine = [
            batch
            for batch in self.made()
            if batch.day.startswith(self._month) or (batch.missing and batch.days[1].startswith(self._month))
        ]
        mine.sort(key=lambda batch: (-batch.missing, batch.at, batch.id))
        return tuple(
            Told(
                id=batch.id,
                made_at=batch.at,
                workspace=batch.workspace,
                requests=batch.requests,
                passed=batch.passed,
                missing=batch.missing,
            )
            for batch in mine
        )

    def _of(self, digest: str, making: Entry) -> Made:
        kinds = () if making.batch is None or making.batch.made is None else making.batch.made.kinds
        models: dict[str, int] = {}
        for kind in kinds:
            if kind.model is not None:  # a request that names none is refused when it is processed
                models[kind.model] = models.get(kind.model, 0) + kind.requests
        fetches = sorted(self._results.get(digest, {}).values(), key=lambda each: (each.at, each.request_id))
        counted = [each for each in fetches if each.cost_nano is not None and each.status == OK]
        return Made(
            id=digest,
            at=making.at,
            workspace=making.workspace or "",
            principal=making.principal,
            requests=sum(kind.requests for kind in kinds),
            models=models,
            passed=sum(each.batch.results - each.batch.settled_before for each in counted if each.batch is not None),
            whole=any(each.outcome == "ok" for each in counted),
            trouble=_trouble(fetches),
            passages=tuple(self._passage(each) for each in counted if each.tokens is not None),
        )

    def _passage(self, entry: Entry) -> Passage:
        searches = sum(int(line.quantity) for line in entry.lines if line.kind == SEARCH)
        return Passage(
            request_id=entry.request_id,
            day=entry.at[:10],
            workspace=entry.workspace or "",
            principal=entry.principal,
            model=entry.served_model or "",
            counts=(0, 0, 0, 0, 0, searches) if entry.tokens is None else counts_of(entry.tokens, searches),
            lines=entry.lines,
            here=entry.at.startswith(self._month),
            late=entry.at >= self._known,
        )


def said(batches: Sequence[Made], requests: int) -> str:
    """How many requests of which batches did not pass, and when those were made."""
    days = sorted({batch.day for batch in batches})
    made = "a batch" if len(batches) == 1 else f"{len(batches)} batches"
    most = "one request" if requests == 1 else f"up to {requests} requests"
    return f"{most} of {made} that {'was' if len(batches) == 1 else 'were'} made on {' and '.join(days)}"


def _trouble(fetches: Iterable[Entry]) -> Cause | None:
    """Why results passed and are not in the ledger: what they cost is not known, or nobody saw their end."""
    found = None
    for each in fetches:
        if each.outcome == "unknown":
            found = Cause.LOST_ENTRIES
        elif each.status == OK and each.unpriced is not None:
            return Cause.UNPRICED
    return found
