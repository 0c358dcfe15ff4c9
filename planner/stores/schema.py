"""The schema of a store is its migrations, in order; each is a numbered script that is applied once and never changed.

A database keeps the checksum of each script that was applied to it, so that a script that was edited afterwards is
found before anything is built on it. Migrations only add, so that the version before can go on with the new schema.
"""

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Literal, NamedTuple

import msgspec

from planner.stores import StoreError

Dialect = Literal["sqlite", "postgres"]
CHECKSUM_DIGITS = 16


class Migration(NamedTuple):
    """One script; `checksum` is the beginning of the SHA-256 of its bytes."""

    number: int
    name: str
    script: str
    checksum: str


class Applied(NamedTuple):
    """A migration that a database has, with the checksum of the script that it was made by."""

    number: int
    checksum: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What `planner store status` says of a store.

    Attributes:
        store: its address, without a password.
        schema: the number of the newest migration that it has; 0 for an empty one.
        pending: migrations that this version knows and the store lacks, by name.
        changed: migrations whose scripts are not those that were applied, by name.
        entries: settled entries, corrections among them; None where the schema is too old to tell.
        open: requests whose end nobody saw yet.
        oldest, newest: arrivals of the first and the last entry, RFC 3339 UTC; None where there is none.
        bytes: what the store takes on disk.
    """

    store: str
    schema: int
    pending: tuple[str, ...]
    changed: tuple[str, ...]
    entries: int | None = None
    open: int | None = None
    oldest: str | None = None
    newest: str | None = None
    bytes: int


@cache
def migrations(dialect: Dialect) -> tuple[Migration, ...]:
    """The migrations of a dialect, in order."""
    folder = files(__package__) / "sql" / dialect
    scripts = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    found = []
    for item in scripts:
        text, name = item.read_text(encoding="utf-8"), item.name.removesuffix(".sql")
        found.append(Migration(int(name.split("_", 1)[0]), name, text, checksum(text)))
    return tuple(found)


def checksum(script: str) -> str:
    """The beginning of its SHA-256, in hex."""
    return sha256(script.encode()).hexdigest()[:CHECKSUM_DIGITS]


def pending(known: Iterable[Migration], applied: Iterable[Applied]) -> tuple[Migration, ...]:
    """The migrations that are still to be applied, in order."""
    newest = version(applied)
    return tuple(migration for migration in known if migration.number > newest)


def version(applied: Iterable[Applied]) -> int:
    """The number of the newest migration that was applied; 0 for none."""
    return max((each.number for each in applied), default=0)


def changed(known: Iterable[Migration], applied: Iterable[Applied]) -> tuple[Migration, ...]:
    """The migrations whose scripts are not those that were applied; what this version does not know is not judged."""
    sums = dict(applied)
    return tuple(each for each in known if sums.get(each.number, each.checksum) != each.checksum)


def refuse_changed(store: str, known: Iterable[Migration], applied: Iterable[Applied]) -> None:
    """Raise StoreError where a script is not the one that was applied: what stands on it cannot be known."""
    names = ", ".join(each.name for each in changed(known, applied))
    if names:
        raise StoreError(
            f"{store} was made by another text of {names} than this planner has. Install the release that made it, "
            "or restore the script: a migration is never changed, only followed by another."
        )


def refuse_older(store: str, known: Iterable[Migration], applied: Iterable[Applied]) -> None:
    """Raise StoreError where a store lacks migrations that this code needs."""
    have, todo = version(applied), pending(known, applied)
    if todo:
        raise StoreError(
            f"{store} has schema {have}, and this planner needs {todo[-1].number}. "
            f"Run: planner store upgrade --store {store}"
        )
