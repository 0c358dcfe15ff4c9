"""Requests that are under way while rules change: each has the book it came under, and a broken edit moves none."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from planner.core.reasons import Action
from planner.core.rulebook.book import RuleBook
from planner.rulesource import Source, Watched
from tests.doubles.client import RawClient, request
from tests.doubles.deciding import ANSWER, NEWER_CODE, USER, body
from tests.doubles.messages import INPUT_TOKENS, OUTPUT_TOKENS, SSE_END, SSE_HEAD, events
from tests.doubles.proxy import Proxied, proxied, run, settled
from tests.doubles.upstream import Field, Turn, chunk
from tests.doubles.volume import BROKEN, KEY, Volume, input_nano, version

USUAL: dict[str, Any] = {"reload_every": 0.005, "decide_timeout": 10.0}
"""A machine that is slow to decide is another matter."""
STREAMS, RELOADS = 50, 20


def watched(volume: Volume) -> Watched:
    """The volume as it is found at a start."""
    looked = Source(volume.directory).look()
    return Watched(source=Source(volume.directory), files=looked.files, seen=looked.digest)


def compiled(number: int) -> RuleBook:
    """The rule book of a version."""
    files = Source().look().files
    kinds = {path: text.encode() for path, text in version(number).items()}
    return Source().compile({path: files[path] for path in ("catalog.yaml", "settings.yaml")} | kinds).required()


def asked(number: int, *fields: Field) -> bytes:
    """The first request of a conversation, in which code may run."""
    sent = body(tools=[NEWER_CODE], system=f"Conversation {number}.", stream=True)
    return request("POST", "/v1/messages", (b"x-api-key", KEY), *fields, body=sent)


class Streams:
    """An upstream whose answers begin at once and end when they are told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __call__(self, turn: Turn) -> None:
        """Answer one request."""
        await turn.body()
        first, *rest = map(chunk, events())
        await turn.write(SSE_HEAD + first)
        await self.go_on.wait()
        await turn.write(b"".join(rest) + SSE_END)


async def begun(client: RawClient) -> str:
    """The id of a request once its stream has begun."""
    answer = await client.head()
    await client.piece(answer)
    return (answer.value(b"planner-request-id") or b"").decode()


def test_fifty_open_streams_over_twenty_reloads(tmp_path: Path) -> None:
    """Each is planned, priced and written down under the one book that was in force when it came."""
    books = [compiled(number) for number in range(RELOADS + 1)]
    numbers = {book.digest: number for number, book in enumerate(books)}
    assert len(numbers) == len({book.prices.digest for book in books}) == RELOADS + 1

    async def scenario() -> None:
        upstream, volume = Streams(), Volume(tmp_path / "rules")
        volume.publish(version(0))
        usual = USUAL | {"rules": books[0], "watched": watched(volume)}
        async with proxied(tmp_path, upstream, **usual) as proxy, AsyncExitStack() as clients:
            came: dict[str, set[int]] = {}
            asking = iter(range(STREAMS))

            async def open_one(*expected: int) -> None:
                client = await clients.enter_async_context(proxy.client())
                await client.send(asked(next(asking)))
                came[await begun(client)] = set(expected)

            for number in range(1, RELOADS + 1):
                await open_one(number - 1)
                slow = await clients.enter_async_context(proxy.client())
                head, end, rest = asked(next(asking), (b"expect", b"100-continue")).partition(b"\r\n\r\n")
                await slow.send(head + end)
                assert await slow.informational() == 100
                volume.publish(version(number))
                if number % 2:  # some come at the very moment
                    await asyncio.gather(open_one(number - 1, number), until(proxy, books[number]))
                else:
                    await until(proxy, books[number])
                await slow.send(rest)  # it came before the reload, and is planned after it
                came[await begun(slow)] = {number - 1}
            assert len(came) == STREAMS
            upstream.go_on.set()
            entries = await proxy.entries(STREAMS)
            assert (await proxy.metrics())['planner_rules_reloads_total{result="ok"}'] == RELOADS
        assert len(entries) == STREAMS
        for entry in entries:
            number = numbers[entry.digests.rules]
            assert number in came[entry.request_id]
            assert entry.digests.prices == books[number].prices.digest
            assert (entry.outcome, entry.unpriced) == ("ok", None)
            assert entry.cost_nano == INPUT_TOKENS * input_nano(number) + OUTPUT_TOKENS * 20_000
            assert entry.cost_nano == entry.untouched_nano == sum(line.nano for line in entry.lines)
            (bundle,) = (each for each in entry.decisions if each.action is Action.BUNDLE)
            assert (bundle.policy, entry.team) == (f"version-{number}", f"version-{number}")

    run(scenario(), longest=60)


