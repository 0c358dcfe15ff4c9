"""Who may run in a container: a lease is of one container to one request, and nobody but its holder ends it.

`planner.core.containers` has the table of a turn; this applies it to a container, in which many turns may have run.

**Law.** A request that names no container is lent one only while nobody has a lease of that container, its turn was
not gone on from, and the API has not lost it. Whoever must have it all the same, since code waits there or the caller
names it, has a lease beside the others, and nobody is lent it until all of them have ended. A lease ends with its
request, or when it was not renewed in time. Holders have names that are used once, so whoever comes back after that
finds no lease of his, and what he says counts for nothing: the state that came after his stands. Only that a turn was
claimed counts always, since nothing takes that back.

What a store knows of a container when it is asked is a `Stand`; `take` and `give_back` say what becomes of it. A
process keeps its own leases in `Leases`, by the same functions.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from planner.core.containers import TABLE, State, step

REMEMBERED: Final = 100_000
"""How many turns that were gone on from, and containers that were lost, a process remembers. Ours."""

Way = Literal["lent", "named", "pending"]
"""Why a request is to run in a container: it is lent it, its caller names it, or code waits there for it."""
End = Literal["answered", "failed", "lost"]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is to run in a container.

    Attributes:
        container: digest of its id.
        turn: key of the turn that it goes on from; None where none is known.
        holder: a name for this request that was never used before.
        way: why it is to run there.
        until: when the lease ends that nobody renews; aware.
    """

    container: str
    turn: str | None
    holder: str
    way: Way
    until: datetime


class Held(msgspec.Struct, frozen=True):
    """A lease: the turn that its holder goes on from, and when it ends that nobody renews."""

    turn: str | None
    until: datetime


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a container and of one turn in it: the leases that have not ended, by holder.

    `lost` says that the API no longer takes it, `continued` that the turn was gone on from.
    """

    lost: bool = False
    continued: bool = False
    held: Mapping[str, Held] = {}

    @property
    def state(self) -> State:
        """The state of that turn."""
        if self.lost:
            return State.DEAD
        if self.continued:
            return State.CONTINUED
        return State.BUSY if self.held else State.IDLE


class Answer(msgspec.Struct, frozen=True):
    """Whether a request has its lease, and the state of its turn, which is why not where it has none.

    `claimed` says that it took the turn as no other may. `passing` says that it was refused only because of a request
    from another turn: that may have ended, and its end be on its way.
    """

    taken: bool
    state: State
    claimed: bool = False
    passing: bool = False


class Ended(msgspec.Struct, frozen=True):
    """Whether the end of a request counts, and the state of its turn if it does."""

    counts: bool
    state: State


def take(stand: Stand, ask: Ask) -> Answer:
    """What a request gets, given how its container stands."""
    before = stand.state
    if ask.way != "pending" and (before, "offer") in TABLE:
        return Answer(taken=True, state=step(before, "offer"))
    if ask.way != "lent":
        return Answer(taken=True, state=step(before, "claim"), claimed=True)
    siblings = any(held.turn == ask.turn for held in stand.held.values())
    return Answer(taken=False, state=before, passing=before is State.BUSY and not siblings)


def give_back(stand: Stand, ask: Ask, end: End, *, claimed: bool) -> Ended:
    """What the end of a request comes to; `claimed` says whether it was told so when it took its lease."""
    here = ask.holder in stand.held
    if not here and not claimed:
        return Ended(counts=False, state=stand.state)
    state = step(stand.state, "claim") if claimed else stand.state
    return Ended(counts=True, state=step(state, end if here else "expire"))


class Leases:
    """The leases that one process knows of. Nothing here waits; nothing ends by itself but by `expire`."""

    def __init__(self, bound: int = REMEMBERED) -> None:
        self._bound = bound
        self._held: dict[str, dict[str, Held]] = {}
        self._continued: dict[str, None] = {}
        self._lost: dict[str, None] = {}

    def stand(self, container: str, turn: str | None) -> Stand:
        """How a container stands for a turn."""
        held = self._held.get(container, {})
        return Stand(lost=container in self._lost, continued=turn is not None and turn in self._continued, held=held)

    def take(self, ask: Ask) -> Answer:
        """Give a request its lease, or say why not."""
        answer = take(self.stand(ask.container, ask.turn), ask)
        if answer.taken:
            self._held.setdefault(ask.container, {})[ask.holder] = Held(ask.turn, ask.until)
            self.heard(ask.container, ask.turn, answer.state)
        return answer

    def give_back(self, ask: Ask, end: End, *, claimed: bool) -> Ended:
        """End the lease of a request."""
        ended = give_back(self.stand(ask.container, ask.turn), ask, end, claimed=claimed)
        self._end(ask.container, (ask.holder,))
        if ended.counts:
            self.heard(ask.container, ask.turn, ended.state)
        return ended

    def renew(self, holders: Collection[str], until: datetime) -> frozenset[str]:
        """Let leases go on until then; say which of them there still are."""
        kept = set()
        for leases in self._held.values():
            for holder in leases.keys() & holders:
                leases[holder] = msgspec.structs.replace(leases[holder], until=until)
                kept.add(holder)
        return frozenset(kept)

    def expire(self, container: str, now: datetime) -> None:
        """End the leases of a container that were not renewed in time."""
        held = self._held.get(container, {})
        self._end(container, [holder for holder, each in held.items() if each.until <= now])

    def heard(self, container: str, turn: str | None, state: State) -> None:
        """Remember what somebody else found out, as far as nothing takes that back."""
        if state is State.DEAD:
            self._put(self._lost, container)
        elif state is State.CONTINUED and turn is not None:
            self._put(self._continued, turn)

    def _end(self, container: str, holders: Iterable[str]) -> None:
        leases = self._held.get(container, {})
        for holder in holders:
            leases.pop(holder, None)
        if not leases:
            self._held.pop(container, None)

    def _put(self, known: dict[str, None], key: str) -> None:
        known.pop(key, None)
        known[key] = None
        if len(known) > self._bound:
            del known[next(iter(known))]
