"""What an agent's own requests have shown: means that shrink toward its principal's, then toward the catalog's priors.

A *profile* is principal, model, sorted tool types and the system prompt up to its first breakpoint. With n requests
behind it, its own mean weighs n / (n + 20); the rest is what is believed of (principal, tool types), and what that
leaves is the catalog's prior. Requests fade as newer ones come and as days pass, so that an agent that changes its
habits is believed after some hundred requests. Nothing here holds text: keys are digests, values are numbers.
"""

from collections import OrderedDict
from datetime import datetime
from math import sqrt
from typing import Final, TypeVar

import msgspec

from planner.core.agents import ProfileKey
from planner.core.learning.learnt import PSEUDO_REQUESTS, UNLEARNT, Estimate, Learnt

MEMORY: Final = 1 - 1 / 300
"""What each new request leaves of the weight of those before it: some 300 are remembered."""

HALF_LIFE_DAYS: Final = 14.0
"""Days after which what was seen weighs half."""

PROMPTS: Final = 300
"""The last requests of a profile whose prompts are remembered each, where its model has a tier for longer ones: the few
beyond its threshold can cost more than all others."""

BOUND: Final = 10_000
VOLATILE: Final = 64
"""So many profiles of one parent that hardly repeat say that its system text is never the same: they are folded."""

STRANGERS: Final = 256
"""How many of the profiles that were folded last are known again when they repeat, and are kept from then on."""

STEADY, MOST_STEADY = 20, 15
"""One request in so many, and no more than so many requests, leave what is believed as it is: so that a decision is not
reckoned again for each. Ours."""

SHARES: Final = frozenset({"code", "cold", "cached", "share"})
"""Quantities from 0 to 1."""

SECONDS_PER_DAY: Final = 86_400.0

