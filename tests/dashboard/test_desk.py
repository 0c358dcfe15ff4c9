"""The desk: a process of its own, started with the first page, started anew when it broke, and gone with this one."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from planner.dashboard.asked import Ask
from planner.dashboard.desk import Desk, DeskError
from planner.stores.sqlite import SqliteStore
from tests.doubles.paged import standing
from tests.doubles.proxy import run

ASK = Ask(page="overview", form="json", standing=standing())


async def ledger(directory: Path) -> str:
    """The address of an empty ledger."""
    path = directory / "l.db"
    await (await SqliteStore.open(path)).close()
    return f"sqlite:///{path}"


def test_a_process_that_broke_is_started_anew(tmp_path: Path) -> None:
    """Whoever asked hears of it; the next one gets a page. Nothing is started before it is needed."""

    async def scenario() -> None:
        desk = Desk(await ledger(tmp_path))
        assert desk.started == 0
        assert (await desk.ask(ASK)).status == 200
        assert (await desk.ask(ASK)).status == 200
        assert desk.started == 1
        process = desk._process  # noqa: SLF001 - whose end is what is tested
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        asking = asyncio.ensure_future(desk.ask(ASK))  # noqa: TID251 - a visitor of this test
        await asyncio.sleep(0)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(DeskError, match="starts it again"):
            await asking
        assert (await desk.ask(ASK)).status == 200
        assert desk.started == 2
        last = desk._process  # noqa: SLF001 - as above
        await desk.close()
        assert last is not None
        assert last.returncode == 0
        with pytest.raises(DeskError, match="shutting down"):
            await desk.ask(ASK)

    run(scenario())


def test_a_page_that_never_comes_is_given_up(tmp_path: Path) -> None:
    """And with it the process, which could answer the wrong question next."""

    async def scenario() -> None:
        desk = Desk(await ledger(tmp_path), longest=0.01)
        with pytest.raises(DeskError, match=r"longer than 0\.01 seconds"):
            await desk.ask(ASK)
        await desk.close()

    run(scenario())


def test_a_store_that_is_not_there_is_a_page(tmp_path: Path) -> None:
    """The process lives on, since it may be there later."""

    async def scenario() -> None:
        desk = Desk(f"sqlite:///{tmp_path / 'none.db'}")
        assert (await desk.ask(ASK)).status == 503
        await ledger(tmp_path)
        assert (await desk.ask(ASK)).status == 503
        assert desk.started == 1
        await desk.close()

    run(scenario())
