"""Leases of containers: one suite for those of one process and for those that a store shares."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from planner.core.containers import State
from planner.core.lending import Answer, Ask, End, Ended, Leases
from planner.opening import is_shared, open_leases, open_store
from planner.stores import StoreError
from planner.stores.leases import LeaseStore
from tests.core.test_lending import ENDS, SOON, ask
from tests.doubles.deciding import NOW
from tests.doubles.proxy import run

LATER = SOON + timedelta(minutes=1)


class OneProcess:
    """The leases of one process, asked as a store is; it knows no time, so they are ended before it is asked."""

    def __init__(self, leases: Leases) -> None:
        self._leases: Leases | None = leases

    @property
    def _open(self) -> Leases:
        if self._leases is None:
            raise StoreError("it is closed")
        return self._leases

    async def take(self, asked: Ask, now: datetime) -> Answer:
        """Give a request a lease."""
        self._open.expire(asked.container, now)
        return self._open.take(asked)

    async def give_back(self, asked: Ask, end: End, now: datetime, *, claimed: bool) -> Ended:
        """End it."""
        del now
        return self._open.give_back(asked, end, claimed=claimed)

    async def renew(self, asks: Sequence[Ask], until: datetime, now: datetime) -> frozenset[str]:
        """Renew leases."""
        del now
        for asked in asks:
            self._open.renew(asked.container, [asked.holder], until)
        return frozenset(each.holder for each in asks if each.holder in self._open.standing(each.container).held)

    async def forget(self, before: datetime) -> None:
        """Nothing here is old."""
        del before
        _ = self._open

    async def close(self) -> None:
        """It is closed."""
        self._leases = None


@asynccontextmanager
async def opening(address: str, processes: int = 2) -> AsyncIterator[list[LeaseStore]]:
    """One store; what is opened several times stands for several processes."""
    if not is_shared(address):
        leases = Leases()
        yield [OneProcess(leases) for _ in range(processes)]
        return
    store = await open_store(address)
    found = [await open_leases(address) for _ in range(processes)]
    shared = [each for each in found if each is not None]
    assert len(shared) == processes
    try:
        yield shared
    finally:
        for each in shared:
            await each.close()
        await store.close()


def test_a_file_has_one_process_and_no_leases() -> None:
    """Nothing is opened for it."""
    assert run(open_leases("sqlite:///nowhere.db")) is None


async def _free(store: LeaseStore, turn: str, now: datetime = NOW) -> State | None:
    """The state of a turn that refuses it; None where it is free, and is so afterwards."""
    asked = ask(f"probe-{turn}-{now}", turn)
    answer = await store.take(asked, now)
    if not answer.taken:
        return answer.state
    await store.give_back(asked, "failed", now, claimed=False)
    return None


def told(address: str, scenario: Callable[[list[LeaseStore]], object]) -> None:
    """Run a scenario over a store."""

    async def main() -> None:
        async with opening(address) as stores:
            await scenario(stores)  # type: ignore[misc]  # each of them is a coroutine function

    run(main())


def test_a_container_is_lent_once(address: str) -> None:
    """Whoever asks first, from this turn or another; it comes back by its end."""

    async def scenario(stores: list[LeaseStore]) -> None:
        one, other = stores
        assert await one.take(ask("a"), NOW) == Answer(taken=True, state=State.BUSY)
        assert await other.take(ask("b"), NOW) == Answer(taken=False, state=State.BUSY)
        assert await other.take(ask("b", "t2"), NOW) == Answer(taken=False, state=State.BUSY, passing=True)
        assert (await other.take(ask("b", container="d"), NOW)).taken
        assert await one.give_back(ask("a"), "failed", NOW, claimed=False) == Ended(counts=True, state=State.IDLE)
        assert await _free(other, "t1") is None
        assert (await other.take(ask("b2"), NOW)).taken
        ended = await other.give_back(ask("b2"), "answered", NOW, claimed=False)
        assert ended == Ended(counts=True, state=State.CONTINUED)
        assert await _free(one, "t1") is State.CONTINUED
        assert await _free(one, "t2") is None

    told(address, scenario)


def test_one_of_many_who_ask_at_once(address: str) -> None:
    """Exactly one has it, again and again, of a container that is new and of one that is known."""

    async def scenario(stores: list[LeaseStore]) -> None:
        for again in range(10):
            asked = [ask(f"{again}-{number}", f"t{number % 3}", container=f"c{again // 5}") for number in range(12)]
            answers = await asyncio.gather(*(stores[at % 2].take(each, NOW) for at, each in enumerate(asked)))
            taken = [each for each, answer in zip(asked, answers, strict=True) if answer.taken]
            assert len(taken) == 1, again
            assert (await stores[again % 2].give_back(taken[0], "failed", NOW, claimed=False)).counts

    told(address, scenario)


def test_whoever_must_have_it_has_it_and_keeps_others_out(address: str) -> None:
    """Beside a lease, and after that has ended; its turn is nobody else's from then on."""

    async def scenario(stores: list[LeaseStore]) -> None:
        one, other = stores
        assert (await one.take(ask("a"), NOW)).taken
        pending = await other.take(ask("p", way="pending"), NOW)
        assert (pending.taken, pending.claimed, pending.state) == (True, True, State.CONTINUED)
        await one.give_back(ask("a"), "failed", NOW, claimed=False)
        assert await _free(one, "t2") is State.BUSY
        named = await one.take(ask("n", "t2", way="named"), NOW)
        assert (named.taken, named.claimed) == (True, True)
        await other.give_back(ask("p", way="pending"), "failed", NOW, claimed=True)
        assert await _free(one, "t3") is State.BUSY
        await one.give_back(ask("n", "t2", way="named"), "answered", NOW, claimed=True)
        assert await _free(other, "t3") is None
        assert [await _free(other, turn) for turn in ("t1", "t2")] == [State.CONTINUED] * 2
        of_none = await one.take(ask("o", None, way="named"), NOW)
        assert (of_none.taken, of_none.claimed) == (True, False)
        assert await _free(other, "t3") is State.BUSY

    told(address, scenario)


