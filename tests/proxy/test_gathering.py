"""What is known for one request: the same whether it is sent or only asked about, and asking leaves no trace."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from planner.core.conversations import Scope, root_key
from planner.core.facts import Facts
from planner.core.wire import MessagesRequest, follow
from planner.proxy.callers import Caller
from planner.proxy.gathering import Gathering, declared_scope
from planner.proxy.memory import Glance, Memory
from tests.doubles.deciding import RAN, body
from tests.doubles.stored import START, Mind
from tests.proxy.test_planning import BOOK, CALLER, FRESH, ON, Mindful, plan


async def gathered(mind: Mind, memory: Memory | Glance, sent: bytes, **caller: Any) -> Facts:
    """The facts of a request."""
    request, who = MessagesRequest.parse(sent), msgspec.structs.replace(CALLER, **caller)
    gathering = Gathering(memory=memory, hours=mind.hours, experience=mind.experience, stop=None)
    known = await gathering.known(request, who, START, BOOK)
    known = msgspec.structs.replace(known, root=root_key(request, who.principal))
    facts, _ = await gathering.facts(request, who, known, BOOK, follow(request.messages))
    return facts


def test_a_glance_sees_what_a_memory_knows(tmp_path: Path) -> None:
    """Of conversations that begin, go on, were never seen, or are known to the store alone."""

    async def scenario() -> None:
        mindful = Mindful(tmp_path)
        mind = await mindful.mind()
        await plan(mind, FRESH)
        for process in (mind, await mindful.mind()):
            for sent in (FRESH, body(messages=ON), body(messages=RAN), b'{"model": "m"}'):
                glance = Glance(process.memory, mindful.store)
                looked = await gathered(process, glance, sent)
                assert looked == await gathered(process, process.memory, sent)

    asyncio.run(scenario())


def test_the_scope_that_responses_told_beats_the_declared_one(tmp_path: Path) -> None:
    """A caller that nobody answered yet is where `callers.yaml` says, if it says both."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        told = {"organization": "o", "workspace": "w"}
        assert (await gathered(mind, mind.memory, FRESH, **told)).scope == Scope("org-1", "workspace-1")
        assert (await gathered(mind, mind.memory, FRESH, account="b", **told)).scope == Scope("o", "w")

    asyncio.run(scenario())
    assert declared_scope(Caller(principal="p", organization="o")) is None
