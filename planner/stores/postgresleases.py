"""Leases of containers in the shared store: a row a container, read, and swapped if nobody has swapped it since.

That is two statements, each a transaction of its own, on connections of their own: no request waits for the ledger.
Who asks to be lent a container that is being changed at that moment waits for nobody (`SKIP LOCKED`) and reads again;
who must change it waits for the millisecond of the other.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from planner.core.containers import State
from planner.core.lending import Answer, Ask, End, Ended, Standing, give_back, take
from planner.stores import StoreError
from planner.stores.connections import Connections
from planner.stores.leases import decode, encode, moment
from planner.stores.statements import statements

CONNECTIONS: Final = 2
"""So many of one process, beside those of the ledger and of budgets: each is busy for a millisecond at a time. Ours."""
TRIES: Final = 3
"""How often who is lent a container reads again that others change. Ours."""
MOST: Final = 1_000
"""How often who must change it does: whenever it fails, somebody else has changed it. Ours."""

T = TypeVar("T")
Change = Callable[[Standing], tuple[T, Standing]]

_SQL: Final = statements("leases")


class PostgresLeases:
    """Leases in one schema of a database; open it once a `PostgresStore` has found the schema up to date."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @classmethod
    async def open(cls, address: str) -> "PostgresLeases":
        """Connect. Raises StoreError when that cannot be done."""
        return cls(await Connections.open(address, CONNECTIONS, ready=True))

    async def take(self, ask: Ask, now: datetime) -> Answer:
        """Give a request a lease of its container, or say why not. Raises StoreError."""
        must = ask.way != "lent"
        found = await self._change(ask.container, now, lambda standing: take(standing.expired(now), ask), must=must)
        return found or Answer(taken=False, state=State.BUSY, passing=True)

    async def give_back(self, ask: Ask, end: End, now: datetime, *, claimed: bool) -> Ended:
        """End the lease of a request; late or not, it counts while nobody took the container. Raises StoreError."""
        found = await self._change(
            ask.container, now, lambda standing: give_back(standing, ask, end, claimed=claimed), must=True
        )
        return found or Ended(counts=False, state=State.BUSY)

    async def renew(self, asks: Sequence[Ask], until: datetime, now: datetime) -> frozenset[str]:
        """Let leases go on until then; say whose there still are, by holder. Raises StoreError."""
        holders: dict[str, set[str]] = {}
        for ask in asks:
            holders.setdefault(ask.container, set()).add(ask.holder)
        alive = set[str]()
        for container, mine in holders.items():

            def renewed(standing: Standing, mine: set[str] = mine) -> tuple[set[str], Standing]:
                return standing.held.keys() & mine, standing.renewed(mine, until)

            alive |= await self._change(container, now, renewed, must=True) or set()
        return frozenset(alive)

    async def forget(self, before: datetime) -> None:
        """Forget containers of which nothing was heard since. Raises StoreError."""
        async with self._connections.one() as connection:
            await connection.execute(_SQL["forget_containers"], moment(before))

    async def close(self) -> None:
        """Let go of the database."""
        await self._connections.close()

    async def _change(self, container: str, now: datetime, change: Change[T], *, must: bool) -> T | None:
        """Swap how a container stands for what a change makes of it, and return what else that says.

        None where others change it all the time, and it need not be.
        """
        async with self._connections.one() as connection:
            for _ in range(MOST if must else TRIES):
                row = await connection.fetchrow(_SQL["standing"], container)
                version, standing = (0, Standing()) if row is None else (row[0], decode(row[1]))
                said, after = change(standing)
                if after == standing:
                    return said
                name = "add_standing" if row is None else "put_standing" if must else "swap_standing"
                arguments = (container, moment(now), encode(after), *((version,) if version else ()))
                if await connection.fetchval(_SQL[name], *arguments) is not None:
                    return said
        if must:
            raise StoreError(f"a container was changed by others {MOST} times in a row")
        return None
