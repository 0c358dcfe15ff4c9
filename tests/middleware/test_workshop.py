"""The planner's own thread: it begins once, ends once, and whatever breaks in it, requests go on as written."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import pytest

from planner.clock import RandomIds
from planner.middleware import Planner
from planner.middleware import planner as module
from planner.middleware.workshop import UnavailableError
from planner.opening import read_store
from planner.stores.journal import JournalError
from tests.doubles.inside import KEY, NEW_CODE, Hasty, HastySync, Inside, asked, inside, quiet, rules_in
from tests.doubles.proxy import read_ledger, run
from tests.doubles.simulated import simulating

HERE = Path(__file__).parents[2]

PROGRAM = """
import os, sys, anthropic
from planner.middleware import Planner
from planner.middleware.workshop import UnavailableError
client = anthropic.Anthropic(base_url=sys.argv[1], api_key="sk-ant-one", middleware=[Planner(store=sys.argv[2])])
def ask():
    client.with_options(http_client=anthropic.DefaultHttpxClient()).messages.create(
        model="claude-opus-5-5", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
ask()
child = os.fork()
if child == 0:
    ask()
    print(client.middleware[0].metrics().decode())
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
ask()
"""


def broken(planner: Planner) -> Any:
    """The workshop of a planner, to be broken."""
    return planner._shop  # noqa: SLF001 - a bug, made for the test


async def course_of(planner: Planner) -> Any:
    """The course of a planner that has begun, to be broken."""
    shop = broken(planner)
    await asyncio.to_thread(shop.begin)
    return shop._course  # noqa: SLF001 - likewise


async def both(here: Inside) -> None:
    """One call of each client, which must not notice anything."""

    def talk(client: anthropic.Anthropic) -> None:
        assert client.messages.create(**asked("[csv]", tools=[NEW_CODE])).stop_reason == "end_turn"

    await here.thread(talk)
    async with here.client() as client, client.messages.stream(**asked("[csv]", tools=[NEW_CODE])) as stream:
        assert (await stream.get_final_message()).stop_reason == "end_turn"
    for heard in here.heard[-2:]:
        assert [tool["type"] for tool in heard.json()["tools"]] == [NEW_CODE["type"]]
        assert not [name for name, _ in heard.fields if name.startswith("planner-")]


def test_a_store_that_cannot_be_opened(tmp_path: Path) -> None:
    """Requests go on, uncounted in any ledger, but counted; the store is tried again after a while."""
    (tmp_path / "file").write_text("no directory")

    async def scenario() -> None:
        async with inside(tmp_path, store=f"sqlite:///{tmp_path / 'file' / 'ledger.db'}") as here:
            await both(here)
            assert here.failures() == {"store": 2}
            (tmp_path / "file").unlink()
            await both(here)
            assert here.failures() == {"store": 4}
            here.advance(31)
            async with here.client() as client:
                await client.messages.create(**asked())
            assert here.failures() == {"store": 4}

    run(scenario())


def test_two_planners_on_one_file(tmp_path: Path) -> None:
    """The ledger has one writer: the second passes requests on, and its log says why in a sentence."""

    async def scenario() -> None:
        async with inside(tmp_path) as first, first.client() as client:
            await client.messages.create(**asked())
            second = Planner(store=f"sqlite:///{first.store}", log=quiet())
            with pytest.raises(UnavailableError, match="in use"):
                await asyncio.to_thread(broken(second).begin)
            second.close()

    run(scenario())


def test_two_planners_share_a_database(tmp_path: Path, database: str) -> None:
    """As two proxies do: each has a journal of its own, and the entries of both are in one ledger."""

    async def scenario() -> None:
        async with inside(tmp_path, store=database, journal=tmp_path / "first", ids=RandomIds()) as here:
            with Planner(store=database, journal=tmp_path / "second", log=quiet()) as second:
                await here.thread(lambda client: client.messages.create(**asked()))
                async with Hasty(base_url=here.url, api_key=KEY, middleware=[second]) as client:
                    await client.messages.create(**asked())
                await asyncio.to_thread(second.close)
            await asyncio.to_thread(here.planner.close)
            store = await read_store(database)
            try:
                assert [entry.outcome async for entry in store.entries()] == ["ok", "ok"]
            finally:
                await store.close()

    run(scenario())


def raising(*_: object, **__: object) -> Any:
    """A bug."""
    raise RuntimeError("what a caller said")


BUGS: dict[str, Callable[[Any], None]] = {
    "planning": lambda course: setattr(course, "_planning", None),
    "preparing": lambda course: setattr(course, "prepare", raising),
    "refusing": lambda course: setattr(course, "refusal", raising),
    "departing": lambda course: setattr(course, "depart", raising),
    "settling": lambda course: setattr(course, "_hours", None),
}


@pytest.mark.parametrize("where", BUGS)
def test_a_bug_of_ours_is_not_the_callers(tmp_path: Path, where: str) -> None:
    """Wherever it is: the request goes as it was written, its answer comes whole, and the failure is counted."""

    async def scenario() -> None:
        async with inside(tmp_path, rules=rules_in(tmp_path)) as here:
            course = await course_of(here.planner)
            if where == "settling":  # what goes out is decided before
                async with here.client() as client:
                    await client.messages.create(**asked())
            BUGS[where](course)
            if where == "settling":
                async with here.client() as client:
                    assert (await client.messages.create(**asked())).content
            else:
                await both(here)
            assert set(here.failures()) == {"settle" if where == "settling" else "bug"}

    run(scenario())


def test_a_journal_that_cannot_be_written(tmp_path: Path) -> None:
    """A full disk stops no request: it is planned as ever, and the count says what is amiss."""

    class Full:
        """A disk without room."""

        def append(self, _: bytes) -> None:
            """Fail."""
            raise JournalError("no space left")

    async def scenario() -> None:
        async with inside(tmp_path, rules=rules_in(tmp_path)) as here, here.client() as client:
            recorder = (await course_of(here.planner))._recorder  # noqa: SLF001 - likewise
            journal, recorder._journal = recorder._journal, Full()  # noqa: SLF001 - likewise
            raw = await client.messages.with_raw_response.create(**asked("[csv]", tools=[NEW_CODE]))
            assert raw.headers["planner-body"] == "edited"
            assert set(here.failures()) == {"journal"}
            recorder._journal = journal  # noqa: SLF001 - likewise
            assert [entry.outcome for entry in await here.entries()] == ["ok"]

    run(scenario())


def test_a_planner_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request waits a while, and then goes without it."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)

    async def hang(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        async with inside(tmp_path) as here:
            (await course_of(here.planner)).prepare = hang
            await both(here)
            assert here.failures() == {"time-budget": 2}

    run(scenario())


def test_many_threads_begin_it_once(tmp_path: Path) -> None:
    """Requests of all of them are in one ledger, each once."""

    async def scenario() -> None:
        async with inside(tmp_path) as here:

            def talk(_: int) -> None:
                with here.sync() as client:
                    client.messages.create(**asked())

            def talks() -> None:
                with ThreadPoolExecutor(8) as threads:
                    list(threads.map(talk, range(16)))

            await asyncio.to_thread(talks)
            entries = await here.entries()
            assert [entry.outcome for entry in entries] == ["ok"] * 16
            assert len({entry.request_id for entry in entries}) == 16

    run(scenario())


def test_closing_enters_what_is_still_read(tmp_path: Path) -> None:
    """A stream that nobody closes keeps nothing waiting; what was said of it is in the ledger."""

    async def scenario() -> None:
        async with inside(tmp_path) as here, here.client() as client:
            stream = await client.messages.create(**asked("[csv]", tools=[NEW_CODE]), stream=True)
            assert (await anext(aiter(stream))).type == "message_start"
            (entry,) = await here.entries()
            assert entry.outcome == "cancelled"
            await stream.close()

    run(scenario())


def test_a_program_that_just_ends(tmp_path: Path) -> None:
    """Nothing is closed by hand and nothing is lost; a process that was forked off goes untouched beside a file."""
    store = tmp_path / "ledger.db"

    async def scenario() -> None:
        async with simulating() as (simulator, url):
            command = [sys.executable, "-c", PROGRAM, url, f"sqlite:///{store}"]
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, timeout=60, cwd=HERE, check=False
            )
            assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
            assert 'planner_fail_open_total{cause="store"} 1.0' in done.stdout
            assert len(simulator.messages()) == 3
            assert [entry.outcome for entry in await read_ledger(store)] == ["ok"] * 2

    run(scenario())


def test_it_can_be_closed_before_it_began() -> None:
    """Twice, too."""
    planner = Planner(log=quiet())
    planner.close()
    planner.close()
    client = HastySync(base_url="http://127.0.0.1:9", api_key=KEY, max_retries=0, middleware=[planner])
    with client, pytest.raises(anthropic.APIConnectionError):
        client.messages.create(**asked())
    assert b'planner_fail_open_total{cause="store"} 1.0' in planner.metrics()
