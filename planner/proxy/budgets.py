"""Holds money of budgets before a request is sent, and settles it when its cost is known.

A request waits for the store only when this process has too little leased; what waits together asks together. A budget
fails open: where its store does not answer, or a bug of ours stands in the way, requests go on, and are counted.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from planner.clock import Clock
from planner.core.budget import LEASE_LASTS, Account, Ask
from planner.core.decisions.holds import Habits, worst_nano
from planner.core.ledger.entry import Entry, Shadow
from planner.core.pricing.dated import utc_day
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.records import EntryRecord, Record
from planner.core.rulebook.spending import Claim, Key, Spender, claim, claims
from planner.metrics import NANO, Bounded, Metrics
from planner.proxy.arrive import Arrived
from planner.proxy.callers import spender_of
from planner.proxy.inforce import InForce
from planner.proxy.planning import Planned
from planner.proxy.statuses import Status
from planner.stores.budgets import BudgetStore
from planner.tasks import Tasks

RENEW_SECONDS: Final = LEASE_LASTS.total_seconds() / 4
PATIENCE: Final = 1.0
"""Seconds that a request waits for the store before it goes on without it: ours."""
EMPTY_LASTS: Final = timedelta(seconds=1)
"""How long nobody asks again where nothing was left: whoever is refused must not wear out the row. Ours."""
REMEMBERED: Final = 100_000
"""Requests on their way into the ledger; of what is forgotten the account keeps the amount for its period."""
ACCOUNTS: Final = 10_000
"""Accounts that a process knows before it forgets idle ones."""


class Admission(msgspec.Struct):
    """What budgets say of one request: `refused` by the one that has no room, `told` what its caller should know.

    `decisions` and `shadows` go into the ledger.
    """

    refused: Status | None = None
    told: list[Status] = []
    decisions: tuple[Decision, ...] = ()
    shadows: tuple[Shadow, ...] = ()


class _Opened(msgspec.Struct, eq=False):
    """An account of this process; `needed` is what requests that wait for the store need together.

    `empty_until` is until when nothing is asked because nothing was left of `limit`. `used` says that it was held from
    since the last renewal.
    """

    claim: Claim
    account: Account = msgspec.field(default_factory=Account)
    turn: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    asking: asyncio.Task[None] | None = None
    needed: int = 0
    known: bool = False
    failed: bool = False
    clipped: bool = False
    empty_until: datetime | None = None
    limit: int = 0
    used: bool = False


class _Sent(msgspec.Struct):
    """A request that counts in accounts; `worst` is what it may cost at most, where that is known."""

    keys: tuple[Key, ...]
    agent: tuple[str, str] | None = None
    worst: int = 0


class Budgets:
    """The budgets of one process, which goes by `owner` in the store; one that observes refuses nothing."""

    def __init__(  # noqa: PLR0913 - the parts of it, named
        self,
        store: BudgetStore,
        rules: InForce,
        *,
        owner: str,
        clock: Clock,
        metrics: Metrics,
        log: FilteringBoundLogger,
        tasks: Tasks,
        observe: bool = False,
    ) -> None:
        self._store = store
        self._rules = rules
        self._owner = owner
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._tasks = tasks
        self._observe = observe
        self._habits = Habits()
        self._accounts: OrderedDict[Key, _Opened] = OrderedDict()
        self._sent: dict[str, _Sent] = {}
        self._unstored: OrderedDict[str, tuple[tuple[Key, ...], int]] = OrderedDict()
        self._values = Bounded()
        self._troubled = False

    async def admit(self, arrived: Arrived, planned: Planned | None) -> Admission:
        """Hold what a request may cost in every budget that it counts in, or say which one has no room for it."""
        admission = Admission()
        if not arrived.book.budgets or not arrived.endpoint.planned:
            return admission
        found = claims(arrived.book.budgets, spender_of(arrived.caller), arrived.at)
        if not found:
            return admission
        sent = self._sent[arrived.request_id] = _Sent(tuple(each.key for each in found))
        nano = self._needs(arrived, planned, sent)
        for each in found:
            opened = self._open(each)
            now = self._clock.now()
            if await self._holds(opened, arrived.request_id, nano, now, one=planned is None or planned.made is None):
                continue
            self._without(each, admission)
            if each.budget.refuses and not self._observe:
                admission.refused = self._status(opened)
                self.release(arrived.request_id)
                break
            opened.account.hold(arrived.request_id, nano, now)
        admission.told += self._told(self._accounts[each.key] for each in found if each.key in self._accounts)
        return admission

    def release(self, request_id: str) -> None:
        """Let go of all that a request holds that is not sent."""
        sent = self._sent.pop(request_id, None)
        for key in () if sent is None else sent.keys:
            if key in self._accounts:
                self._accounts[key].account.release(request_id)

    def settle(self, arrived: Arrived, entry: Entry) -> None:
        """Spend what a request did cost, whether it was held for or not; an unknown cost counts nothing."""
        sent = self._sent.pop(entry.request_id, None)
        if sent is None:
            if not arrived.book.budgets or not entry.cost_nano:
                return
            sent = _Sent(tuple(each.key for each in self._reopened(arrived, entry.spender)))
        cost = entry.cost_nano or 0
        for key in sent.keys:
            if key in self._accounts:
                opened = self._accounts[key]
                opened.account.settle(entry.request_id, cost)
                self._count_overspend(opened, cost)
        if cost and sent.keys:
            self._unstored[entry.request_id] = sent.keys, cost
            if len(self._unstored) > REMEMBERED:
                self._unstored.popitem(last=False)
        if sent.agent is not None and entry.cost_nano is not None and entry.outcome == "ok":
            self._habits.learn(sent.agent, sent.worst, cost)

    def stored(self, records: Sequence[Record]) -> None:
        """The ledger has these records."""
        for record in records:
            if not isinstance(record, EntryRecord) or record.entry.outcome == "unknown":
                continue
            keys, cost = self._unstored.pop(record.entry.request_id, ((), 0))
            for key in keys:
                if key in self._accounts:
                    self._accounts[key].account.stored(cost)

    async def run(self) -> None:
        """Keep leases, give back what is not used, free what nobody settled; for ever."""
        forget_at = self._clock.now()
        while True:
            await self.renew()
            if self._clock.now() >= forget_at:
                forget_at = self._clock.now() + timedelta(days=1)
                await self._forget()
            await asyncio.sleep(RENEW_SECONDS)

    async def renew(self) -> None:
        """Renew every lease that covers something; an account that nothing was held from gives its block back."""
        now = self._clock.now()
        today = utc_day(now)
        for budget in self._rules.book.budgets:
            self._metrics.budget_refusals.add((budget.name,), 0)  # so that an alert sees the first refusal
            if not budget.each and budget.mode != "off" and budget.in_force(today):
                self._open(claim(budget, "", today))
        for key, opened in tuple(self._accounts.items()):
            late = opened.account.expire(now)
            if late:
                self._log.warning("holds expired", budget=key.budget, value=key.value, holds=late)
            if key.value and opened.known and opened.account.idle and not opened.account.leases:
                continue
            spare = max(opened.account.free(now), 0) if opened.used else 0
            opened.used = False
            await self._ask(opened, spare=spare, block=False)
            if opened.claim.period.resets <= now and opened.account.idle:
                self._accounts.pop(key, None)

    async def close(self) -> None:
        """Give back all that is not used, and let go of the store."""
        for opened in tuple(self._accounts.values()):
            if opened.account.leases:
                await self._ask(opened, spare=0, block=False)
        await self._store.close()

    def export(self, metrics: Metrics) -> None:
        """Export what every account has, as this process knows it."""
        metrics.gauge(
            "planner_budget_usd",
            "Limit, spent and held of each budget, as this process knows them.",
            self._samples,
            labels=("budget", "value", "period", "amount"),
        )

    def _samples(self) -> Iterable[tuple[tuple[str, ...], float]]:
        now = self._clock.now()
        current = [each for each in self._accounts.values() if each.claim.period.resets > now and each.known]
        found: dict[tuple[str, str, str, str], float] = {}
        for opened in current:
            budget, account = opened.claim.budget, opened.account
            value = self._values(opened.claim.key.value)
            for amount, nano in (("limit", budget.nano), ("spent", account.spent), ("held", account.held)):
                labels = (budget.name, value, budget.per, amount)
                found[labels] = found.get(labels, 0.0) + nano / NANO
        return found.items()

    def _needs(self, arrived: Arrived, planned: Planned | None, sent: _Sent) -> int:
        """What is held for a request; nothing for one that has no price."""
        request = None if planned is None else planned.request
        if planned is not None and planned.made is not None:
            principal = arrived.caller.principal
            return sum(self._habits.hold((principal, model), worst) for model, worst in planned.worst.items())
        if planned is None or request is None:
            return 0
        scope = planned.scope
        prices = arrived.book.prices.contracted(arrived.caller.organization if scope is None else scope.organization)
        worst = worst_nano(request, len(planned.body), arrived.book, prices, arrived.at, free=planned.plan.free)
        if worst is None:
            return 0
        sent.agent, sent.worst = (arrived.caller.principal, request.model or ""), worst
        return self._habits.hold(sent.agent, worst)

    async def _holds(self, opened: _Opened, request_id: str, nano: int, now: datetime, *, one: bool) -> bool:
        """Hold for a request, if there is room; where the store does not answer there is.

        Where nothing else is in flight, `one` request may have what is left: a batch is many, and can be made smaller.
        """
        account, budget = opened.account, opened.claim.budget
        opened.used = True
        if not budget.refuses or self._observe:
            if not opened.known and not await self._wait(opened, 0):
                self._metrics.fail_open.add(("budget",))
            left = budget.nano - account.spent - account.held
            if left < max(nano, 1) and (account.held or left <= 0 or not one):
                return False
            account.hold(request_id, nano, now)
            return True
        while (amount := account.admits(nano, now)) is None:
            if opened.empty_until is not None and now < opened.empty_until and opened.limit == budget.nano:
                amount = account.admits(nano, now, alone=one)
                break
            if not await self._wait(opened, max(nano, 1)):
                self._metrics.fail_open.add(("budget",))
                amount = nano
                break
            now = self._clock.now()
        if amount is not None:
            account.hold(request_id, amount, now)
        return amount is not None

    async def _wait(self, opened: _Opened, nano: int) -> bool:
        """Wait until the store was asked for what this request and those beside it need; say whether it answered."""
        opened.needed += nano
        try:
            if opened.asking is None:
                opened.asking = self._tasks.start("budget", self._asking(opened))
            done, _ = await asyncio.wait({opened.asking}, timeout=PATIENCE)
        finally:
            opened.needed -= nano
        return bool(done) and not opened.failed

    async def _asking(self, opened: _Opened) -> None:
        """Ask for all who wait, once they have said so."""
        try:
            await asyncio.sleep(0)
            await self._ask(opened, spare=opened.needed, block=True)
        finally:
            opened.asking = None

    async def _ask(self, opened: _Opened, *, spare: int, block: bool) -> None:
        """Exchange the lease of an account; a budget that refuses nothing has none, and only learns what was spent."""
        async with opened.turn:
            await self._exchange(opened, spare, block=block)

    async def _exchange(self, opened: _Opened, spare: int, *, block: bool) -> None:
        budget, account, now = opened.claim.budget, opened.account, self._clock.now()
        mark = account.mark()
        ask = Ask(owner=self._owner, limit=budget.nano, now=now)
        if budget.refuses and not self._observe:
            ask = account.ask(self._owner, budget.nano, now, spare=spare, block=block)
        try:
            granted = await self._store.exchange(opened.claim, ask)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a store, requests go on
            opened.failed = True
            if not self._troubled:
                self._log.error("budgets cannot be asked; requests go on", error=type(error).__name__)
            self._troubled = True
            return
        if self._troubled:
            self._log.info("budgets can be asked again")
        self._troubled = opened.failed = False
        opened.known, opened.limit = True, budget.nano
        opened.empty_until = now + EMPTY_LASTS if granted.clipped else None
        account.granted(granted, mark)

    def _open(self, claimed: Claim) -> _Opened:
        """The account of a claim, under the budget as it reads now."""
        opened = self._accounts.get(claimed.key)
        if opened is None:
            opened = self._accounts[claimed.key] = _Opened(claimed)
            self._make_room()
        opened.claim = claimed
        self._accounts.move_to_end(claimed.key)
        return opened

    def _make_room(self) -> None:
        """Forget an account of long ago that nothing rests on: what it leased ends by itself."""
        if len(self._accounts) <= ACCOUNTS:
            return
        idle = (key for key, each in self._accounts.items() if each.account.idle and each.asking is None)
        oldest = next(idle, None)
        if oldest is not None and oldest != next(reversed(self._accounts)):
            del self._accounts[oldest]

    def _reopened(self, arrived: Arrived, spender: Spender) -> Iterable[Claim]:
        """The accounts of a request that was not held for, as results of a batch are not."""
        for each in claims(arrived.book.budgets, spender, arrived.at):
            self._open(each)
            yield each

    def _without(self, claimed: Claim, admission: Admission) -> None:
        """Say in the ledger that a budget had no room."""
        budget = claimed.budget
        if not budget.hard:
            return
        if budget.mode == "shadow":
            shadow = Shadow(Action.BUDGET, Outcome.APPLIED, Reason.EXHAUSTED, budget.name)
            admission.shadows = (*admission.shadows, shadow)
            return
        outcome, reason = Outcome.APPLIED, Reason.EXHAUSTED
        if self._observe:
            outcome, reason = Outcome.SHADOW, Reason.OBSERVE
        else:
            self._metrics.budget_refusals.add((budget.name,))
        admission.decisions = (*admission.decisions, Decision(Action.BUDGET, outcome, reason, budget.name))

    def _told(self, found: Iterable[_Opened]) -> list[Status]:
        """What a caller is told: the budgets that are spent as far as they have something to say."""
        told = []
        for opened in found:
            status = self._status(opened)
            if opened.claim.budget.mode != "enforce" or not opened.known or status.percent is None:
                continue
            self._metrics.budget_warnings.add((status.budget, str(status.percent)))
            told.append(status)
        return told

    def _status(self, opened: _Opened) -> Status:
        budget, spent = opened.claim.budget, opened.account.spent
        reached = [percent for percent in budget.soft_at if spent * 100 >= percent * budget.nano]
        return Status(
            budget=budget.name,
            value=opened.claim.key.value,
            spent=spent,
            limit=budget.nano,
            resets=opened.claim.period.resets,
            percent=max(reached, default=None),
        )

    def _count_overspend(self, opened: _Opened, cost: int) -> None:
        beyond = opened.account.spent - opened.claim.budget.nano
        if opened.claim.budget.refuses and beyond > 0 and cost > 0:
            self._metrics.budget_overspend.add(amount=min(beyond, cost))

    async def _forget(self) -> None:
        try:
            await self._store.forget(self._clock.now() - timedelta(days=1))
        except Exception as error:  # noqa: BLE001 - old leases harm nobody: they have ended
            self._log.warning("old leases stay for another day", error=type(error).__name__)
