"""The rule book in force: one reference, swapped whole.

A request takes the book once, when it arrives, and keeps it to its end. What outlives requests asks here each time.
"""

from planner.core.rulebook import RuleBook


class InForce:
    """Holds the rule book in force, and since when it is: `since` is monotonic seconds."""

    def __init__(self, book: RuleBook, since: float) -> None:
        self._held = book, since

    @property
    def book(self) -> RuleBook:
        """The rule book for whatever begins now."""
        return self._held[0]

    @property
    def since(self) -> float:
        """When a book of this digest came into force."""
        return self._held[1]

    def take(self, book: RuleBook, at: float) -> None:
        """Put a book into force; one that says the same as the one before has been in force since then."""
        same = book.digest == self.book.digest
        self._held = book, self.since if same else at
