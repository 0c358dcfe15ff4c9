"""A process opens what it needs, and leaves nothing open, however it ends or fails to begin."""

import asyncio
import contextlib
import gc
import io
import json
import re
import socket
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner import log as logs
from planner.app import App, Server
from planner.clock import VirtualClock
from planner.core.learning.scale import Scale
from planner.core.learning.sizes import LearntScale
from planner.core.ledger.entry import Code, Seconds
from planner.core.records import ConversationRecord, EntryRecord, LearntRecord, TurnRecord
from planner.core.rulefile import load
from planner.listening import AddressError
from planner.proxy.lessons import Lessons
from planner.rulesource import read_files
from planner.settings import Settings, SettingsError
from planner.stores import StoreError
from planner.stores.sqlite import SqliteStore
from tests.doubles.client import connected, request
from tests.doubles.deciding import conversation, turn
from tests.doubles.messages import ASKED, message
from tests.doubles.proxy import read_ledger, run, shipped_rules
from tests.doubles.upstream import RawUpstream, always, answer
from tests.stores.test_sqlite import entry

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


def made(directory: Path, **settings: Any) -> tuple[App, Settings, io.StringIO]:
    """A process that has not begun, its settings and its log."""
    chosen: dict[str, Any] = {"port": 0, "store": f"sqlite:///{directory / 'ledger.db'}"} | settings
    values, said = Settings(**chosen), io.StringIO()
    return App(values, shipped_rules(), clock=VirtualClock(START), log=logs.build(said)), values, said


def held() -> tuple[set[str], int]:
    """Files that this process has open, and its threads; sockets and pipes belong to the loop."""
    gc.collect()
    folder = Path("/proc/self/fd")
    names: set[str] = set()
    if folder.is_dir():
        for link in folder.iterdir():
            with contextlib.suppress(OSError):
                names.add(str(link.readlink()))
    return {name for name in names if "ledger" in name}, threading.active_count()


async def serve(app: App, settings: Settings) -> None:
    """Serve one request of health."""
    async with Server(app, settings).serving() as address, connected(address) as client:
        assert (await client.ask(request("GET", "/readyz", body=None))).status == 200


def test_nothing_is_left_open(tmp_path: Path) -> None:
    """No file, no thread, no task, no journal; and the next process finds the ledger."""
    before = held()

    async def scenario() -> None:
        async with RawUpstream(always(answer(message()))).listening() as upstream:
            for count in (1, 2):
                app, settings, _ = made(tmp_path, upstream=upstream.address)
                async with Server(app, settings).serving() as address, connected(address) as client:
                    assert (await client.ask(request(body=ASKED))).status == 200
                assert len(await read_ledger(tmp_path / "ledger.db")) == count
                assert list((tmp_path / "ledger.db.intents").iterdir()) == []

    run(scenario())
    assert held() == before


def test_the_free_hours_are_forecast_from_the_ledger(tmp_path: Path) -> None:
    """From the first scrape on, without a request: 60 hours a day are 1,800 a month, of which 30 a day were bundled."""

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "ledger.db")
        code = Code(1, Seconds(0.0, 1.0, 2.0), "billed", 1_250 * 3_600, 2_500 * 3_600)
        for number in range(30 * 24):
            at = START - timedelta(hours=number)
            settled = msgspec.structs.replace(
                entry(number, "ok"), at=at.isoformat(timespec="microseconds"), organization="o", code=code
            )
            await store.apply([EntryRecord(settled)])
        await store.close()
        app, settings, _ = made(tmp_path)
        async with Server(app, settings).serving() as address, connected(address) as client:
            text = (await client.ask(request("GET", "/metrics", body=None))).body.decode()
        told = dict(re.findall(r"^planner_(?:free_hours_)?(\w+) (\S+)$", text, re.MULTILINE))
        hours = {name: float(value) for name, value in told.items()}
        assert hours["used"] == pytest.approx(30 * 21.5, abs=2)
        assert hours["forecast"] == pytest.approx(900, rel=0.01)
        assert hours["untouched_forecast"] == pytest.approx(1_800, rel=0.01)
        assert hours["used"] < hours["forecast_low"] < hours["forecast"] < hours["forecast_high"] < hours["limit"]
        assert hours["marginal_hour_usd"] == 0

    run(scenario())


def test_an_hour_beyond_the_limit_has_its_list_price(tmp_path: Path) -> None:
    """In dollars."""

    async def scenario() -> None:
        beyond = load(read_files(None), {"free_hours.limit": "0"})
        settings = Settings(port=0, store=f"sqlite:///{tmp_path / 'ledger.db'}")
        app = App(settings, beyond, clock=VirtualClock(START), log=logs.build(io.StringIO()))
        async with Server(app, settings).serving() as address, connected(address) as client:
            text = (await client.ask(request("GET", "/metrics", body=None))).body.decode()
        assert "\nplanner_marginal_hour_usd 0.05\n" in text

    run(scenario())


def test_a_taken_port(tmp_path: Path) -> None:
    """The store is free again for the process that is started on another port."""
    before = held()

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            app, settings, _ = made(tmp_path, port=taken.getsockname()[1])
            with pytest.raises(AddressError, match="Choose another with --port"):
                await serve(app, settings)
        app, settings, _ = made(tmp_path)
        await serve(app, settings)

    run(scenario())
    assert held() == before


def test_a_locked_store(tmp_path: Path) -> None:
    """The second process is refused, and the first goes on."""
    before = held()

    async def scenario() -> None:
        first, settings, _ = made(tmp_path)
        async with Server(first, settings).serving() as address:
            second, other, _ = made(tmp_path)
            with pytest.raises(StoreError, match="in use by another planner process"):
                await serve(second, other)
            async with connected(address) as client:
                assert (await client.ask(request("GET", "/readyz", body=None))).status == 200

    run(scenario())
    assert held() == before


