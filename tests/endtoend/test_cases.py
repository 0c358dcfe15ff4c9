"""Each case with the official SDK through the planner: streamed and whole, with clients that forget and that keep."""

from contextlib import AsyncExitStack
from pathlib import Path

import anthropic
import pytest

from planner.clock import VirtualClock
from planner.core.ledger.entry import Entry
from tests.doubles.proxy import run
from tests.doubles.simulated import Heard, Simulated, assert_reconciled, simulated, simulating
from tests.endtoend.cases import CASES, PATIENT, UPSTREAM, Case, outputs, spoken
from tests.endtoend.client import Form, Spoken, Talk, contained, named

MINIMUM_NANO = 4_166_667
"""Five minutes at $0.05 an hour."""
WAYS: list[tuple[bool, Form | None]] = [(False, None), (True, None), (False, "string"), (True, "object")]


async def held(talk: Talk, case: Case) -> None:
    """Hold a conversation to its end; files are uploaded before it, and those that code wrote are fetched behind it."""
    for content in await spoken(talk, case):
        await talk.say(content)
    if case.upload:
        wrote = [await (await talk.client.files.download(name)).read() for name in outputs(talk)]
        assert wrote == [b"total\n9530\n", b"more\n"]


def check_request(said: Spoken, heard: Heard, got: str, container: str | None, *, keeps: bool) -> None:
    """What reached the API is what was sent, but for a container where one belongs; what came back is what it said."""
    own = named(said.sent)
    assert own == (container if keeps else None)
    if got == "none" or own is not None:
        assert heard.body == said.sent
    else:
        assert container is not None
        assert heard.body == contained(said.sent, container)
        assert named(heard.body) == container
    assert said.received == heard.answer
    assert said.status == 200
    expected = "caller" if own is not None else got
    assert said.plan["container"] == expected
    assert said.headers["planner-body"] == ("edited" if expected.startswith("threaded") else "unchanged")


def check_charges(case: Case, entries: list[Entry]) -> None:
    """One minimum a session, and all after it covered; or nothing at all where a web tool frees it."""
    charged = [entry.code.charge for entry in entries if entry.code is not None]
    lines = [line.nano for entry in entries for line in entry.lines if line.kind == "code_execution"]
    if case.free:
        assert set(charged) == {"free"}
        assert lines == []
    else:
        assert charged == ["billed", *["covered"] * (len(charged) - 1)]
        assert lines == [MINIMUM_NANO]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_conversation_stays_in_one_container(tmp_path: Path, case: Case) -> None:
    """However its client answers: one start, one request at a time, each byte as it was, and one minimum."""

    async def hold(planner: Simulated, stream: bool, keeps: Form | None) -> None:  # noqa: FBT001 - a way of the table
        first, started = len(planner.heard), len(planner.simulator.state.containers)
        key = f"sk-ant-{stream}-{keeps}"
        assert isinstance(planner.clock, VirtualClock)
        async with Talk(planner.address, key, planner.clock, stream=stream, keeps=keeps, **case.fields) as talk:
            await talk.client.models.list()  # where this key belongs is learnt from any answer
            await held(talk, case)
        heard = planner.heard[first:]
        container = talk.containers[0]
        assert container is not None
        assert set(talk.containers) == {container}
        known = [None, *[container] * (case.asked - 1)]
        for said, each, got, name in zip(talk.spoken, heard, case.gets, known, strict=True):
            check_request(said, each, got, name, keeps=keeps is not None)
        record = list(planner.simulator.state.containers)[started:]
        assert [(each.id, each.requests, each.most_at_once) for each in record] == [(container, case.asked, 1)]

    async def main() -> None:
        async with simulated(tmp_path, simulator=UPSTREAM, **PATIENT) as planner:
            for stream, keeps in WAYS:
                await hold(planner, stream, keeps)
            everything = await planner.entries(len(planner.simulator.heard))
            assert_reconciled(everything, planner.simulator)
            principals = list(dict.fromkeys(entry.principal for entry in everything))
            assert len(principals) == len(WAYS)
            for principal in principals:
                check_charges(case, [entry for entry in everything if entry.principal == principal])

    run(main())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_without_a_planner_a_client_that_forgets_starts_many_or_fails(case: Case) -> None:
    """The control: calls that wait end in the API's own refusal, and the rest runs in a container a request."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            simulator, url = await stack.enter_async_context(simulating(**UPSTREAM))
            clock = simulator.state.clock
            assert isinstance(clock, VirtualClock)
            for stream in (False, True):
                before = len(simulator.state.containers)
                talk = await stack.enter_async_context(Talk(url, "sk-ant-x", clock, stream=stream, **case.fields))
                if case.breaks:
                    with pytest.raises(anthropic.BadRequestError, match="container_id is required when there are pend"):
                        await held(talk, case)
                else:
                    await held(talk, case)
                    assert len(simulator.state.containers) - before == case.own

    run(main())
