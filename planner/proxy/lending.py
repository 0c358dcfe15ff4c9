"""Lends containers: first within this process, then, where other processes share the store, among all of them.

A request that goes on in a container has a `Hold` from before it is sent until its end. In one process that is all
there is to it, and nothing is written down for it: a file has one process, and what that held is free when it is gone.
What must outlive it, that a turn was gone on from, is in the turn itself.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Final

from planner.core.containers import Lease, State
from planner.core.exchange import container_digest
from planner.core.lending import Ask, End, Leases, Way
from planner.proxy.sharing import Hold, Late, Refused, Sharing

FOREVER: Final = datetime.max.replace(tzinfo=UTC)
"""Within a process a lease ends with its request, however long that takes."""


class Lending:
    """The containers in which this process has requests.

    `here` are its own leases, `shared` those that it has in a store, None where no other process shares it. `owner` is
    a name of this process that no other ever had.
    """

    def __init__(self, here: Leases, shared: Sharing | None, owner: str) -> None:
        self._here = here
        self._shared = shared
        self._owner = owner
        self._numbers = count(1)
        self._out: dict[str, Hold] = {}

    @property
    def out(self) -> tuple[Hold, ...]:
        """The requests that are in containers now."""
        return tuple(self._out.values())

    async def take(self, container_id: str, lease: Lease | None, way: Way, *, goes_on: bool = True) -> Hold | Refused:
        """Let a request have a container, or say why not; only who is lent it can be refused.

        `goes_on` says that its conversation is in the middle, and not one that begins.
        """
        turn = None if lease is None else lease.turn.key
        holder = f"{self._owner}-{next(self._numbers)}"
        ask = Ask(container=container_digest(container_id), turn=turn, holder=holder, way=way, until=FOREVER)
        if lease is not None:
            self._here.heard(ask.container, turn, lease.state)
        answer = self._here.take(ask)
        if not answer.taken:
            return Refused(answer.state)
        hold = self._out[holder] = Hold(ask, lease, claimed=answer.claimed)
        hold.show(answer.state)
        if self._shared is None:
            return hold
        try:
            refused = await self._shared.take(hold, goes_on=goes_on)
        except BaseException:
            self.give_back(hold, "failed")
            raise
        if refused is None or way != "lent":
            return hold
        self.give_back(hold, "failed")
        return refused

    def give_back(self, hold: Hold, end: End, noted: Callable[[], None] = lambda: None) -> None:
        """A request has ended; `noted` is called once that counts and nobody else can go on from its turn.

        A second end of the same request says nothing.
        """
        if hold.ended:
            return
        hold.ended = True
        del self._out[hold.ask.holder]
        if self._shared is None:
            ended = self._here.give_back(hold.ask, end, claimed=hold.claimed)
            hold.show(ended.state)
            if ended.state in {State.CONTINUED, State.DEAD}:
                noted()
            return
        # Whether its end counts, the store knows; until it says so, the turn is as if the request had never been.
        ended = self._here.give_back(hold.ask, "failed", claimed=hold.claimed)
        hold.show(ended.state)
        self._shared.give_back(Late(hold, end, noted))

    async def run(self) -> None:
        """Renew what a store has of the requests that run; for ever, or not at all where none is shared."""
        if self._shared is not None:
            await self._shared.run(lambda: self.out)

    async def finish(self) -> None:
        """Wait, for a moment at most, until a store that is shared has the end of every request."""
        if self._shared is not None:
            await self._shared.finish()
