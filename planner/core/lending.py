"""Who may run in a container: a lease is of one container to one request, and nobody but its holder ends it.

`planner.core.containers` has the table of a turn; this applies it to a container, in which many turns may have run.

**Law.** A request that names no container is lent one only while nobody has a lease of that container, its turn was
not gone on from, and the API has not lost it. Whoever must have it all the same, since code waits there or the caller
names it, has a lease beside the others, and nobody is lent it until all of them have ended. A lease ends with its
request, or when it was not renewed in time. Holders have names that are used once, so whoever comes back after that
finds no lease of his, and what he says counts for nothing: the state that came after his stands. Only that a turn was
claimed counts always, since nothing takes that back.

All that is known of a container is one value, a `Standing`: who shares one swaps it whole for what `take` and the
others make of it, and only if nobody else has swapped it since. A process keeps its own containers in `Leases`.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from planner.core.containers import TABLE, State, step

REMEMBERED: Final = 100_000
"""How many containers a process remembers. Ours."""
TURNS: Final = 256
"""How many turns of one container that were gone on from are in its standing, the newest; of older ones the turn itself
says so. Ours."""

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


class Held(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lease: when it ends that nobody renews, and the turn that its holder goes on from."""

    until: datetime
    turn: str | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a container stands: whether the API no longer takes it, the turns that were gone on from, who runs in it."""

    lost: bool = False
    continued: tuple[str, ...] = ()
    held: Mapping[str, Held] = {}

    def state(self, turn: str | None) -> State:
        """The state of a turn that ran in it."""
        if self.lost:
            return State.DEAD
        if turn is not None and turn in self.continued:
            return State.CONTINUED
        return State.BUSY if self.held else State.IDLE

    def heard(self, turn: str | None, state: State) -> "Standing":
        """The standing once a turn is in a state that nothing takes back; any other state says nothing."""
        if state is State.DEAD:
            return msgspec.structs.replace(self, lost=True)
        if state is State.CONTINUED and turn is not None and turn not in self.continued:
            return msgspec.structs.replace(self, continued=(*self.continued, turn)[-TURNS:])
        return self

    def expired(self, now: datetime) -> "Standing":
        """The standing without the leases that were not renewed in time."""
        held = {holder: each for holder, each in self.held.items() if each.until > now}
        return self if len(held) == len(self.held) else msgspec.structs.replace(self, held=held)

    def renewed(self, holders: Collection[str], until: datetime) -> "Standing":
        """The standing once these leases, as far as there still are any, go on until then."""
        renewed = {holder: Held(until, self.held[holder].turn) for holder in self.held.keys() & holders}
        return msgspec.structs.replace(self, held={**self.held, **renewed})


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


def take(standing: Standing, ask: Ask) -> tuple[Answer, Standing]:
    """What a request gets, given how its container stands, and how that stands then."""
    before = standing.state(ask.turn)
    if ask.way != "pending" and (before, "offer") in TABLE:
        answer = Answer(taken=True, state=step(before, "offer"))
    elif ask.way != "lent":
        answer = Answer(taken=True, state=step(before, "claim"), claimed=True)
    else:
        siblings = any(held.turn == ask.turn for held in standing.held.values())
        return Answer(taken=False, state=before, passing=before is State.BUSY and not siblings), standing
    held = {**standing.held, ask.holder: Held(ask.until, ask.turn)}
    return answer, msgspec.structs.replace(standing, held=held).heard(ask.turn, answer.state)


def give_back(standing: Standing, ask: Ask, end: End, *, claimed: bool) -> tuple[Ended, Standing]:
    """What the end of a request comes to, and how its container stands then.

    `claimed` says whether it was told so when it took its lease.
    """
    here, state = ask.holder in standing.held, standing.state(ask.turn)
    if not here and not claimed:
        return Ended(counts=False, state=state), standing
    state = step(step(state, "claim") if claimed else state, end if here else "expire")
    held = {holder: each for holder, each in standing.held.items() if holder != ask.holder}
    return Ended(counts=True, state=state), msgspec.structs.replace(standing, held=held).heard(ask.turn, state)


class Leases:
    """The containers that one process knows of. Nothing here waits; no lease ends by itself but by `expire`.

    Of more than `bound` containers the oldest is forgotten in which nothing runs.
    """

    def __init__(self, bound: int = REMEMBERED) -> None:
        self._bound = bound
        self._known: dict[str, Standing] = {}

    def standing(self, container: str) -> Standing:
        """How a container stands."""
        return self._known.get(container, _UNKNOWN)

    def take(self, ask: Ask) -> Answer:
        """Give a request its lease, or say why not."""
        answer, standing = take(self.standing(ask.container), ask)
        self._put(ask.container, standing)
        return answer

    def give_back(self, ask: Ask, end: End, *, claimed: bool) -> Ended:
        """End the lease of a request."""
        ended, standing = give_back(self.standing(ask.container), ask, end, claimed=claimed)
        self._put(ask.container, standing)
        return ended

    def renew(self, container: str, holders: Collection[str], until: datetime) -> None:
        """Let leases of a container go on until then, those that there still are."""
        self._put(container, self.standing(container).renewed(holders, until))

    def expire(self, container: str, now: datetime) -> None:
        """End the leases of a container that were not renewed in time."""
        self._put(container, self.standing(container).expired(now))

    def heard(self, container: str, turn: str | None, state: State) -> None:
        """Remember what somebody else found out, as far as nothing takes that back."""
        self._put(container, self.standing(container).heard(turn, state))

    def _put(self, container: str, standing: Standing) -> None:
        self._known.pop(container, None)
        if standing == _UNKNOWN:
            return
        self._known[container] = standing
        if len(self._known) > self._bound:
            oldest = next((each for each, known in self._known.items() if not known.held), None)
            if oldest is not None:
                del self._known[oldest]


_UNKNOWN: Final = Standing()