async def until(proxy: Proxied, book: RuleBook) -> None:
    """Wait until a book is in force."""
    await settled(lambda: proxy.app.rules.book.digest == book.digest)


def test_a_broken_edit_under_traffic(tmp_path: Path) -> None:
    """No decision and no price changes, and the process is as ready as before; its metrics say what is wrong."""

    async def scenario() -> None:
        upstream, volume = Streams(), Volume(tmp_path / "rules")
        upstream.go_on.set()
        volume.publish(version(0))
        book = compiled(0)
        usual = USUAL | {"rules": book, "watched": watched(volume)}
        async with proxied(tmp_path, upstream, **usual) as proxy, proxy.client() as client:
            asking = iter(range(100_000))

            async def ask_until(condition: Callable[[], bool]) -> None:
                while not condition():
                    assert (await client.ask(asked(next(asking)))).status == 200

            def refused(count: int) -> Callable[[], bool]:
                return lambda: proxy.app.metrics.reloads.values["error",] == count

            for count, broken in enumerate((BROKEN, version(1) | {"prices/anthropic.yaml": "prices: ["}), 1):
                volume.publish(broken)
                await ask_until(refused(count))
            shutil.rmtree(volume.directory)
            await ask_until(refused(3))
            ready = await client.ask(request("GET", "/readyz", body=None))
            assert (ready.status, ready.body) == (200, b"ready\n")
            samples = await proxy.metrics()
            assert samples[f'planner_rules_info{{digest="{book.digest}"}}'] == 1
            assert samples["planner_rules_stale"] == 1
            assert {value for series, value in samples.items() if series.startswith("planner_fail_open_total")} == {0}
            count = next(asking)
            entries = await proxy.entries(count)
        assert count > 3
        assert {(entry.digests.rules, entry.digests.prices) for entry in entries} == {(book.digest, book.prices.digest)}
        assert len({(entry.decisions, entry.cost_nano, entry.team) for entry in entries}) == 1

    run(scenario())


ALWAYS = """policies:
  - name: always
    why: A test.
    mode: enforce
    then: {bundle: {act: always}}
"""
DENIED = """deny:
  - models: ["claude-haiku-5-5*"]
    tools: [web_fetch_20260318]
    why: Answers 400 since yesterday.
    source: https://status.claude.com
    checked: 2026-11-22
"""


def test_a_denied_version_under_traffic(tmp_path: Path) -> None:
    """Nothing new is begun with it, in words that began so before neither; what has begun keeps it.

    Without the entry it is taken again.
    """
    shipped = Source().look().files["catalog.yaml"].decode()
    assert shipped.rstrip().endswith("deny: []")
    usual = version(0) | {"policies/ours.yaml": ALWAYS, "catalog.yaml": shipped}
    denied = usual | {"catalog.yaml": shipped.replace("deny: []", DENIED)}

    async def scenario() -> None:
        upstream, volume = Streams(), Volume(tmp_path / "rules")
        volume.publish(usual)
        first = watched(volume)
        settings = USUAL | {"rules": Source(volume.directory).compile(first.files).required(), "watched": first}
        async with proxied(tmp_path, upstream, **settings) as proxy, proxy.client() as client, proxy.client() as other:

            async def said(sent: bytes) -> str:
                answer = await other.ask(request("POST", "/v1/messages", (b"x-api-key", KEY), body=sent))
                return (answer.value(b"planner-plan") or b"").decode().replace(';policy="always"', "")

            def tools() -> int:
                return proxy.upstream.requests[-1].body.count(b"web_fetch_20260318")

            def reloads(count: int) -> Callable[[], bool]:
                return lambda: proxy.app.metrics.reloads.values.get(("ok",), 0) == count

            await client.send(asked(1))
            under_way = await client.head()
            volume.publish(denied)
            await settled(reloads(1))
            upstream.go_on.set()
            while await client.piece(under_way):
                pass
            assert tools() == 1
            words = body(tools=[NEWER_CODE], system="Conversation 1.", stream=True)
            history = [USER, ANSWER, {"role": "user", "content": "Go on."}]
            begun = body(tools=[NEWER_CODE], system="Conversation 1.", stream=True, messages=history)
            assert "bundle=kept;reason=repeated" in await said(begun)
            assert tools() == 1
            for new in (words, body(tools=[NEWER_CODE], system="Conversation 2.", stream=True)):
                assert "bundle=declined;reason=denied" in await said(new)
                assert tools() == 0
            volume.publish(usual)
            await settled(reloads(2))
            assert "bundle=applied" in await said(body(tools=[NEWER_CODE], system="Conversation 3.", stream=True))

    run(scenario())