def test_a_dead_process_frees_what_it_had(address: str) -> None:
    """When its lease ends, not a moment before; what it says after that counts for nothing."""

    async def scenario(stores: list[LeaseStore]) -> None:
        one, other = stores
        assert (await one.take(ask("a"), NOW)).taken
        assert await _free(other, "t1", SOON - timedelta(microseconds=1)) is State.BUSY
        assert (await other.take(ask("b", until=LATER), SOON)).taken
        for end in ENDS:
            late = await one.give_back(ask("a"), end, SOON, claimed=False)
            assert late == Ended(counts=False, state=State.BUSY)
        assert (await other.give_back(ask("b"), "failed", SOON, claimed=False)).state is State.IDLE
        assert await _free(one, "t1", SOON) is None

    told(address, scenario)


def test_a_late_end_counts_where_nobody_came(address: str) -> None:
    """The turn was gone on from, and no newer state says otherwise."""

    async def scenario(stores: list[LeaseStore]) -> None:
        one, other = stores
        assert (await one.take(ask("a"), NOW)).taken
        assert (await one.give_back(ask("a"), "answered", LATER, claimed=False)).counts
        assert await _free(other, "t1", LATER) is State.CONTINUED

    told(address, scenario)


def test_a_long_stream_keeps_its_container(address: str) -> None:
    """As long as it is renewed; what was taken meanwhile is told as gone."""
    z = ask("z", container="d")

    async def scenario(stores: list[LeaseStore]) -> None:
        one, other = stores
        assert (await one.take(ask("a"), NOW)).taken
        assert (await one.take(z, NOW)).taken
        assert await one.renew([ask("a"), ask("unknown"), ask("y", container="e"), z], LATER, NOW) == {"a", "z"}
        assert await _free(other, "t1", SOON) is State.BUSY
        assert (await other.take(ask("b"), LATER)).taken
        assert await one.renew([ask("a"), z], LATER + timedelta(minutes=1), LATER) == {"z"}

    told(address, scenario)


def test_a_lost_container_is_lost_for_all_of_its_turns(address: str) -> None:
    """A pending call gets its id all the same."""

    async def scenario(stores: list[LeaseStore]) -> None:
        one, other = stores
        assert (await one.take(ask("a"), NOW)).taken
        assert (await one.give_back(ask("a"), "lost", NOW, claimed=False)).state is State.DEAD
        assert [await _free(other, turn) for turn in ("t1", "t2")] == [State.DEAD] * 2
        assert (await other.take(ask("p", "t2", way="pending"), NOW)).state is State.DEAD

    told(address, scenario)


def test_a_claim_that_the_store_never_heard_of_counts(address: str) -> None:
    """It was down when the request went out; afterwards the turn is gone on from all the same."""

    async def scenario(stores: list[LeaseStore]) -> None:
        ended = await stores[0].give_back(ask("p", way="pending"), "answered", NOW, claimed=True)
        assert ended == Ended(counts=True, state=State.CONTINUED)
        assert await _free(stores[1], "t1") is State.CONTINUED

    told(address, scenario)


def test_a_store_that_is_gone_says_so(address: str) -> None:
    """In the one way that the proxy knows."""

    async def scenario(stores: list[LeaseStore]) -> None:
        (one, _) = stores
        await one.close()
        for asked in (
            one.take(ask(), NOW),
            one.give_back(ask(), "failed", NOW, claimed=False),
            one.renew([ask("a")], NOW, NOW),
            one.forget(NOW),
        ):
            with pytest.raises(StoreError):
                await asked

    told(address, scenario)
