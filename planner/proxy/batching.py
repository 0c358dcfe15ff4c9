"""Plans the requests of a message batch: a decision a group that is alike, each under the batch's stricter rules."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from planner.core.agents import rest_key
from planner.core.batch.requests import (
    Group,
    Ruled,
    Sorted,
    edited,
    made_of,
    plan_strictly,
    proof_key,
    sort_out,
    summary,
)
from planner.core.conversations import Conversation, ToolEdit, begins, continues_thread, root_key
from planner.core.decisions.gate import Denial
from planner.core.decisions.holds import worst_nano
from planner.core.facts import Facts
from planner.core.learning.experience import Experience
from planner.core.learning.sizes import combination
from planner.core.ledger.entry import Expected
from planner.core.plan import Plan, concerns, fail_open, leave
from planner.core.reasons import Reason
from planner.core.rulebook.book import RuleBook
from planner.core.splice import SpliceError
from planner.core.wire import WireError
from planner.metrics import Metrics
from planner.proxy.callers import Caller
from planner.proxy.gathering import Gathering
from planner.proxy.hours import Hours
from planner.proxy.memory import Memory
from planner.proxy.planning import Planned
from planner.stores import StoreError

LOOKING_SECONDS: Final = 5.0
"""What looking up the conversations that a batch goes on with may take together: who makes a batch waits for hours."""
MOST_GROUPS: Final = 2_000
"""Groups that are decided; the requests of further ones go as they came. Ours: each takes about a millisecond."""


class Batching:
    """Plans batches, each under the rule book that it came under; never raises for what planning gets wrong."""

    def __init__(
        self,
        *,
        memory: Memory,
        hours: Hours,
        experience: Experience,
        metrics: Metrics,
        log: FilteringBoundLogger,
        stop: Reason | None,
    ) -> None:
        self._gathering = Gathering(memory=memory, hours=hours, experience=experience, stop=stop)
        self._memory = memory
        self._experience = experience
        self._metrics = metrics
        self._log = log

    async def plan(self, body: bytes, caller: Caller, now: datetime, book: RuleBook) -> Planned:
        """Plan one batch; one whose caller says `off` is read as well: policies refuse, budgets hold, prices follow."""
        try:
            found: Sorted | None = await asyncio.to_thread(sort_out, body, book)
        except WireError:
            found = None
        if found is None or not found.all:
            return Planned(body=body, plan=leave(Reason.UNPARSABLE))
        try:
            ruled: list[Ruled] = []
            await self._all(found.groups[:MOST_GROUPS], ruled, caller, now, book)
            ruled += self._late(found.groups[MOST_GROUPS:])
            await self._middles(found.middles, ruled, caller, now, book)
            return await asyncio.to_thread(_planned, body, ruled, caller, now, book)
        except Exception as error:  # noqa: BLE001 - a bug in planning must not become the caller's error
            self._log.error("planning a batch failed", error=type(error).__name__)
            self._metrics.fail_open.add(("bug",))
            return Planned(body=body, plan=fail_open(Reason.ERROR))

    async def _middles(
        self, middles: list[Group], ruled: list[Ruled], caller: Caller, now: datetime, book: RuleBook
    ) -> None:
        """Conversations that go on: each repeats what it began with, if it is known in time."""
        done = len(ruled)
        try:
            async with asyncio.timeout(LOOKING_SECONDS):
                await self._all(middles, ruled, caller, now, book)
        except TimeoutError:
            ruled += self._late(middles[len(ruled) - done :])

    async def _all(
        self, groups: list[Group], ruled: list[Ruled], caller: Caller, now: datetime, book: RuleBook
    ) -> None:
        """Decide on each group, and put it behind what is ruled; one that fails goes as it came and spoils no other."""
        bugs: Counter[str] = Counter()
        for group in groups:
            try:
                found = await self._ruled(group, caller, now, book)
            except Exception as error:  # noqa: BLE001 - a bug in planning must not become the caller's error
                known = isinstance(error, StoreError)
                bugs[type(error).__name__] += not known
                self._metrics.fail_open.add(("store" if known else "bug",))
                found = Ruled(group, fail_open(Reason.ERROR))
            ruled.append(found)
        for name in +bugs:
            self._log.error("planning a batch failed", error=name)

    def _late(self, groups: list[Group]) -> list[Ruled]:
        """Groups that there was no time for."""
        plan = fail_open(Reason.TIME_BUDGET)
        if groups:
            self._metrics.fail_open.add(("time-budget",), len(groups))
        return [Ruled(group, plan) for group in groups]

    async def _ruled(self, group: Group, caller: Caller, now: datetime, book: RuleBook) -> Ruled:
        """What is decided for a group. Raises StoreError."""
        await asyncio.sleep(0)  # whoever makes a batch can wait for the others
        facts = await self._facts(group, caller, now, book)
        request, model = group.request, group.request.model or ""
        proven = partial(self._proven, facts, model, book)
        plan = plan_strictly(request, facts, book, proven)
        for policy, error in plan.failed:
            self._metrics.fail_policy(policy, error)
        if plan.tool_edit.empty:
            return Ruled(group, plan)
        key = combination(model, request.tools, plan.tool_edit)
        return Ruled(group, plan, self._experience.sizes.of(key, plan.tool_edit, book).interval.likely)

    async def _facts(self, group: Group, caller: Caller, now: datetime, book: RuleBook) -> Facts:
        """What the decision for a group rests on. Raises StoreError."""
        request = group.request
        facts = await self._gathering.known(request, caller, now, book)
        if not begins(request) and concerns(request, book):
            facts = msgspec.structs.replace(facts, root=root_key(request, caller.principal))
            facts, _ = await self._gathering.facts(request, caller, facts, book, None, waits=False)
            known = facts.conversation
            repeats = known is not None and (not known.edit.empty or continues_thread(request))
            facts = msgspec.structs.replace(facts, lease=None, conversation=known if repeats else None)
        undecided = facts.undecided
        if undecided is None and book.settings.batches.edits == "shadow":
            undecided = Reason.BATCH
        profile = facts.profile
        return msgspec.structs.replace(
            facts,
            batched=True,
            undecided=undecided,
            teaches=False,
            input_tokens_left=None,
            epoch=None,
            prompt=group.prompt,
            sizes=self._experience.sizes,
            learnt=facts.learnt if profile is None else self._experience.profiles.learnt(profile, keep=False),
            resting=profile is not None and self._memory.rests(rest_key(profile, request.model or ""), now),
        )

    def _proven(self, facts: Facts, model: str, book: RuleBook, edit: ToolEdit) -> bool:
        scope = facts.scope
        return scope is not None and self._memory.proven(
            proof_key(scope, model, edit), facts.now, book.settings.batches.proven_days
        )


def _planned(body: bytes, ruled: list[Ruled], caller: Caller, now: datetime, book: RuleBook) -> Planned:
    """The batch as it goes out: what takes as long as it is large, so that it is done beside the event loop."""
    denied = min(
        ((each.group.numbers[0], each.plan) for each in ruled if each.plan.denial is not None),
        key=lambda each: each[0],
        default=None,
    )
    if denied is not None:
        return Planned(body=body, plan=_denied(*denied))
    wanted = {number: each.plan.edits for each in ruled if each.plan.edits for number in each.group.numbers}
    roots: dict[int, str] = {}
    if wanted:
        try:
            body, roots = edited(body, wanted, caller.principal)
        except (SpliceError, WireError):
            roots = {}
        ruled = [part for each in ruled for part in _done(each, roots)]
    return Planned(
        body=body,
        plan=Plan(
            edits=tuple(edit for each in ruled for edit in each.plan.edits[:1]),
            decisions=summary(ruled),
            expected=_expected(ruled),
        ),
        made=made_of(ruled, book),
        begun=_begun(ruled, roots),
        worst=_worst(ruled, caller, now, book) if book.budgets else {},
    )


def _denied(number: int, plan: Plan) -> Plan:
    """A batch of which a policy refuses a request is refused whole, and told which."""
    denial = plan.denial
    words = "" if denial is None else f"requests.{number}: {denial.message}"
    policy = "" if denial is None else denial.policy
    return msgspec.structs.replace(plan, denial=Denial(policy, words), tags={})


def _done(ruled: Ruled, roots: Mapping[int, str]) -> list[Ruled]:
    """A group as it was edited: what could be read in two ways stands apart, as it came."""
    group = ruled.group
    if not ruled.plan.edits or all(number in roots for number in group.numbers):
        return [ruled]
    parts: list[Ruled] = []
    for done, plan in ((True, ruled.plan), (False, leave(Reason.EDIT_REFUSED))):
        chosen = [at for at, number in enumerate(group.numbers) if (number in roots) == done]
        if chosen:
            numbers, names = [group.numbers[at] for at in chosen], [group.names[at] for at in chosen]
            part = Group(group.request, numbers, names, group.smallest, group.total * len(chosen) // len(group.numbers))
            parts.append(Ruled(part, plan, ruled.added))
    return parts


def _begun(ruled: list[Ruled], roots: Mapping[int, str]) -> tuple[Conversation, ...]:
    """The conversations that begin with an edit, which whoever goes on with them has to repeat."""
    found = {}
    for each in ruled:
        known = each.plan.conversation
        if known is None or known.edit.empty or not begins(each.group.request):
            continue
        for number in each.group.numbers:
            found[roots[number]] = msgspec.structs.replace(known, root=roots[number], batched=True)
    return tuple(found.values())


def _expected(ruled: list[Ruled]) -> Expected | None:
    """What the requests that were weighed were expected to cost together."""
    weighed = [(each.plan.expected, len(each.group.numbers)) for each in ruled if each.plan.expected is not None]
    if not weighed:
        return None
    return Expected(
        sum(one.untouched * count for one, count in weighed), sum(one.planned * count for one, count in weighed)
    )


def _worst(ruled: list[Ruled], caller: Caller, now: datetime, book: RuleBook) -> dict[str, int]:
    """The most that a batch can cost by model, at the price of batches: as if all of a group were its longest."""
    prices, found = book.prices.contracted(caller.organization), dict[str, int]()
    for each in ruled:
        request = each.group.request
        worst = worst_nano(request, len(request.body), book, prices, now, free=each.plan.free, batched=True)
        if worst is not None:
            model = request.model or ""
            found[model] = found.get(model, 0) + worst * len(each.group.numbers)
    return found
