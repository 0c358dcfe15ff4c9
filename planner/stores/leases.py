"""What processes share of containers: who may run in which, and which turns were gone on from.

A store gives a transaction that nobody else has on that container, and this module does the rest. What is decided in it
is said by `planner.core.lending`. Only a shared store has leases: a file has one process, which knows its own.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from planner.core.containers import State
from planner.core.lending import Answer, Ask, End, Ended, Held, Stand, give_back, take
from planner.stores.statements import statements

Fetch = Callable[..., Awaitable[Sequence[Sequence[Any]]]]
"""Runs a statement of `sql/leases.sql` by its name, with its arguments, inside a transaction; returns its rows."""

STATEMENTS = statements("leases")


class LeaseStore(Protocol):
    """Where leases of containers are shared."""

    async def take(self, ask: Ask, now: datetime) -> Answer:
        """Give a request a lease of its container, or say why not; it waits for no other. Raises StoreError."""
        ...

    async def give_back(self, ask: Ask, end: End, now: datetime, *, claimed: bool) -> Ended:
        """End the lease of a request. Raises StoreError."""
        ...

    async def renew(self, holders: Sequence[str], until: datetime) -> frozenset[str]:
        """Let leases go on until then; say which of them there still are. Raises StoreError."""
        ...

    async def forget(self, before: datetime) -> None:
        """Forget containers, turns and leases of which nothing was heard since. Raises StoreError."""
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...


async def take_in(fetch: Fetch, ask: Ask, now: datetime) -> Answer:
    """In a transaction that has the container: end what was not renewed, see what is left, and write down a lease."""
    answer = take(await _stand(fetch, ask, now), ask)
    if answer.taken:
        await fetch("put_lease", ask.holder, ask.container, ask.turn, text(ask.until))
        await _note(fetch, ask, answer.state, now)
    return answer


async def give_back_in(fetch: Fetch, ask: Ask, end: End, now: datetime, *, claimed: bool) -> Ended:
    """In a transaction that has the container: end a lease, late or not, and write down what its end says.

    It counts while nobody has taken the container since, even if it was not renewed in time.
    """
    ended = give_back(await _seen(fetch, ask), ask, end, claimed=claimed)
    await fetch("drop_lease", ask.holder)
    if ended.counts:
        await _note(fetch, ask, ended.state, now)
    return ended


def text(moment: datetime) -> str:
    """A moment as stores hold it: RFC 3339, UTC."""
    return moment.isoformat(timespec="microseconds")


async def _stand(fetch: Fetch, ask: Ask, now: datetime) -> Stand:
    await fetch("end_leases", ask.container, text(now))
    return await _seen(fetch, ask)


async def _seen(fetch: Fetch, ask: Ask) -> Stand:
    rows = await fetch("stand", ask.container, ask.turn)
    held = {holder: Held(turn, datetime.fromisoformat(until)) for _, _, holder, turn, until in rows if holder}
    return Stand(lost=rows[0][0], continued=rows[0][1], held=held)


async def _note(fetch: Fetch, ask: Ask, state: State, now: datetime) -> None:
    """Write down what nothing takes back."""
    if state is State.DEAD:
        await fetch("lose_container", ask.container)
    elif state is State.CONTINUED and ask.turn is not None:
        await fetch("continue_turn", ask.turn, text(now))
