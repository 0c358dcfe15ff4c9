"""A container is lent to one request at a time, and comes back however that request ends."""

from datetime import timedelta
from pathlib import Path

import pytest

from planner.core.containers import State
from planner.core.conversations import turn_key
from planner.core.ledger.entry import Ending
from planner.core.reasons import Outcome, Reason
from tests.doubles.deciding import NEWER_CODE, PENDING, RAN, USER, body
from tests.doubles.proxy import run
from tests.doubles.stored import START
from tests.proxy.test_learning import FRESH, GOING_ON, RUNS, ran, told


@pytest.mark.parametrize(
    ("status", "ending", "state"),
    [
        (200, "ok", State.CONTINUED),
        (200, "cancelled", State.IDLE),
        (200, "error", State.IDLE),
        (429, "ok", State.IDLE),
        (529, "ok", State.IDLE),
        (400, "ok", State.IDLE),
        (500, "ok", State.DEAD),
    ],
)
def test_how_a_lease_ends(tmp_path: Path, status: int, ending: Ending, state: State) -> None:
    """Answered, the turn is gone on from; failed or cancelled, the client's own retry finds it; a 500 kills the id."""

    async def scenario() -> None:
        here = await told(tmp_path, call_ids=("srvtoolu_1",))
        planned = await here.send(GOING_ON)
        assert planned.plan.threaded
        assert planned.lease is not None
        busy = (await here.send(GOING_ON)).plan.decisions[2]
        assert busy.reason is Reason.BUSY
        here.answer(planned, status=status, ending=ending)
        assert planned.lease.state is state
        again = await here.send(GOING_ON)
        assert again.plan.threaded == (state is State.IDLE)

    run(scenario())


@pytest.mark.parametrize(("status", "own"), [(200, "none:fork"), (429, "threaded:")])
def test_a_caller_that_names_the_container_itself(tmp_path: Path, status: int, own: str) -> None:
    """It takes the container like one that was lent it, also for the next process; what is known of it is kept."""

    async def scenario() -> None:
        here = await told(tmp_path, call_ids=("srvtoolu_1",), threaded=True)
        planned = await here.send(body(tools=[NEWER_CODE], messages=RAN, container="container_1"))
        assert planned.plan.decisions[2].outcome is Outcome.CALLER
        assert (await here.send(GOING_ON)).plan.decisions[2].reason is Reason.BUSY
        here.at += timedelta(minutes=1)
        here.answer(planned, status=status, container=None, content=RUNS)
        if status == 200:
            lease = await here.mind.memory.lease((turn_key("key-1", "srvtoolu_9"),))
            assert lease is not None
            assert (lease.turn.opened_at, lease.turn.threaded) == (START, True)
            assert lease.turn.expires_at == START + timedelta(hours=1)
            assert not (await (await here.restarted(tmp_path)).send(GOING_ON)).plan.threaded
        found = (await here.send(GOING_ON)).plan.decisions[2]
        assert f"{found.outcome}:{found.reason or ''}" == own

    run(scenario())


def test_a_busy_container_is_not_forgotten(tmp_path: Path) -> None:
    """However many conversations begin while a request runs in it."""

    async def scenario() -> None:
        here = await told(tmp_path)
        here.answer(await here.send(FRESH), content=RUNS)
        await here.mind.flush()
        history = [USER, {"role": "assistant", "content": RUNS}, {"role": "user", "content": "Go on."}]
        sent = body(tools=[NEWER_CODE], messages=history)
        first = await here.send(sent)
        assert first.plan.threaded
        here.mind.memory._leases.clear()  # noqa: SLF001 - so many younger ones
        assert (await here.send(sent)).plan.decisions[2].reason is Reason.BUSY
        here.answer(first, content=ran("srvtoolu_10"))
        assert (await here.send(sent)).plan.decisions[2].reason is Reason.FORK

    run(scenario())


def test_a_lease_whose_end_cannot_be_told(tmp_path: Path) -> None:
    """A bug in settling does not keep a container busy for ever."""

    async def scenario() -> None:
        here = await told(tmp_path, call_ids=("srvtoolu_1",))
        planned = await here.send(GOING_ON)
        here.mind.learning.abandoned(planned)
        here.mind.learning.abandoned(None)
        assert (await here.send(GOING_ON)).plan.threaded

    run(scenario())


def test_a_pending_call_takes_the_container_with_it(tmp_path: Path) -> None:
    """Whatever becomes of it, a fork finds no container; the lease of the request before it is not ended by it."""

    async def scenario() -> None:
        here = await told(tmp_path, call_ids=("srvtoolu_1",))
        first = await here.send(GOING_ON)
        pending = await here.send(body(tools=[NEWER_CODE], messages=PENDING))
        assert pending.lease is first.lease
        assert pending.lease is not None
        assert pending.lease.state is State.CONTINUED
        here.answer(pending, status=429)
        assert pending.lease.state is State.CONTINUED
        here.answer(first, status=429)
        assert pending.lease.state is State.CONTINUED
        assert (await here.send(body(tools=[NEWER_CODE], messages=PENDING))).plan.threaded

    run(scenario())
