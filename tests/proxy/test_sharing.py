"""A store that is slow, down or wrong holds up no request, and what it did not hear it hears later."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from planner.clock import VirtualClock
from planner.core.containers import Lease, State
from planner.core.exchange import container_digest
from planner.core.lending import Answer, Ask, End, Ended, Leases, Way
from planner.core.reasons import Reason
from planner.proxy.sharing import KEPT, REPEAT_SECONDS, Hold, Refused
from planner.stores import StoreError
from tests.doubles.deciding import BOOK, NOW, lease
from tests.doubles.proxy import run, settled
from tests.doubles.replicas import Replica
from tests.doubles.stored import MemoryStore
from tests.stores.test_leases import OneProcess

LASTS: Final = timedelta(seconds=BOOK.settings.container.lease_seconds)
PATIENCE: Final = 0.02


class Fickle(OneProcess):
    """Leases that can fail, or answer when they are let; `calls` is what was asked, `before` what it was renewed to."""

    def __init__(self, leases: Leases) -> None:
        super().__init__(leases)
        self.calls: list[str] = []
        self.broken = False
        self.gate, self.ends = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.ends.set()

    async def _pass(self, name: str) -> None:
        self.calls.append(name)
        await self.gate.wait()
        if self.broken:
            raise StoreError("it is down")

    async def take(self, asked: Ask, now: datetime) -> Answer:
        """Give a request a lease, once that is let."""
        await self._pass("take")
        return await super().take(asked, now)

    async def give_back(self, asked: Ask, end: End, now: datetime, *, claimed: bool) -> Ended:
        """End it, once that is let, and ends are."""
        await self._pass(f"give back: {end}")
        await self.ends.wait()
        return await super().give_back(asked, end, now, claimed=claimed)

    async def renew(self, asks: Any, until: datetime, now: datetime) -> frozenset[str]:
        """Renew leases, once that is let."""
        await self._pass("renew")
        return await super().renew(asks, until, now)

    async def forget(self, before: datetime) -> None:
        """Say before when."""
        self.calls.append(f"forget before {before}")
        if self.broken:
            raise StoreError("it is down")


class Two:
    """Two processes over one store, as far as leases go."""

    def __init__(self, directory: Any) -> None:
        self.clock = VirtualClock(NOW)
        self.truth = Leases()
        self.store = Fickle(self.truth)
        self.one, self.other = (
            Replica(directory / name, BOOK, MemoryStore(), self.store, self.clock, owner=name, patience=PATIENCE)
            for name in ("one", "other")
        )

    def late(self) -> float:
        """How often a request went on without the store's word."""
        return self.one.metrics.fail_open.values.get(("lease",), 0)

    def lost(self) -> float:
        """How many leases ended before their requests."""
        return self.one.metrics.leases_lost.values[()]

    def state(self) -> State:
        """How the store has the turn."""
        return self.truth.standing(container_digest("container_1")).state(lease().turn.key)


def told(directory: Any, scenario: Callable[[Two], Awaitable[None]]) -> None:
    """Run a scenario over two processes."""

    async def main() -> None:
        two = Two(directory)
        await scenario(two)
        for each in (two.one, two.other):
            await each.lending.finish()
            assert each.failures == []
            each.journal.close()

    run(main())


async def take(replica: Replica, turn: Lease | None = None, way: Way = "lent") -> Hold:
    """A lease that is had for sure."""
    taken = await replica.lending.take("container_1", turn or lease(), way)
    assert isinstance(taken, Hold)
    return taken


def test_one_of_two_processes_is_lent_it(tmp_path: Any) -> None:
    """What the other says is heard, and remembered where nothing takes it back."""

    async def scenario(two: Two) -> None:
        hold = await take(two.one)
        turn = lease()
        assert await two.other.lending.take("container_1", turn, "lent") == Refused(State.BUSY)
        assert turn == lease(State.IDLE)
        two.one.lending.give_back(hold, "answered")
        await two.one.lending.finish()
        assert await two.other.lending.take("container_1", turn, "lent") == Refused(State.CONTINUED)
        assert turn == lease(State.CONTINUED)
        asked = len(two.store.calls)
        assert await two.other.lending.take("container_1", lease(), "lent") == Refused(State.CONTINUED)
        assert len(two.store.calls) == asked

    told(tmp_path, scenario)


