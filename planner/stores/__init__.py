"""A store keeps records and knows no business rule; they come from the journal, through the writer, alone."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple, Protocol

from planner.core.conversations import Conversation, Scope, Turn
from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import Amounts, K
from planner.core.records import Learnt, Record

LAST: Final = "\x7f"
"""Later than every moment, in text order."""


class StoreError(Exception):
    """The store cannot be used; the message says why and what to do."""


class InUseError(StoreError):
    """Another process writes to the store, and only one may."""


class RefusedError(StoreError):
    """The store works, but one of these records cannot be stored, however often it is tried."""


class Metered(NamedTuple):
    """Container time that counts against the free hours of an organization, of one hour; an unknown one has no name.

    `at` is RFC 3339 UTC, the first moment of the hour; milliseconds are as they are, and as they would be without our
    edits.
    """

    organization: str
    at: str
    used_ms: int
    untouched_ms: int


class Kept(NamedTuple):
    """What was learnt, what changed last at the end; `unread` rows were not understood: another version wrote them."""

    learnt: tuple[Learnt, ...]
    unread: int = 0


class Store(Protocol):
    """Where the ledger is kept."""

    async def apply(self, records: Sequence[Record]) -> None:
        """Store records in one transaction; applying one twice changes nothing.

        Raises StoreError; of that RefusedError where the fault lies in a record.
        """
        ...

    def entries(self, since: str = "") -> AsyncIterator[Entry]:
        """Every entry since a moment (RFC 3339 UTC) in order of arrival; what is not settled yet is `unknown`.

        Raises StoreError.
        """
        ...

    def cells(self, kind: type[K], since: str = "", until: str = LAST) -> AsyncIterator[tuple[K, Amounts]]:
        """The hourly sums of a kind, from an hour (RFC 3339 UTC) up to but without another, in order of their keys.

        Each settled entry and each correction is in them from the moment on in which it is in the ledger. Raises
        StoreError.
        """
        ...

    async def corrections(self, request_id: str) -> tuple[Entry, ...]:
        """The corrections of an entry, in the order in which they were made. Raises StoreError."""
        ...

    async def batch(self, digest: str) -> tuple[Entry, ...]:
        """The settled entries of a batch, in order of arrival. Raises StoreError."""
        ...

    async def turn(self, key: str) -> Turn | None:
        """The turn that is found under a key. Raises StoreError."""
        ...

    async def conversation(self, root: str) -> tuple[Conversation, str] | None:
        """The conversation with a root, and when it was last seen (RFC 3339 UTC). Raises StoreError."""
        ...

    async def scopes(self) -> dict[str, Scope]:
        """The scope of every principal that was ever answered. Raises StoreError."""
        ...

    async def learnt(self) -> Kept:
        """The newest that was learnt of edits and agents, as much as a process remembers. Raises StoreError."""
        ...

    async def hours(self, since: str) -> list[Metered]:
        """What counts against the free hours since an hour (RFC 3339 UTC), in time order. Raises StoreError."""
        ...

    async def prepare(self, now: str) -> None:
        """Make room for what arrives after a moment (RFC 3339 UTC). Raises StoreError."""
        ...

    async def closing(self, month: str) -> str | None:
        """What a month (`2026-11`) was closed with; None for one that is open. Raises StoreError."""
        ...

    async def put_closing(self, month: str, closed_at: str, closing: str) -> bool:
        """Close a month (`2026-11`); False where that was done before, and then nothing changes. Raises StoreError."""
        ...

    async def prunings(self) -> list[str]:
        """What is kept of months whose entries went (JSON), the oldest first. Raises StoreError."""
        ...

    async def forget(self, before: str) -> None:
        """Forget conversations that nobody went on with since (RFC 3339 UTC), scopes, what was learnt.

        Raises StoreError.
        """
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...


class Statements(Protocol):
    """Where months that were reconciled are kept, and what was fetched of the bill: a part of every store."""

    async def keep_reconciliation(self, month: str, organization: str, made_at: str, statement: str) -> None:
        """Keep a statement (JSON) of a month, beside earlier ones. Raises StoreError."""
        ...

    async def reconciliations(self) -> list[str]:
        """The newest statement (JSON) of every month and organization. Raises StoreError."""
        ...

    async def keep_bill_page(self, name: str, at: str, page: str) -> None:
        """Keep a page of the bill in place of an earlier one of its name. Raises StoreError."""
        ...

    async def bill_page(self, name: str) -> tuple[str, str] | None:
        """A kept page: when it was fetched (RFC 3339 UTC), and its text. Raises StoreError."""
        ...

    async def last_bill_page(self) -> str | None:
        """When the last page was fetched (RFC 3339 UTC), None for never. Raises StoreError."""
        ...


class Spending(Protocol):
    """What was spent, as it counts in budgets: a part of every store."""

    async def spent(self, field: str, since: str, until: str) -> dict[str, int]:
        """What each team, project or principal (`field`) spent from a day on and before another: nano-dollars.

        Who spent nothing is left out. Raises StoreError.
        """
        ...


class WholeStore(Store, Statements, Spending, Protocol):
    """A store with all of its parts, as it is opened."""
