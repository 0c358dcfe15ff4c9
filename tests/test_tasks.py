"""A background task is kept, named, and heard when it fails."""

import asyncio

from planner.tasks import Tasks

Heard = list[tuple[str, str]]


def group() -> tuple[Tasks, Heard]:
    """A group, and what it was heard to say."""
    heard: Heard = []
    return Tasks(lambda name, error: heard.append((name, repr(error)))), heard


def test_a_failure_is_heard_with_its_name() -> None:
    """And does not disturb the others."""

    async def fails() -> None:
        raise ValueError("why")

    async def scenario() -> None:
        tasks, heard = group()
        done = asyncio.Event()

        async def works() -> None:
            await done.wait()

        tasks.start("bad", fails())
        good = tasks.start("good", works())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert heard == [("bad", "ValueError('why')")]
        assert len(tasks) == 1
        done.set()
        await good
        assert len(tasks) == 0
        assert good.get_name() == "good"

    asyncio.run(scenario())


def test_cancelling_is_no_failure() -> None:
    """It is how a task is meant to end."""

    async def scenario() -> None:
        tasks, heard = group()
        task = tasks.start("waits", asyncio.Event().wait())  # type: ignore[arg-type]  # it never returns
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (heard, len(tasks)) == ([], 0)

    asyncio.run(scenario())


def test_closing_waits_for_everyone() -> None:
    """Also for one that takes its time to clean up, or that fails while it does."""

    async def scenario() -> None:
        tasks, heard = group()
        order: list[str] = []

        async def tidy() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                order.append("tidied")

        async def clumsy() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise OSError("broken")

        tasks.start("tidy", tidy())
        tasks.start("clumsy", clumsy())
        await asyncio.sleep(0)
        await tasks.close()
        await asyncio.sleep(0)
        assert (order, len(tasks)) == (["tidied"], 0)
        assert heard == [("clumsy", "OSError('broken')")]
        await tasks.close()

    asyncio.run(scenario())


def test_a_task_that_is_forgotten_by_its_starter_runs_on() -> None:
    """The loop keeps only weak references; the group keeps strong ones."""

    async def scenario() -> None:
        tasks, _ = group()
        done = asyncio.Event()

        async def works() -> None:
            await asyncio.sleep(0)
            done.set()

        tasks.start("works", works())
        await done.wait()

    asyncio.run(scenario())
