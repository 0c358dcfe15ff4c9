"""Within one process a container is lent at once, and whoever asks the store for more is lent it only with its word."""

import asyncio
from pathlib import Path

import pytest

from planner.core.containers import State
from planner.core.lending import Leases
from planner.proxy.arrive import Arrived
from planner.proxy.budgets import Admission, Budgets
from planner.proxy.lending import Lending
from planner.proxy.planning import Planned
from planner.proxy.sharing import Hold, Refused
from planner.proxy.statuses import Status
from tests.doubles.deciding import NEWER_CODE, RAN, body, lease
from tests.doubles.proxy import run
from tests.doubles.upstream import Turn
from tests.proxy.test_forward import BEGUN, going_on, ok, plan_of, planned, post
from tests.proxy.test_learning import GOING_ON, RUNS, ran, told
from tests.proxy.test_planning import CALLER


def lending() -> Lending:
    """Of one process."""
    return Lending(Leases(), None, "process")


async def hold(of: Lending, *arguments: object) -> Hold:
    """What is taken for sure."""
    taken = await of.take(*arguments)  # type: ignore[arg-type]  # as the test says
    assert isinstance(taken, Hold)
    return taken


def test_a_container_is_lent_and_comes_back() -> None:
    """What became of its turn is seen at once, and a second end of one request says nothing."""

    async def scenario() -> None:
        here, noted = lending(), list[str]()
        turn = lease()
        first = await hold(here, "container_1", turn, "lent")
        assert turn == lease(State.BUSY)
        assert here.out == (first,)
        assert await here.take("container_1", lease(), "lent") == Refused(State.BUSY)
        here.give_back(first, "failed", lambda: noted.append("failed"))
        here.give_back(first, "answered", lambda: noted.append("again"))
        assert turn == lease(State.IDLE)
        assert (len(noted), len(here.out)) == (0, 0)
        second = await hold(here, "container_1", turn, "lent")
        here.give_back(second, "answered", lambda: noted.append("answered"))
        assert turn == lease(State.CONTINUED)
        assert noted == ["answered"]
        assert await here.take("container_1", turn, "lent") == Refused(State.CONTINUED)

    run(scenario())


def test_what_is_remembered_of_a_turn_counts() -> None:
    """A turn that was gone on from before this process began is a fork for everybody."""

    async def scenario() -> None:
        assert await lending().take("container_1", lease(State.CONTINUED), "lent") == Refused(State.CONTINUED)

    run(scenario())


def test_a_container_without_a_turn_is_busy_too() -> None:
    """A caller names one in a conversation that nobody knows: it is lent to nobody meanwhile."""

    async def scenario() -> None:
        here = lending()
        named = await hold(here, "container_1", None, "named")
        assert await here.take("container_1", lease(), "lent") == Refused(State.BUSY)
        here.give_back(named, "answered")
        await hold(here, "container_1", lease(), "lent")

    run(scenario())


def test_one_process_has_nothing_to_renew() -> None:
    """And nothing to wait for at its end."""

    async def scenario() -> None:
        await lending().run()
        await lending().finish()

    run(scenario())


def test_two_turns_of_one_container_are_not_lent_at_once(tmp_path: Path) -> None:
    """As after a fork that named it: one goes on, the other is told that it is busy, and goes on later."""

    async def scenario() -> None:
        here = await told(tmp_path, call_ids=("srvtoolu_1",))
        first = await here.send(GOING_ON)
        here.answer(first, content=RUNS)
        other = await here.send(body(tools=[NEWER_CODE], messages=RAN, container="container_1"))
        here.answer(other, content=ran("srvtoolu_8"))
        said = {"role": "user", "content": "On."}
        pasts = [[RAN[0], {"role": "assistant", "content": content}, said] for content in (RUNS, ran("srvtoolu_8"))]
        histories = [body(tools=[NEWER_CODE], messages=past) for past in pasts]
        one, two = [await here.send(each) for each in histories]
        assert one.plan.threaded
        assert str(two.plan.decisions[2].reason) == "busy"
        here.answer(one, content=ran("srvtoolu_7"))
        assert (await here.send(histories[1])).plan.threaded

    run(scenario())


def test_requests_that_are_planned_at_once_are_lent_it_once(tmp_path: Path) -> None:
    """Also where something is waited for between planning and sending."""

    async def scenario() -> None:
        here = await told(tmp_path, call_ids=("srvtoolu_1",))
        plan = here.mind.planning.plan
        found = await asyncio.gather(*(plan(GOING_ON, CALLER, here.at, here.mind.book) for _ in range(3)))
        assert [each.plan.threaded for each in found].count(True) == 1

    run(scenario())


@pytest.mark.parametrize("container", ["", None])
def test_no_name_is_no_container(tmp_path: Path, container: str | None) -> None:
    """An empty id is the caller's mistake, and nobody holds it."""

    async def scenario() -> None:
        here = await told(tmp_path)
        assert (await here.send(body(tools=[NEWER_CODE], container=container))).hold is None

    run(scenario())


class KeepsBack:
    """A budget that keeps the first request back that it is asked of: it refuses it, or the asking is cancelled."""

    def __init__(self, behind: Budgets, *, cancelled: bool) -> None:
        self._behind = behind
        self._cancelled = cancelled
        self.asked = asyncio.Event()
        self.release = behind.release
        self.settle = behind.settle

    async def admit(self, arrived: Arrived, planned: Planned | None) -> Admission:
        """What is said of a request."""
        if self.asked.is_set():
            return await self._behind.admit(arrived, planned)
        assert planned is not None
        assert planned.plan.threaded
        self.asked.set()
        if self._cancelled:
            raise asyncio.CancelledError
        return Admission(refused=Status(budget="b", value="", spent=2, limit=1, resets=arrived.at, percent=None))


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_request_that_is_kept_back_keeps_no_container(tmp_path: Path, *, cancelled: bool) -> None:
    """Refused by a budget, or cancelled while that is asked: the next one is lent it."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(ok())

    async def scenario() -> None:
        async with planned(tmp_path, script) as (proxy, _), proxy.client() as client:
            await client.ask(post(body(tools=None)))
            await client.ask(post(BEGUN))
            forward = proxy.app._forward  # noqa: SLF001 - what is behind the socket
            assert forward is not None
            course = forward._course  # noqa: SLF001 - likewise
            keeps = KeepsBack(course._budgets, cancelled=cancelled)  # noqa: SLF001 - likewise
            course._budgets = keeps  # type: ignore[assignment]  # noqa: SLF001 - likewise
            async with proxy.client() as other:
                await other.send(post(going_on()))
                await keeps.asked.wait()
            assert plan_of(await client.ask(post(going_on()))).endswith("container=threaded")

    run(scenario())
