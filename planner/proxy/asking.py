"""Answers what would be done: with a request, by all that this process knows, or with a workflow. Nothing is sent.

Nothing is decided, counted or remembered by it either: a request that comes afterwards meets what it would have met.
"""

import asyncio
from typing import Final

import msgspec

from planner.clock import Clock
from planner.core.conversations import root_key
from planner.core.learning.experience import Experience
from planner.core.preview.told import Asker, Explanation, explain
from planner.core.reasons import Reason
from planner.core.rulebook.book import Callers
from planner.core.wire import MessagesRequest, follow
from planner.proxy.callers import Caller, read_tags
from planner.proxy.gathering import Gathering
from planner.proxy.hours import Hours
from planner.proxy.inforce import InForce
from planner.proxy.memory import Glance
from planner.reckoning import Reckoned, Reckoning, Work

PATIENCE_SECONDS: Final = 2.0
"""What looking things up may take: nobody's request waits for it."""
REQUEST, WORKFLOW = "request.json", "workflow.yaml"
"""By which names they are told."""


class Asking:
    """What may be asked of this process; a body is as large as one that is planned on the event loop at most."""

    def __init__(
        self,
        glance: Glance,
        hours: Hours,
        experience: Experience,
        *,
        stop: Reason | None,
        rules: InForce,
        clock: Clock,
    ) -> None:
        self._glance, self._hours, self._experience = glance, hours, experience
        self._stop, self._rules, self._clock = stop, rules, clock
        self._reckoning = Reckoning()

    async def request(self, body: bytes, asker: Asker) -> Explanation:
        """What would be done with a request. Raises WireError, SpliceError, StoreError, TimeoutError."""
        book, now = self._rules.book, self._clock.now()
        request = MessagesRequest.parse(body)
        caller = self._caller(asker, book.callers)
        gathering = Gathering(
            memory=self._glance,
            hours=self._hours,
            experience=self._experience,
            stop=self._stop if asker.mode is None else None,
        )
        known = await gathering.known(request, caller, now, book)
        known = msgspec.structs.replace(known, root=root_key(request, caller.principal))
        async with asyncio.timeout(PATIENCE_SECONDS):
            facts, _ = await gathering.facts(request, caller, known, book, follow(request.messages))
        return explain(REQUEST, request, facts, book)

    async def workflow(self, text: bytes, asker: Asker) -> Reckoned:
        """The cheapest way through a workflow. Raises ReckonError."""
        book, now = self._rules.book, self._clock.now()
        caller = self._caller(asker, book.callers)
        scope = self._glance.scope(caller.account)
        organization = caller.organization if scope is None else scope.organization
        hours = self._hours.glance(organization or "", book.settings.free_hours, now)
        return await self._reckoning.plan(Work(name=WORKFLOW, text=text, book=book, now=now, hours=hours))

    def _caller(self, asker: Asker, callers: Callers) -> Caller:
        """Who asks, as its own request would say it."""
        row = callers.find(asker.principal)
        keys = (asker.principal,) if row is None else row.keys
        seen = () if asker.scope is not None else (key for key in keys if self._glance.scope(key) is not None)
        tags = read_tags(None if asker.tags is None else asker.tags.encode("latin-1", "replace"))
        declared = (None, None) if row is None else (row.organization, row.workspace)
        where = declared if asker.scope is None else (asker.scope.organization, asker.scope.workspace)
        return Caller(
            principal=asker.principal if row is None else row.name,
            account=next(iter(seen), ""),
            team=asker.team or (row.team if row else None) or tags.get("team"),
            project=asker.project or (row.project if row else None) or tags.get("project"),
            organization=where[0],
            workspace=where[1],
            subscription=(asker.billing or (row.billing if row else None)) == "subscription",
            flags=asker.flags or (row.flags if row else ()),
            named=row is not None,
            tags=tags,
            session=asker.session,
            mode=asker.mode or "plan",
        )
