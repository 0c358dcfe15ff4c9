"""What is asked of the process that makes pages, and what it answers: values that cross a pipe as MessagePack."""

from datetime import datetime
from typing import Final, Literal

import msgspec

from planner.core.rulebook.book import FreeHoursSettings
from planner.core.rulebook.spending import Budget

Form = Literal["page", "json", "csv"]
Mode = Literal["plan", "observe", "drain"]

LENGTH: Final = 4
"""Bytes in front of each message that say, big end first, how long it is."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What only the running process knows.

    Attributes:
        now: its time (aware, UTC).
        version: of the planner.
        mode: whether it decides anew.
        digest: of the rule book in force.
        stale: whether the rules have changed since, and could not be taken.
        free_hours: the settings of the free hours.
        budgets: of the rule book.
    """

    now: datetime
    version: str
    mode: Mode
    digest: str
    stale: bool
    free_hours: FreeHoursSettings
    budgets: tuple[Budget, ...] = ()


class Begin(msgspec.Struct, frozen=True):
    """The first message: the address of the store to read, which may hold a password and is on no command line."""

    store: str


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One page in one form, with its query as it came; `table` is the one that is wanted alone.

    `leaves` says that the visitor has signed in, and so can sign out.
    """

    page: str
    form: Form
    table: str = ""
    query: str = ""
    leaves: bool = False
    standing: Standing


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back to the visitor. `error` is the kind of an error of ours, for the log."""

    status: int = 200
    media_type: str = "text/html"
    body: bytes
    filename: str | None = None
    error: str | None = None


def packed(message: Begin | Ask | Answer) -> bytes:
    """A message with its length in front."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(LENGTH, "big") + body
