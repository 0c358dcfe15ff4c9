"""An answer without an id is found again by what was said since the newest call, and nothing else is found by that."""

from pathlib import Path
from typing import Any

import pytest

from planner.core.reasons import Reason
from planner.proxy.planning import Planned
from tests.doubles.deciding import NEWER_CODE, PENDING, RAN, body
from tests.doubles.proxy import run
from tests.proxy.test_learning import Told, told

MILD = [{"type": "text", "text": "Mild."}]
RESUMED: list[dict[str, Any]] = [
    {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "x"}},
    *MILD,
]
ONCE_MORE = {"role": "user", "content": "Once more."}


def going_on(messages: list[Any], *, answer: Any = MILD, ask: Any = ONCE_MORE, **members: Any) -> bytes:
    """A request that goes on from an answer."""
    return body(tools=[NEWER_CODE], messages=[*messages, {"role": "assistant", "content": answer}, ask], **members)


async def answered(directory: Path, messages: list[Any], content: list[Any]) -> Told:
    """A process in which a conversation went on in its container, and was answered without a call."""
    here = await told(directory, call_ids=("srvtoolu_1", "toolu_1"))
    planned = await here.send(body(tools=[NEWER_CODE], messages=messages))
    assert planned.plan.threaded
    here.answer(planned, content=content)
    return here


def why(planned: Planned) -> Reason | None:
    """Why a container was not put in."""
    return planned.plan.decisions[2].reason


@pytest.mark.parametrize(("messages", "content"), [(RAN, MILD), (PENDING, RESUMED)])
@pytest.mark.parametrize("restart", [False, True])
def test_it_goes_on_in_its_container_once(
    tmp_path: Path, messages: list[Any], content: list[Any], *, restart: bool
) -> None:
    """After words alone, and after what resumes a pending call; also in the next process. A fork gets none."""

    async def scenario() -> None:
        here = await answered(tmp_path, messages, content)
        if restart:
            here = await here.restarted(tmp_path)
        sent = going_on(messages, answer=content)
        first = await here.send(sent)
        assert first.plan.threaded
        assert first.container == "container_1"
        assert why(await here.send(sent)) is Reason.BUSY
        here.answer(first, content=MILD)
        assert why(await here.send(sent)) is Reason.FORK
        assert why(await here.send(body(tools=[NEWER_CODE], messages=RAN))) is Reason.FORK

    run(scenario())


def test_it_goes_on_for_as_long_as_it_is_talked(tmp_path: Path) -> None:
    """Each answer in words leads to the next."""

    async def scenario() -> None:
        here = await answered(tmp_path, RAN, MILD)
        messages = [*RAN, {"role": "assistant", "content": "Mild."}, ONCE_MORE]
        for number in range(4):
            planned = await here.send(body(tools=[NEWER_CODE], messages=messages))
            assert planned.plan.threaded
            here.answer(planned, content=MILD, id=f"msg_{number + 2}")
            messages += [{"role": "assistant", "content": "Mild."}, ONCE_MORE]

    run(scenario())


def test_another_conversation_does_not_find_it(tmp_path: Path) -> None:
    """Other words, another question before them, another call, another principal: none has the container."""

    async def scenario() -> None:
        here = await answered(tmp_path, RAN, MILD)
        other_call = [*RAN[:1], {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_7"}]}, RAN[2]]
        for sent in (
            going_on(RAN, answer="Cold."),
            going_on([*RAN[:2], {"role": "user", "content": "And the third one."}]),
            going_on(other_call),
            going_on([RAN[0]]),
        ):
            assert not (await here.send(sent)).plan.threaded

    run(scenario())


def test_a_turn_without_a_container_is_not_followed(tmp_path: Path) -> None:
    """Nothing is read along that nothing is to be remembered of."""

    async def scenario() -> None:
        here = await told(tmp_path)
        assert (await here.send(body(tools=[NEWER_CODE], messages=RAN))).trail is None
        assert (await here.send(body(tools=[NEWER_CODE]))).trail is None

    run(scenario())


def test_a_caller_that_keeps_its_container_is_known_as_well(tmp_path: Path) -> None:
    """What it names is what the turn ran in; once it forgets, we go on with that."""

    async def scenario() -> None:
        here = await told(tmp_path, call_ids=("srvtoolu_1",))
        planned = await here.send(body(tools=[NEWER_CODE], messages=RAN, container="container_1"))
        here.answer(planned, content=MILD, container=None)
        assert (await here.send(going_on(RAN))).plan.threaded

    run(scenario())
