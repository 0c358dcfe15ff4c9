"""Migrations are numbered without gaps, applied once, and never changed."""

from typing import get_args

import pytest

from planner.stores import StoreError
from planner.stores.schema import (
    Applied,
    Dialect,
    Migration,
    changed,
    checksum,
    migrations,
    pending,
    refuse_changed,
    refuse_older,
    version,
)

ONE, TWO = Migration(1, "0001_one", "-- one", "a"), Migration(2, "0002_two", "-- two", "b")

RELEASED = {
    "sqlite": {
        "0001_ledger": "3e8edea3e434ef4e",
        "0002_conversations": "fda1f99f92e9a0ac",
        "0003_learnt": "c91b11dff9fdc887",
        "0004_corrections_and_batches": "223d9f8bfee8b1b3",
    },
    "postgres": {},
}
"""Checksums of what was released, to be added to with each release."""


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_migrations_are_numbered(dialect: Dialect) -> None:
    """The schema's scripts are 1, 2, 3 and so on, each with the checksum of its text."""
    found = migrations(dialect)
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    assert all(each.checksum == checksum(each.script) for each in found)
    assert len({each.checksum for each in found}) == len(found)


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_released_migrations_are_never_changed(dialect: Dialect) -> None:
    """A script that databases were made by keeps its text: what is to change comes in another one."""
    assert {each.name: each.checksum for each in migrations(dialect)}.items() >= RELEASED[dialect].items()


def test_what_is_to_be_applied() -> None:
    """What comes after the newest that is there; nothing where there is all, and nothing of the future."""
    assert pending((ONE, TWO), ()) == (ONE, TWO)
    assert pending((ONE, TWO), (Applied(1, "a"),)) == (TWO,)
    assert pending((ONE,), (Applied(1, "a"), Applied(2, "b"))) == ()
    assert (version(()), version((Applied(1, "a"), Applied(2, "b")))) == (0, 2)


def test_changed_scripts_are_named() -> None:
    """Those whose checksum is not the one that was applied; what this version does not know is not judged."""
    assert changed((ONE, TWO), (Applied(1, "a"), Applied(2, "x"), Applied(3, "y"))) == (TWO,)
    refuse_changed("store", (ONE, TWO), (Applied(1, "a"),))
    with pytest.raises(StoreError, match="store was made by another text of 0002_two"):
        refuse_changed("store", (ONE, TWO), (Applied(1, "a"), Applied(2, "x")))


def test_an_older_store_names_the_command() -> None:
    """Where something is to be applied, the sentence says which command does it."""
    refuse_older("store", (ONE,), (Applied(1, "a"), Applied(2, "b")))
    with pytest.raises(StoreError, match=r"has schema 1.*needs 2\. Run: planner store upgrade --store store$"):
        refuse_older("store", (ONE, TWO), (Applied(1, "a"),))
