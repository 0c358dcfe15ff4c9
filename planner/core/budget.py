"""A budget's account: money is held before a request is sent, and settled when its cost is known.

    (none)  --hold--->  held      what the request may cost is set aside
    held    --settle->  (none)    what it did cost is spent, what it held is free again
    held    --expire->  expired   nobody settled it in time: what it held is free again
    expired --settle->  (none)    late: what it did cost is spent all the same

Many processes share one account without sharing a row at each request: each leases a *block*, a part of what is left,
and holds out of it. What is shared knows what the ledger says was spent, and who has leased how much until when.

    lease = unstored + held + free       of one process: settled but not in the ledger yet, held, and to be held
    left  = limit - ledger - leases      what can be leased; a lease that is not renewed ends by itself

**Law.** A hard budget admits a request only where its hold fits into its process's lease, and a lease is granted only
out of what is left. So when a process admits, all that it has unstored and held is leased, and together

    spent <= limit + the sum of (cost - hold) over the requests that were in flight when their process last admitted

which is nothing where holds are the worst case. It does not add up: what went beyond is paid before anything else is
admitted. Beside the law stands what is not held: requests that went on while the store did not answer, results of
batches, corrections. A process that dies hides what it had not stored until its journal is read again, at most its
lease; what it held is free when its lease ends.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

import msgspec

SHARES: Final = 16
"""A block is this part of what is left, or what is needed now if that is more. Ours."""
HOLD_LASTS: Final = timedelta(minutes=30)
"""Longer than an answer takes: a hold that is older was forgotten. Ours."""
LEASE_LASTS: Final = timedelta(seconds=60)
"""How long a lease lasts without being renewed, and so how long a process that died keeps anything. Ours."""


class State(Enum):
    """Where a hold stands; one that is settled is gone."""

    HELD = "held"
    EXPIRED = "expired"


class Hold(msgspec.Struct):
    """What one request has set aside, in nano-dollars, until a time."""

    nano: int
    until: datetime
    state: State = State.HELD


class Lease(msgspec.Struct, frozen=True):
    """What one process has leased, in nano-dollars, until a time."""

    nano: int
    until: datetime


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a process asks of a shared account.

    `used` is what it has spent or holds and the ledger does not know, `spare` what it wants beyond that; with `block`
    it takes a share of what is left where that is more. Without any use for a lease it gives its own back.
    """

    owner: str
    limit: int
    used: int = 0
    spare: int = 0
    block: bool = False
    now: datetime


class Granted(msgspec.Struct, frozen=True):
    """The lease that a process has from now on; `clipped` says that it is less than was asked, since no more is left.

    `spent` is what the ledger says.
    """

    nano: int
    until: datetime
    spent: int
    clipped: bool


def exchange(spent: int, leases: Mapping[str, Lease], ask: Ask) -> Granted:
    """What a process gets, given what the ledger says was spent and what everybody has leased.

    What it uses is leased also where nothing is left: it was spent, or will be, and the others must know.
    """
    others = sum(lease.nano for owner, lease in leases.items() if owner != ask.owner and lease.until > ask.now)
    room = max(ask.limit - spent - others, 0)
    wanted = ask.used + ask.spare
    if ask.block:
        wanted = max(wanted, ask.used + (room - ask.used) // SHARES)
    return Granted(max(min(wanted, room), ask.used), ask.now + LEASE_LASTS, spent, clipped=room < wanted)


class Account:
    """One process's part of an account. Amounts are nano-dollars, times are aware; nothing here waits.

    `ledger` is what the ledger is known to hold, `unstored` what was settled and is not in it yet.
    """

    def __init__(self) -> None:
        self.ledger = 0
        self.unstored = 0
        self.held = 0
        self._lease = 0
        self._until: datetime | None = None
        self._holds: dict[str, Hold] = {}
        self._stored = 0

    @property
    def spent(self) -> int:
        """What was spent, as far as this process knows."""
        return self.ledger + self.unstored

    @property
    def idle(self) -> bool:
        """Whether nothing is in flight and everything is in the ledger."""
        return not self._holds and not self.unstored

    @property
    def leases(self) -> bool:
        """Whether this process has leased anything."""
        return self._lease > 0

    def free(self, now: datetime) -> int:
        """What may still be held out of the lease; negative where more was spent than leased, or the lease ended."""
        live = self._until is not None and now < self._until
        return (self._lease if live else 0) - self.unstored - self.held

    def admits(self, nano: int, now: datetime, *, alone: bool = False) -> int | None:
        """What a request holds if it is admitted; None if it is not. One that needs nothing needs something left.

        Where nothing else is in flight that could free more, `alone` lets one request hold whatever is left: else a
        budget smaller than one worst case would never be used.
        """
        free = self.free(now)
        if free >= max(nano, 1):
            return nano
        return free if alone and free > 0 and not self.held else None

    def hold(self, request: str, nano: int, now: datetime) -> None:
        """Set an amount aside. Raises ValueError for a request that holds already."""
        if request in self._holds:
            raise ValueError(f"request {request} holds already")
        self._holds[request] = Hold(nano, now + HOLD_LASTS)
        self.held += nano

    def release(self, request: str) -> None:
        """Let go of what a request holds that is not sent; of one that holds nothing, nothing."""
        hold = self._holds.pop(request, None)
        if hold is not None and hold.state is State.HELD:
            self.held -= hold.nano

    def settle(self, request: str, nano: int) -> None:
        """Spend what a request did cost, whether it still holds, held once, or never did."""
        self.release(request)
        self.unstored += nano

    def expire(self, now: datetime) -> int:
        """Free what nobody settled in time; say how many holds that were."""
        late = [hold for hold in self._holds.values() if hold.state is State.HELD and hold.until <= now]
        for hold in late:
            hold.state = State.EXPIRED
            self.held -= hold.nano
        return len(late)

    def stored(self, nano: int) -> None:
        """The ledger has what was settled: the lease need not cover it any more."""
        self.unstored -= nano
        self.ledger += nano
        self._lease -= nano
        self._stored += nano

    def ask(self, owner: str, limit: int, now: datetime, *, spare: int = 0, block: bool = False) -> Ask:
        """What to ask of the shared account so that what is used stays covered.

        What is not asked for is given back from this moment on: nothing is held from it while the answer is awaited.
        """
        used = max(self.unstored + self.held, 0)
        self._lease = min(self._lease, used + spare)
        return Ask(owner=owner, limit=limit, used=used, spare=spare, block=block, now=now)

    def mark(self) -> int:
        """A mark to be given back with what was granted: what the ledger took meanwhile is no part of it any more."""
        return self._stored

    def granted(self, granted: Granted, mark: int) -> None:
        """Take a lease that was asked for at a mark."""
        since = self._stored - mark
        self._lease, self._until = granted.nano - since, granted.until
        self.ledger = granted.spent if not since else max(granted.spent, self.ledger)
