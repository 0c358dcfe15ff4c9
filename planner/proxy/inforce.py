"""The rule book in force: one reference, swapped whole.

A request takes the book once, when it arrives, and keeps it to its end. What outlives requests asks here each time.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from planner.clock import Clock
from planner.core.rulebook.book import RuleBook
from planner.metrics import Metrics
from planner.rulesource import Taken

REMEMBERED: Final = 20
"""Changes of the rules that are told of; the log has them all."""
MOST_FINDINGS: Final = 100
"""Findings of each; `planner rules check` has all of them."""


class InForce:
    """Holds the rule book in force; `stale` says that the rules have changed since, and could not be taken."""

    def __init__(self, book: RuleBook, clock: Clock) -> None:
        self.book = book
        self.stale = False
        self._clock = clock
        self._since = clock.monotonic()
        self._changes: deque[Taken] = deque(maxlen=REMEMBERED)

    @property
    def age(self) -> float:
        """Seconds for which a book of this digest has been in force."""
        return self._clock.monotonic() - self._since

    def take(self, book: RuleBook) -> None:
        """Put a book into force; one that says the same as the one before has been in force since then."""
        if book.digest != self.book.digest:
            self._since = self._clock.monotonic()
        self.book, self.stale = book, False

    @property
    def changes(self) -> tuple[Taken, ...]:
        """What became of changes of the rules, the newest first."""
        return tuple(reversed(self._changes))

    def note(self, findings: Iterable[str], *, took: bool) -> None:
        """Remember what became of a change."""
        found = tuple(findings)[:MOST_FINDINGS]
        self._changes.append(Taken(at=self._clock.now(), took=took, digest=self.book.digest, findings=found))

    def export(self, metrics: Metrics) -> None:
        """Export which book it is, how old, and whether it still is what the rules say."""
        metrics.gauge(
            "planner_rules_info", "The rule book in force.", lambda: [((self.book.digest,), 1.0)], labels=("digest",)
        )
        metrics.gauge("planner_rules_age_seconds", "How long it has been in force.", lambda: [((), self.age)])
        metrics.gauge(
            "planner_rules_stale",
            "1 while the rules have changed and could not be taken.",
            lambda: [((), float(self.stale))],
        )
