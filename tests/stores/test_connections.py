"""What goes wrong with a connection is told by whose fault it is, and an address is said without its password."""

import asyncpg
import pytest

from planner.stores import RefusedError, StoreError
from planner.stores.connections import Connections, without_password
from tests.doubles.proxy import run


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://me:secret@host:5432/db?x=y", "postgresql://me@host:5432/db?x=y"),
        ("postgresql://me:s@cret@host/db", "postgresql://me@host/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql:///db", "postgresql:///db"),
    ],
)
def test_no_password_is_said(address: str, said: str) -> None:
    """Whatever else is in the address stays."""
    assert without_password(address) == said


class Broken:
    """A pool whose connections cannot be had, or fail with an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.ended = False

    def acquire(self, **_: object) -> "Broken":
        """A connection."""
        return self

    async def __aenter__(self) -> object:
        raise self.error

    async def __aexit__(self, *_: object) -> None:
        """Not entered."""

    async def close(self) -> None:
        """Fails as well."""
        raise self.error

    def terminate(self) -> None:
        """End at once."""
        self.ended = True


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (ConnectionRefusedError("no"), False),
        (TimeoutError(), False),
        (asyncpg.InterfaceError("pool is closed"), False),
        (asyncpg.DeadlockDetectedError("circle"), False),
        (asyncpg.SerializationError("again"), False),
        (asyncpg.DiskFullError("full"), False),
        (asyncpg.NumericValueOutOfRangeError("too much"), True),
        (asyncpg.NotNullViolationError("nothing"), True),
        (asyncpg.UntranslatableCharacterError("what"), True),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"), True),
    ],
)
def test_whose_fault_it_is(error: Exception, *, refused: bool) -> None:
    """A record's own is refused for good; everything else is tried again. Ending waits for no server."""
    pool = Broken(error)

    async def scenario() -> None:
        connections = Connections(pool, "postgresql://here")
        with pytest.raises(StoreError) as caught:
            async with connections.one():
                pass
        assert isinstance(caught.value, RefusedError) is refused
        if not isinstance(error, UnicodeError):
            await connections.close()
            assert pool.ended

    run(scenario())