def test_the_turn_after_waits_for_the_end_before(tmp_path: Any) -> None:
    """In the same process, and from another one, whose answer is on its way to the store."""

    async def scenario(two: Two) -> None:
        hold = await take(two.one)
        two.store.gate.clear()
        two.one.lending.give_back(hold, "answered")
        after = lease(message_id="msg_2", call_ids=(), threaded=True)
        asking = asyncio.get_running_loop().create_task(take(two.one, after))
        await asyncio.sleep(0)
        two.store.gate.set()
        second = await asking
        two.one.lending.give_back(second, "failed")
        await two.one.lending.finish()
        hold = await take(two.one, lease(message_id="msg_3", call_ids=()))
        waiting = asyncio.get_running_loop().create_task(take(two.other, lease(message_id="msg_4", call_ids=())))
        await settled(lambda: two.store.calls.count("take") > 4)
        two.one.lending.give_back(hold, "answered")
        await waiting

    told(tmp_path, scenario)


@pytest.mark.parametrize(("broken", "why"), [(True, Reason.ERROR), (False, Reason.TIME_BUDGET)])
def test_no_word_is_no_lease(tmp_path: Any, *, broken: bool, why: Reason) -> None:
    """Counted; and a lease that comes after its time goes back."""

    async def scenario(two: Two) -> None:
        two.store.broken = broken
        if not broken:
            two.store.gate.clear()
        turn = lease()
        taken = await two.one.lending.take("container_1", turn, "lent", goes_on=False)
        assert taken == Refused(State.IDLE, why)
        assert (two.late(), turn.state, two.one.lending.out) == (1, State.IDLE, ())
        two.store.broken = False
        two.store.gate.set()
        await settled(lambda: broken or "give back: failed" in two.store.calls)
        await two.one.lending.finish()
        assert two.state() is State.IDLE
        two.one.lending.give_back(await take(two.one, turn), "failed")
        said = two.one.said.getvalue()
        assert said.count("containers cannot be leased") == said.count("containers can be leased again") == broken

    told(tmp_path, scenario)


def test_a_conversation_in_its_middle_waits_longer(tmp_path: Any) -> None:
    """Without the container its files are gone; but not again and again for a store that hangs."""

    async def scenario(two: Two) -> None:
        two.store.gate.clear()
        asking = asyncio.get_running_loop().create_task(take(two.one))
        await asyncio.sleep(3 * PATIENCE)
        assert not asking.done()
        two.store.gate.set()
        two.one.lending.give_back(await asking, "failed")
        await two.one.lending.finish()
        assert two.late() == 0
        two.store.gate.clear()
        waits, now = list[float](), asyncio.get_running_loop().time
        for _ in range(3):
            began = now()
            assert await two.one.lending.take("container_1", lease(), "lent") == Refused(State.IDLE, Reason.TIME_BUDGET)
            waits.append(now() - began)
        assert waits[0] > REPEAT_SECONDS > sum(waits[1:])
        two.store.gate.set()

    told(tmp_path, scenario)


def test_a_pending_call_goes_on_without_a_word(tmp_path: Any) -> None:
    """The store hears of it as soon as it can, while it runs, and at its end at the latest."""

    async def scenario(two: Two) -> None:
        two.store.broken = True
        running, ended = [await take(two.one, way="pending") for _ in range(2)]
        assert two.late() == 2
        two.one.lending.give_back(ended, "answered")
        await two.one.lending.finish()
        assert two.state() is State.IDLE
        two.store.broken = False
        await two.one.renew()
        assert running.kept
        await two.one.lending.finish()
        assert two.state() is State.CONTINUED
        assert (await two.other.lending.take("container_1", lease(message_id="x"), "lent")) == Refused(State.CONTINUED)
        two.one.lending.give_back(running, "failed")

    told(tmp_path, scenario)


def test_a_long_stream_keeps_its_container(tmp_path: Any) -> None:
    """Half an hour of it, renewed three times in the life of a lease."""

    async def scenario(two: Two) -> None:
        hold = await take(two.one)
        for _ in range(90):
            two.clock.advance(20)
            await two.one.renew()
            assert await two.other.lending.take("container_1", lease(), "lent") == Refused(State.BUSY)
        two.one.lending.give_back(hold, "answered")
        await two.one.lending.finish()
        assert (two.state(), two.lost()) == (State.CONTINUED, 0)

    told(tmp_path, scenario)


