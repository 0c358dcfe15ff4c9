"""One trace under two rule books in the same world: which decisions differ, and what money that moves.

Both sides are billed at the newer book's prices by a world that is as it believes, so that nothing but decisions can
make them differ. What was recorded before a moment is played and not counted: it is what a live planner would know.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Generic, TypeVar

import msgspec

from planner.core.reasons import Action, Decision
from planner.core.replay.player import Played, Player
from planner.core.replay.staging import nature_of, stage
from planner.core.replay.tally import KINDS
from planner.core.replay.trace import TraceLine
from planner.core.rulebook.book import RuleBook

FOLLOWED: Final = "(no decision of its own)"
"""Under this name stands money of requests that were decided alike: caches, containers, free hours differ."""

K = TypeVar("K")

BOUND: Final = 500_000
"""Conversations and principals that are told apart."""

SILENT: Final = "(no policy)"
NO_TEAM: Final = "(no team)"


class Ruled(msgspec.Struct, frozen=True, order=True):
    """How one decision ended, and which policy decided; empty for none."""

    outcome: str
    reason: str = ""
    policy: str = ""


Changed = tuple[str, Ruled, Ruled]
"""An action, and how it ends under both books."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of which one action ends otherwise, and how their cost differs; the same requests may stand in several.

    `teams` and `models` count them, the most first.
    """

    action: str
    before: Ruled
    after: Ruled
    requests: int
    moved_nano: int
    teams: dict[str, int]
    models: dict[str, int]


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What some requests cost under both books, in nano-dollars; `moved_nano` is positive where it costs more."""

    name: str
    requests: int
    before_nano: int
    after_nano: int
    moved_nano: int


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What was played and counted; `warm_up` are requests that were only played."""

    requests: int
    conversations: int
    principals: int
    first: str | None
    last: str | None
    warm_up: int


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests are decided otherwise in any action, and every change, what moves most money first.

    `changed` counts those of which any outcome, reason or deciding policy differs, `outcomes` those of which an outcome
    does.
    """

    changed: int
    outcomes: int
    changes: tuple[Change, ...]


class Moves(msgspec.Struct, frozen=True, kw_only=True):
    """The bill under both books. Requests without a price, `unpriced`, are in no sum.

    `unweighed_web` are requests whose web tools are bounded otherwise: what a lower `max_uses` takes away is weighed,
    and nothing else of it, for nobody knows what searches would have found, or a model would have asked for.

    By policy stand requests that are decided otherwise, under the newer book's policy of the first action that is.
    """

    before_nano: int
    after_nano: int
    moved_nano: int
    unpriced: int
    unweighed_web: int = 0
    by_team: tuple[Share, ...]
    by_policy: tuple[Share, ...]
    by_kind: tuple[Share, ...]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    traffic: Traffic
    decisions: Decisions
    money: Moves


class _Sum(msgspec.Struct):
    requests: int = 0
    before: int = 0
    after: int = 0

    def add(self, before: int, after: int) -> None:
        self.requests += 1
        self.before += before
        self.after += after

    def named(self, name: str) -> Share:
        moved = self.after - self.before
        return Share(
            name=name, requests=self.requests, before_nano=self.before, after_nano=self.after, moved_nano=moved
        )


class _Seen(msgspec.Struct):
    requests: int = 0
    moved: int = 0
    teams: Counter[str] = msgspec.field(default_factory=Counter)
    models: Counter[str] = msgspec.field(default_factory=Counter)


class _Distinct(Generic[K]):
    """Counts what comes again and again once; one that was not seen for as long as `BOUND` others is counted anew."""

    def __init__(self) -> None:
        self.count = 0
        self._seen: OrderedDict[K, None] = OrderedDict()

    def add(self, key: K) -> None:
        self.count += key not in self._seen
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > BOUND:
            self._seen.popitem(last=False)


