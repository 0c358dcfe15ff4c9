"""What is asked of the process that makes pages, and what it answers: values that cross a pipe as MessagePack."""

from datetime import date, datetime
from typing import Final, Literal

import msgspec

from planner.core.rulebook.book import FreeHoursSettings
from planner.core.rulebook.policies import PolicyMode
from planner.core.rulebook.spending import Budget
from planner.rulesource import Taken

Form = Literal["page", "json", "csv"]
Mode = Literal["plan", "observe", "drain"]

DESCRIPTION: Final = "openapi"
"""What is asked for where a page would be: the description of our own API."""
LENGTH: Final = 4
"""Bytes in front of each message that say, big end first, how long it is."""


class PriceTold(msgspec.Struct, frozen=True, kw_only=True):
    """A price row: which models (or tool) it is for, when it holds, what it asks, and who says so since when.

    `rates` are pico-dollars: per token of each class, per use or per hour.
    """

    name: str
    models: tuple[str, ...]
    since: date | None
    until: date | None
    rates: dict[str, int]
    source: str
    checked: date
    mark: str


class PolicyTold(msgspec.Struct, frozen=True, kw_only=True):
    """A policy: what it says, of whom, on how much of the traffic."""

    name: str
    why: str
    mode: PolicyMode
    match: dict[str, str]
    when: str | None
    then: dict[str, str]
    rollout: float
    holdout: float
    since: date | None
    until: date | None


class SettingTold(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as its file states it."""

    key: str
    value: str
    mark: str
    source: str
    checked: date
    overridden: bool


class BookTold(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of the rule book in force; `callers` is how many principals have a row."""

    digest: str
    prices_digest: str
    prices: tuple[PriceTold, ...]
    policies: tuple[PolicyTold, ...]
    settings: tuple[SettingTold, ...]
    callers: int


class RulesTold(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of the running process.

    Attributes:
        book: in force.
        age: seconds for which it has been.
        changes: what became of changes, the newest first.
        directory: where its files are, None for the shipped ones.
        overrides: settings of `--set`.
        watched: whether the files are watched.
    """

    book: BookTold
    age: float
    changes: tuple[Taken, ...] = ()
    directory: str | None = None
    overrides: dict[str, str] = {}
    watched: bool = False


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What only the running process knows.

    Attributes:
        now: its time (aware, UTC).
        version: of the planner.
        mode: whether it decides anew.
        rules: the rule book in force and what became of its changes.
        stale: whether the rules have changed since, and could not be taken.
        free_hours: the settings of the free hours.
        budgets: of the rule book.
        containers: how many it remembers, by state.
    """

    now: datetime
    version: str
    mode: Mode
    rules: RulesTold
    stale: bool
    free_hours: FreeHoursSettings
    budgets: tuple[Budget, ...] = ()
    containers: dict[str, int] = {}


class Begin(msgspec.Struct, frozen=True):
    """The first message: the address of the store to read, which may hold a password and is on no command line."""

    store: str


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One page in one form, with its query as it came; `table` is the one that is wanted alone.

    `leaves` says that the visitor has signed in, and so can sign out. `address` is the planner's own as callers see it,
    empty where it does not know.
    """

    page: str
    form: Form
    table: str = ""
    query: str = ""
    leaves: bool = False
    address: str = ""
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
