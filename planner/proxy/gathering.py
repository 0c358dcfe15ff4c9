"""Gathers the facts of a request: who asks for what, which conversation it goes on with, what is learnt of its like."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final, ParamSpec, TypeVar

import msgspec

from planner.core.agents import ProfileKey, profile_key, rest_key
from planner.core.allowance import Allowance
from planner.core.conversations import (
    Conversation,
    Scope,
    begins,
    elder_lookups,
    lookups,
    prefix_key,
    session_key,
)
from planner.core.decisions.worth import see
from planner.core.facts import Facts
from planner.core.learning.experience import Experience
from planner.core.learning.scale import Prompt
from planner.core.learning.sizes import estimated_prompt
from planner.core.plan import holds
from planner.core.reasons import Reason
from planner.core.rulebook.book import RuleBook
from planner.core.wire import Followed, MessagesRequest
from planner.proxy.callers import Caller
from planner.proxy.hours import Hours
from planner.proxy.memory import Glance, Memory

LARGE: Final = 2 * 1024 * 1024
"""A larger body is planned off the event loop, which it would hold for milliseconds."""

P = ParamSpec("P")
T = TypeVar("T")


class Gathering:
    """What a process knows, for one request at a time; with a `Glance`, for one that is not sent."""

    def __init__(self, *, memory: Memory | Glance, hours: Hours, experience: Experience, stop: Reason | None) -> None:
        self._memory = memory
        self._asks = isinstance(memory, Glance)
        self._hours = hours
        self._experience = experience
        self._stop = stop

    async def known(self, request: MessagesRequest, caller: Caller, now: datetime, book: RuleBook) -> Facts:
        """Who asks for what, as far as nothing needs to be looked up."""
        scope = self._memory.scope(caller.account) or declared_scope(caller)
        organization = "" if scope is None else scope.organization
        prompt, prefix, profile = await off_loop(request, _seen, request, scope, caller.principal)
        return Facts(
            now=now,
            principal=caller.principal,
            team=caller.team or "",
            project=caller.project or "",
            flags=caller.flags,
            tags=caller.tags,
            subscription=caller.subscription,
            scope=scope,
            undecided=self._stop or (Reason.OBSERVE if caller.mode == "observe" else None),
            observing=self._stop is Reason.OBSERVE,
            identifiable=caller.identifiable,
            off=caller.mode == "off",
            prompt=prompt,
            allowance=self._judged(organization, book, now),
            prefix=prefix,
            profile=profile,
        )

    async def facts(
        self,
        request: MessagesRequest,
        caller: Caller,
        known: Facts,
        book: RuleBook,
        followed: Followed | None,
        *,
        waits: bool = True,
    ) -> tuple[Facts, str | None]:
        """Everything the plan rests on, and the key of the caller's session. Raises StoreError.

        `waits` says that what another process answered a moment ago is waited for, until it is in the store.
        """
        principal, now, root = caller.principal, known.now, known.root
        scope, prefix, profile = known.scope, known.prefix, known.profile
        resting = profile is not None and self._memory.rests(rest_key(profile, request.model or ""), now)
        session = None if caller.session is None or scope is None else session_key(principal, scope, caller.session)
        keys = lookups(request, principal)
        lease = await self._memory.lease(lookups(request, principal, None if followed is None else followed.last))
        if lease is None and waits and self._memory.shared and keys and await self._is_due(request, root):
            lease = await self._memory.lease_to_come(keys, must=request.awaited)
        conversation = None if lease is None else lease.turn.conversation
        by_session = lease is None and session is not None
        if lease is None and session is not None:
            lease = await self._memory.lease((session,))
        if conversation is None:
            conversation = await self._by_root(request, principal, root, now)
            if begins(request) and not holds(conversation, request, book, resting=resting):
                conversation = None
        facts = msgspec.structs.replace(
            known,
            by_session=by_session,
            resting=resting,
            conversation=conversation,
            lease=lease,
            epoch=self._experience.epochs.find(prefix, now),
            sizes=self._experience.sizes,
            trying=self._experience.trying(request.model or "", now),
            input_tokens_left=self._memory.input_tokens_left(caller.account, now),
            teaches=_teaches(request, book),
        )
        if profile is not None and (begins(request) or book.ruling.conditional):
            facts = msgspec.structs.replace(
                facts, learnt=self._experience.profiles.learnt(profile, keep=not self._asks)
            )
        return facts, session

    def _judged(self, organization: str, book: RuleBook, now: datetime) -> Allowance:
        settings = book.settings.free_hours
        if self._asks:
            return self._hours.glance(organization, settings, now)
        return self._hours.pool(organization, settings).judge(now)

    async def _is_due(self, request: MessagesRequest, root: str) -> bool:
        """Whether the last turn of a request is one that a planner writes down. Raises StoreError.

        It ran the server's tools, or what began so has an edit.
        """
        if any(block.server_call for block in request.last_assistant):
            return True
        return not begins(request) and (await self._memory.root(root, middle=True)).edited is not None

    async def _by_root(self, request: MessagesRequest, principal: str, root: str, now: datetime) -> Conversation | None:
        """The conversation of a request whose last turn is not known. Raises StoreError.

        Thinking is bound to the tools that it was thought under, so what carries any and is not known by it may well
        have begun in the same words without an edit; unless it is a thought that is still being read, or one of a
        batch, which nobody has read.
        """
        known = await self._memory.root(root, middle=not begins(request))
        if begins(request):
            return known.begun(now)
        if known.edited is not None:
            elder = await self._memory.lease(elder_lookups(request, principal))
            if elder is not None:
                return elder.turn.conversation
            if request.signed and known.edited.batched:
                return known.edited
            if request.signed and not known.answering:
                return known.plain
        self._memory.leaned(root, now)
        return known.middle(now)


def declared_scope(caller: Caller) -> Scope | None:
    """The scope that `callers.yaml` declares; what responses say beats it."""
    if caller.organization is None or caller.workspace is None:
        return None
    return Scope(caller.organization, caller.workspace)


async def off_loop(request: MessagesRequest, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what takes as long as a body is; of a large one it would hold the event loop, so it is done beside it."""
    if len(request.body) <= LARGE:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


def _seen(request: MessagesRequest, scope: Scope | None, principal: str) -> tuple[Prompt, str, ProfileKey]:
    """What a body itself tells: its prompt, and the digests of its prefix and its profile."""
    return see(request), prefix_key(request, scope), profile_key(request, principal)


def _teaches(request: MessagesRequest, book: RuleBook) -> bool:
    """Whether the answer can tell what an edit adds: streams tell the first prompt, and the body what it should be."""
    return request.stream and len(request.body) <= LARGE and estimated_prompt(request, book) is not None