class Comparison:
    """Plays every line under both books. Its size is that of the answer, not of the traffic, but for names."""

    def __init__(self, old: RuleBook, new: RuleBook, since: datetime | None = None) -> None:
        self._new = new
        self._since = since
        nature = nature_of(new)
        self._before, self._after = (Player(book, stage(new, nature)) for book in (old, new))
        self._changes: dict[tuple[str, Ruled, Ruled], _Seen] = {}
        self._teams: dict[str, _Sum] = {}
        self._policies: dict[str, _Sum] = {}
        self._kinds: dict[str, _Sum] = {}
        self._all = _Sum()
        self._conversations: _Distinct[tuple[str, str]] = _Distinct()
        self._principals: _Distinct[str] = _Distinct()
        self._span: tuple[str | None, str | None] = (None, None)
        self._requests = self._warm_up = self._unpriced = self._changed = self._outcomes = self._unweighed = 0

    def play(self, line: TraceLine) -> None:
        """Play one line; lines come in time order."""
        before, after = self._before.play(line), self._after.play(line)
        if self._since is not None and line.at < self._since:
            self._warm_up += 1
            return
        at = line.at.isoformat()
        self._span = (self._span[0] or at, at)
        self._requests += 1
        self._conversations.add((line.principal, line.conversation))
        self._principals.add(line.principal)
        changed = tuple(_changed(before, after))
        self._changed += bool(changed)
        self._unweighed += before.plan.tool_edit.limits != after.plan.tool_edit.limits
        self._outcomes += any(was.outcome != now.outcome for _, was, now in changed)
        team, moved = self._team(line), self._bill(line, before, after, changed)
        for action, old, new in changed:
            seen = self._changes.setdefault((action, old, new), _Seen())
            seen.requests += 1
            seen.moved += moved
            seen.teams[team] += 1
            seen.models[line.request.model or ""] += 1

    def result(self) -> Compared:
        """What both books come to on all that was played."""
        changes = (_change(*key, seen) for key, seen in self._changes.items())
        kinds = [(kind, self._kinds[kind]) for kind in KINDS if kind in self._kinds]
        whole = self._all
        return Compared(
            traffic=Traffic(
                requests=self._requests,
                conversations=self._conversations.count,
                principals=self._principals.count,
                first=self._span[0],
                last=self._span[1],
                warm_up=self._warm_up,
            ),
            decisions=Decisions(
                changed=self._changed,
                outcomes=self._outcomes,
                changes=tuple(sorted(changes, key=_weight)),
            ),
            money=Moves(
                before_nano=whole.before,
                after_nano=whole.after,
                moved_nano=whole.after - whole.before,
                unpriced=self._unpriced,
                unweighed_web=self._unweighed,
                by_team=_shares(self._teams.items()),
                by_policy=_shares(self._policies.items()),
                by_kind=tuple(each.named(kind) for kind, each in kinds),
            ),
        )

    def _team(self, line: TraceLine) -> str:
        caller = self._new.callers.find(line.principal)
        return (caller and caller.team) or line.team or NO_TEAM

    def _bill(self, line: TraceLine, before: Played, after: Played, changed: tuple[Changed, ...]) -> int:
        """Add one request's money to all sums; return what it costs more under the newer book."""
        bills = before.response.bill, after.response.bill
        if bills[0] is None or bills[1] is None:
            self._unpriced += 1
            return 0
        old, new = (sum(bill.values()) for bill in bills if bill is not None)
        self._all.add(old, new)
        self._teams.setdefault(self._team(line), _Sum()).add(old, new)
        for kind in bills[0] | bills[1]:
            self._kinds.setdefault(kind, _Sum()).add(bills[0].get(kind, 0), bills[1].get(kind, 0))
        if changed:
            _, was, now = changed[0]
            self._policies.setdefault(now.policy or was.policy or SILENT, _Sum()).add(old, new)
        elif old != new:
            self._policies.setdefault(FOLLOWED, _Sum()).add(old, new)
        return new - old


def _changed(before: Played, after: Played) -> Iterable[Changed]:
    """The actions that end otherwise: bundle first, since the version may follow it, then the others."""
    old, new = _by_action(before.plan.decisions), _by_action(after.plan.decisions)
    first = (Action.BUNDLE.value, Action.VERSION.value)
    for action in sorted(old | new, key=lambda it: (first.index(it) if it in first else len(first), it)):
        was, now = old.get(action, Ruled("")), new.get(action, Ruled(""))
        if was != now:
            yield action, was, now


def _by_action(decisions: Iterable[Decision]) -> dict[str, Ruled]:
    """The first decision of each action; what shadow policies would have done stands behind it."""
    found: dict[str, Ruled] = {}
    for each in decisions:
        reason = "" if each.reason is None else each.reason.value
        found.setdefault(each.action.value, Ruled(each.outcome.value, reason, each.policy or ""))
    return found


def _change(action: str, before: Ruled, after: Ruled, seen: _Seen) -> Change:
    return Change(
        action=action,
        before=before,
        after=after,
        requests=seen.requests,
        moved_nano=seen.moved,
        teams=_most_first(seen.teams),
        models=_most_first(seen.models),
    )


def _weight(each: Change) -> tuple[int, int, str, Ruled, Ruled]:
    return -abs(each.moved_nano), -each.requests, each.action, each.before, each.after


def _shares(sums: Iterable[tuple[str, _Sum]]) -> tuple[Share, ...]:
    """By what they move, the most first."""
    shares = (each.named(name) for name, each in sums)
    return tuple(sorted(shares, key=lambda it: (-abs(it.moved_nano), it.name)))


def _most_first(counted: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda each: (-each[1], each[0])))