K = TypeVar("K")
V = TypeVar("V")


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One answered request, as far as it tells how its agent works.

    Attributes:
        opens: whether it began a conversation.
        ran: whether it ran code.
        seconds: of code, in all its runs; None where nobody saw how long it ran.
        billed: container seconds that it bills, or would bill if its code were not free.
        samples: sampling iterations.
        prompt: tokens of its first iteration's prompt, without what an edit of ours added.
        scale: that prompt divided by what its body was taken for.
        cached: share of that prompt that was read from a cache or written to one.
        marked: whether a breakpoint lies behind `tools` and the prompt is long enough, so that it could be cached.
        cold: whether the definitions were written to a cache, not read; of what is not cached, whether they would be.
        futile: calls of a tool that we added and that can reach nothing; None where none was added.
        output: tokens written.
        read: prompt tokens of all its iterations, without our edit; None where its model has no tier for long prompts.
    """

    opens: bool
    ran: bool
    seconds: float | None
    billed: float
    samples: float
    prompt: float
    scale: float | None = None
    cached: float
    marked: bool
    cold: bool
    futile: int | None = None
    output: float = 0.0
    read: float | None = None


class Moments(msgspec.Struct):
    """A faded sample: its weight, sum and sum of squares."""

    weight: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """Take in one more."""
        self.weight += 1
        self.total += value
        self.squares += value * value

    def fade(self, keep: float) -> None:
        """Let all that is in it weigh less."""
        self.weight *= keep
        self.total *= keep
        self.squares *= keep

    @property
    def mean(self) -> float:
        """The mean; 0 of nothing."""
        return self.total / self.weight if self.weight else 0.0

    @property
    def error(self) -> float:
        """The standard error of the mean; of few, as if one more had been as far off as the mean is from nothing."""
        weight, mean = self.weight, self.mean
        if not weight:
            return 0.0
        variance = max(self.squares / weight - mean * mean, 0.0)
        return sqrt(variance * weight + mean * mean) / weight


class Profile(msgspec.Struct):
    """What was seen of one agent, or of all agents of a parent."""

    seen: datetime
    requests: float = 0.0
    begun: float = 0.0
    moments: dict[str, Moments] = {}
    prompts: list[tuple[float, float]] = []

    def add(self, seen: Observation, at: datetime) -> None:
        """Take in one answered request."""
        self._age(at)
        self._fade(MEMORY)
        self.requests += 1
        self.begun += seen.opens
        self._put("code", seen.ran)
        if seen.ran and seen.seconds is not None:
            self._put("seconds", seen.seconds)
        self._put("billed", seen.billed)
        self._put("samples", seen.samples)
        self._put("output", seen.output)
        if seen.read is not None:
            self.prompts.append((seen.read, seen.samples))
            del self.prompts[:-PROMPTS]
        if seen.futile is not None:
            self._put("futile", seen.futile)
        if seen.scale is not None:
            self._put("scale", seen.scale)
        self._put("cold", seen.cold)
        if seen.marked:
            self._put("cached", seen.cached > 0)
        if seen.cached > 0:
            self._put("share", seen.cached)

    def epoch_ended(self, conversations: float, at: datetime) -> None:
        """A warm prefix went cold after so many conversations began on it."""
        self._age(at)
        self._put("conversations", conversations)

    def over(self, below: Learnt) -> Learnt:
        """What is believed with these observations on top of what is believed without them."""
        changes = {name: self._over(name, getattr(below, name)) for name in self.moments}
        if self.begun > 0:
            turns = self.requests / self.begun
            weight = self.begun / (self.begun + PSEUDO_REQUESTS)
            changes["turns"] = below.turns.under(turns, turns / sqrt(self.begun + 1), weight)
        return msgspec.structs.replace(
            below, requests=self.requests, begun=self.begun, seen=self.seen, prompts=tuple(self.prompts), **changes
        )

    def _over(self, name: str, below: Estimate) -> Estimate:
        moments = self.moments[name]
        mean = moments.mean
        # What is one of two things can be doubted in both directions only as far as both were seen.
        error = sqrt(max(mean * (1 - mean), 0.0) / moments.weight) if name in SHARES and mean else moments.error
        return below.under(mean, error, moments.weight / (moments.weight + PSEUDO_REQUESTS))

    def _put(self, name: str, value: float) -> None:
        self.moments.setdefault(name, Moments()).add(value)

    def _fade(self, keep: float) -> None:
        self.requests *= keep
        self.begun *= keep
        for moments in self.moments.values():
            moments.fade(keep)

    def _age(self, at: datetime) -> None:
        days = (at - self.seen).total_seconds() / SECONDS_PER_DAY
        if days > 0:
            if days > 0.01:
                self._fade(0.5 ** (days / HALF_LIFE_DAYS))
            self.seen = at


class Parent(msgspec.Struct):
    """All that one principal does with the same tools; `children` are its profiles, `folded` says they are not kept."""

    profile: Profile
    children: int = 0
    requests: int = 0
    strangers: list[str] = []

    def admits(self, name: str) -> bool:
        """Whether a profile that is not kept is to be kept from now on: at first all, later those that come again."""
        if name in self.strangers:
            self.strangers.remove(name)
            return True
        self.children += 1
        if not self.folded:
            return True
        self.strangers.append(name)
        del self.strangers[:-STRANGERS]
        return False

    @property
    def folded(self) -> bool:
        """Whether its profiles hardly ever repeat, so that none of them learns anything."""
        return self.children >= VOLATILE and self.children * 2 > self.requests


class LearntProfile(msgspec.Struct, frozen=True, tag="profile"):
    """What is known of one profile, to be kept."""

    name: str
    profile: Profile


class LearntParent(msgspec.Struct, frozen=True, tag="parent"):
    """What is known of one parent, to be kept."""

    name: str
    parent: Parent


class Believed(msgspec.Struct, frozen=True):
    """What is believed, until so many requests of that parent are known."""

    learnt: Learnt
    until: int
    parent: Parent


class Profiles:
    """Every profile that is remembered, bounded: the one that was seen longest ago goes first."""

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._own: OrderedDict[str, Profile] = OrderedDict()
        self._parents: OrderedDict[str, Parent] = OrderedDict()
        self._changed: dict[str, None] = {}
        self._believed: OrderedDict[ProfileKey, Believed] = OrderedDict()

    def __len__(self) -> int:
        return len(self._own)

    def learnt(self, key: ProfileKey, *, keep: bool = True) -> Learnt:
        """What is believed of an agent; of many requests, a twentieth more do not change it yet.

        `keep` says that it is for a request that is sent: what is only looked at is not held on to.
        """
        parent = self._parents.get(key.parent)
        if parent is None:
            return UNLEARNT
        known = self._believed.get(key)
        if known is not None and known.parent is parent and parent.requests < known.until:
            return known.learnt
        below = parent.profile.over(UNLEARNT)
        own = self._own.get(key.own)
        learnt = below if own is None else own.over(below)
        until = parent.requests + min(max(parent.requests // STEADY, 1), MOST_STEADY)
        if keep:
            _put(self._believed, key, Believed(learnt, until, parent), self._bound)
        return learnt

    def observe(self, key: ProfileKey, seen: Observation, at: datetime) -> None:
        """Learn from one answered request."""
        parent = self._parent(key, at)
        parent.requests += 1
        parent.profile.add(seen, at)
        own = self._profile(key, parent, at)
        if own is not None:
            own.add(seen, at)

    def epoch_ended(self, key: ProfileKey, conversations: float, at: datetime) -> None:
        """Learn how many conversations a warm prefix of an agent has served."""
        parent = self._parent(key, at)
        parent.profile.epoch_ended(conversations, at)
        own = self._own.get(key.own)
        if own is not None:
            own.epoch_ended(conversations, at)
        self._believed.pop(key, None)

    def changes(self, most: int) -> tuple["LearntProfile | LearntParent", ...]:
        """What changed since it was last asked, at most so much; what is left comes the next time."""
        names = list(self._changed)[:most]
        for name in names:
            del self._changed[name]
        return tuple(filter(None, map(self._kept, names)))

    def restore(self, kept: "LearntProfile | LearntParent") -> None:
        """Take up again what a store kept."""
        self._believed.clear()
        if isinstance(kept, LearntProfile):
            _put(self._own, kept.name, kept.profile, self._bound)
        else:
            _put(self._parents, kept.name, kept.parent, self._bound)

    def _kept(self, name: str) -> "LearntProfile | LearntParent | None":
        if (own := self._own.get(name)) is not None:
            return LearntProfile(name, own)
        parent = self._parents.get(name)
        return None if parent is None else LearntParent(name, parent)

    def _parent(self, key: ProfileKey, at: datetime) -> Parent:
        parent = self._parents.get(key.parent) or Parent(Profile(at))
        _put(self._parents, key.parent, parent, self._bound)
        self._note(key.parent)
        return parent

    def _profile(self, key: ProfileKey, parent: Parent, at: datetime) -> Profile | None:
        own = self._own.get(key.own)
        if own is None:
            if not parent.admits(key.own):
                return None
            own = Profile(at)
        _put(self._own, key.own, own, self._bound)
        self._note(key.own)
        return own

    def _note(self, name: str) -> None:
        self._changed[name] = None
        if len(self._changed) > 2 * self._bound:
            del self._changed[next(iter(self._changed))]


def _put(kept: OrderedDict[K, V], name: K, value: V, bound: int) -> None:
    """Put a value in as the newest; the oldest goes."""
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > bound:
        kept.popitem(last=False)