def test_a_journal_that_cannot_be_opened(tmp_path: Path) -> None:
    """The store is let go again."""
    before = held()
    (tmp_path / "ledger.db.intents").write_text("no directory")

    async def scenario() -> None:
        app, settings, _ = made(tmp_path)
        with pytest.raises(StoreError, match="cannot hold the journal"):
            await serve(app, settings)
        (tmp_path / "ledger.db.intents").unlink()
        await serve(app, settings)

    run(scenario())
    assert held() == before


def test_a_ledger_that_breaks_while_it_is_read(tmp_path: Path) -> None:
    """What was opened before is closed: a table of scopes that is gone stops the start, and nothing stays behind."""
    before = held()

    async def scenario() -> None:
        app, settings, _ = made(tmp_path)
        await serve(app, settings)
        store = await SqliteStore.open(tmp_path / "ledger.db")
        await store._connection.execute("DROP TABLE scopes")  # noqa: SLF001 - somebody broke the file
        await store.close()
        app, settings, _ = made(tmp_path)
        with pytest.raises(StoreError, match="scopes"):
            await serve(app, settings)

    run(scenario())
    assert held() == before


def test_a_start_that_is_cancelled(tmp_path: Path) -> None:
    """A signal may come while the process is still opening its parts."""
    before = held()

    async def scenario() -> None:
        for turns in range(12):
            app, settings, _ = made(tmp_path)
            task = asyncio.ensure_future(serve(app, settings))  # noqa: TID251 - the task is this test's own
            for _ in range(turns):
                await asyncio.sleep(0.002)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        app, settings, _ = made(tmp_path)
        await serve(app, settings)

    run(scenario())
    assert held() == before


def test_a_store_that_is_not_understood(tmp_path: Path) -> None:
    """Before anything is opened."""

    async def scenario() -> None:
        app, settings, _ = made(tmp_path, store="postgres")
        with pytest.raises(SettingsError, match="is not understood"):
            await serve(app, settings)

    run(scenario())


def test_it_is_ready_while_it_runs(tmp_path: Path) -> None:
    """Neither before nor after."""

    async def scenario() -> None:
        app, settings, _ = made(tmp_path)
        assert app._forward is None  # noqa: SLF001 - what /readyz says
        await serve(app, settings)
        assert app._forward is None  # noqa: SLF001 - likewise

    run(scenario())


def test_old_conversations_are_forgotten(tmp_path: Path) -> None:
    """After thirty days in which nobody went on with them."""

    async def scenario() -> None:
        path = tmp_path / "ledger.db"
        store = await SqliteStore.open(path)
        for name, days in (("old", 31), ("young", 29)):
            at = (START - timedelta(days=days)).isoformat(timespec="microseconds")
            known = conversation(root=name)
            await store.apply([ConversationRecord(at, known), TurnRecord(at, turn(conversation=known, session=name))])
        await store.close()
        app, settings, said = made(tmp_path)
        await serve(app, settings)
        store = await SqliteStore.open(path)
        assert [await store.conversation(name) is None for name in ("old", "young")] == [True, False]
        assert [await store.turn(name) is None for name in ("old", "young")] == [True, False]
        await store.close()
        assert "error" not in said.getvalue()

    run(scenario())


def test_a_task_that_fails_is_in_the_log(tmp_path: Path) -> None:
    """By its name and the kind of error, not by what the error says."""
    app, _, said = made(tmp_path)
    app._works._task_failed("writer", ValueError("what somebody said"))  # noqa: SLF001 - heard from Tasks
    assert msgspec.json.decode(said.getvalue())["error"] == "ValueError"
    assert "somebody" not in said.getvalue()


def test_what_was_learnt_never_stops_a_start(tmp_path: Path) -> None:
    """Rows that another version wrote are left aside and counted in the log; so is all of a table that is gone."""

    async def scenario() -> None:
        app, settings, _ = made(tmp_path)
        await serve(app, settings)
        store = await SqliteStore.open(tmp_path / "ledger.db")
        rows = [("x", START.isoformat(), '{"type":"of the future"}'), ("y", START.isoformat(), "{")]
        await store._connection.executemany("INSERT INTO learnt VALUES (?, ?, ?)", rows)  # noqa: SLF001 - another version
        await store.close()
        app, settings, said = made(tmp_path)
        await serve(app, settings)
        (line,) = [json.loads(line) for line in said.getvalue().splitlines() if "left aside" in line]
        assert (line["level"], line["rows"]) == ("warning", 2)
        store = await SqliteStore.open(tmp_path / "ledger.db")
        await store._connection.execute("DROP TABLE learnt")  # noqa: SLF001 - somebody broke the file
        await store.close()
        app, settings, said = made(tmp_path)
        await serve(app, settings)
        assert "what was learnt cannot be read" in said.getvalue()

    run(scenario())


def test_what_cannot_be_gone_on_from_never_stops_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lesson by itself: the others are gone on from."""
    taken: list[str] = []

    def restore(_: Lessons, learnt: tuple[LearntScale, ...]) -> None:
        for each in learnt:
            if each.group == "bad":
                raise ValueError(each.group)
            taken.append(each.group)

    async def scenario() -> None:
        app, settings, said = made(tmp_path)
        store = await SqliteStore.open(tmp_path / "ledger.db")
        at = START.isoformat()
        await store.apply([LearntRecord(at, LearntScale(group, Scale())) for group in ("a", "bad", "c")])
        await store.close()
        monkeypatch.setattr(Lessons, "restore", restore)
        await serve(app, settings)
        assert taken == ["a", "c"]
        assert '"rows":1' in said.getvalue().replace(" ", "")

    run(scenario())