def test_what_a_process_says_that_lost_its_lease_counts_for_nothing(tmp_path: Any) -> None:
    """It stood still, and the turn went to another request: the newer state stands, and nothing is noted."""

    async def scenario(two: Two) -> None:
        noted = list[str]()
        for renews in (True, False):
            turn = lease()
            old = await take(two.one, turn)
            two.clock.advance(LASTS.total_seconds())
            new = await take(two.other)
            if renews:
                await two.one.renew()
            two.one.lending.give_back(old, "answered", lambda: noted.append("old"))
            await two.one.lending.finish()
            assert two.state() is State.BUSY
            two.other.lending.give_back(new, "failed")
            await two.other.lending.finish()
            assert two.state() is State.IDLE
            two.one.lending.give_back(await take(two.one, turn), "failed")
            await two.one.lending.finish()
        assert (noted, two.lost()) == ([], 2)

    told(tmp_path, scenario)


def test_a_caller_that_names_its_container_gets_a_lost_lease_again(tmp_path: Any) -> None:
    """It runs there, whatever became of the lease."""

    async def scenario(two: Two) -> None:
        hold = await take(two.one, way="named")
        two.clock.advance(LASTS.total_seconds())
        two.other.lending.give_back(await take(two.other), "failed")
        await two.other.lending.finish()
        await two.one.renew()
        assert two.state() is State.BUSY
        assert (two.lost(), hold.kept) == (1, True)
        two.one.lending.give_back(hold, "failed")

    told(tmp_path, scenario)


def test_an_end_that_the_store_did_not_hear_is_told_again(tmp_path: Any) -> None:
    """With the next renewal, or when the process stops; and only then it counts."""

    async def scenario(two: Two) -> None:
        noted, hold = list[str](), await take(two.one)
        two.store.broken = True
        two.one.lending.give_back(hold, "answered", lambda: noted.append("answered"))
        await settled(lambda: "give back: answered" in two.store.calls)
        await two.one.renew()
        two.store.broken = False
        await two.one.lending.finish()
        assert (noted, two.state()) == (["answered"], State.CONTINUED)

    told(tmp_path, scenario)


def test_a_lease_goes_on_until_the_store_has_its_end(tmp_path: Any) -> None:
    """However long that takes: meanwhile nobody is lent what was gone on from, and no lease counts as lost."""

    async def scenario(two: Two) -> None:
        hold = await take(two.one)
        two.store.ends.clear()
        two.one.lending.give_back(hold, "answered")
        await settled(lambda: "give back: answered" in two.store.calls)
        for _ in range(4):
            two.clock.advance(LASTS.total_seconds() / 2)
            await two.one.renew()
        assert await two.other.lending.take("container_1", lease(), "lent") == Refused(State.BUSY)
        two.store.calls.clear()
        two.store.ends.set()
        await two.one.lending.finish()
        assert two.store.calls == []  # who stops only waits
        assert (two.state(), two.lost()) == (State.CONTINUED, 0)
        await two.one.renew()
        assert two.store.calls == []

    told(tmp_path, scenario)


def test_a_request_that_is_cancelled_while_it_asks_leaves_nothing_behind(tmp_path: Any) -> None:
    """Its lease comes and goes back."""

    async def scenario(two: Two) -> None:
        two.store.gate.clear()
        asking = asyncio.get_running_loop().create_task(take(two.one))
        await settled(lambda: "take" in two.store.calls)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert two.one.lending.out == ()
        two.store.gate.set()
        await settled(lambda: "give back: failed" in two.store.calls)
        await two.one.lending.finish()
        assert two.state() is State.IDLE
        two.other.lending.give_back(await take(two.other), "failed")

    told(tmp_path, scenario)


@pytest.mark.parametrize("broken", [True, False])
def test_leases_are_renewed_and_forgotten_by_a_task(tmp_path: Any, *, broken: bool) -> None:
    """For ever; what fails is tried again."""

    async def scenario(two: Two) -> None:
        hold = await take(two.one)
        two.store.broken = broken
        task = asyncio.get_running_loop().create_task(two.one.lending.run())
        await settled(lambda: f"forget before {NOW - KEPT}" in two.store.calls)
        assert "renew" in two.store.calls
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        two.store.broken = False
        two.one.lending.give_back(hold, "failed")

    told(tmp_path, scenario)
