"""A server listens for as long as a block lasts; an address that cannot be had is one sentence."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
import uvicorn
from uvicorn.importer import ImportFromStringError

from planner.listening import AddressError, Listener, listening
from tests.doubles.client import connected, request
from tests.doubles.proxy import run

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]


async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer everything."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def config(app: Any = hello) -> uvicorn.Config:
    """A silent server."""
    return uvicorn.Config(app, log_config=None, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)


def ipv6() -> bool:
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_it_listens_while_the_block_lasts(host: str) -> None:
    """Port 0 is any free one, an IPv6 address stands in brackets, and the port is free again afterwards."""
    if host == "::1" and not ipv6():
        host = "127.0.0.1"

    async def scenario() -> None:
        async with listening(config(), host, 0) as (_, url):
            assert url.startswith("http://[::1]:" if host == "::1" else f"http://{host}:")
            async with connected(url) as client:
                assert (await client.ask(request("GET", "/", body=None))).status == 204
            port = int(url.rpartition(":")[2])
        async with listening(config(), host, port) as (_, again):
            assert again == url

    run(scenario())


def test_a_taken_port_is_said_in_a_sentence() -> None:
    """With the address, the reason, and what to do."""

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(AddressError) as raised:
                async with listening(config(), "127.0.0.1", port):
                    pass
        assert str(raised.value) == (
            f"cannot listen on 127.0.0.1:{port}: Address already in use. Choose another with --port."
        )

    run(scenario())


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "fe80::1"])
def test_an_address_of_somebody_else(host: str) -> None:
    """Likewise."""

    async def scenario() -> None:
        with pytest.raises(AddressError, match=f"cannot listen on {host}:0: "):
            async with listening(config(), host, 0):
                pass

    run(scenario())


def test_stopping_twice_is_stopping_at_once() -> None:
    """The first asks requests to end, the second does not wait for them."""

    async def scenario() -> None:
        server = Listener(config())
        server.stop()
        assert (server.should_exit, server.force_exit, server.stopped.is_set()) == (True, False, True)
        server.stop()
        assert (server.should_exit, server.force_exit) == (True, True)

    run(scenario())


def test_stopping_once_waits_for_answers() -> None:
    """Who is being answered when the signal comes gets the whole answer."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await over.wait()
        await hello(scope, receive, send)

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group, AsyncExitStack() as outlasting:
            async with listening(config(slow), "127.0.0.1", 0) as (server, url):
                client = await outlasting.enter_async_context(connected(url))
                answer = group.create_task(client.ask(request("GET", "/", body=None)))
                await begun.wait()
                server.stop()
                group.create_task(later(over))
            assert not server.force_exit
            assert (await answer).status == 204

    async def later(event: asyncio.Event) -> None:
        event.set()

    run(scenario())


def test_a_request_that_never_ends_does_not_hold_up_a_second_stop() -> None:
    """Asked once the server waits for it, asked twice it does not."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def stuck(scope: Scope, _receive: Receive, _send: Send) -> None:
        del scope
        begun.set()
        await over.wait()

    async def scenario() -> None:
        async with listening(config(stuck), "127.0.0.1", 0) as (server, url), connected(url) as client:
            await client.send(request("GET", "/", body=None))
            await begun.wait()
            server.stop()
            server.stop()
        assert not over.is_set()
        over.set()

    run(scenario())


def test_a_server_that_never_starts_is_not_waited_for() -> None:
    """What it failed with comes out of the block, which never begins."""

    async def scenario() -> None:
        broken = uvicorn.Config(hello, http="planner.no_such_module:Protocol", log_config=None)
        with pytest.raises(ImportFromStringError):
            async with listening(broken, "127.0.0.1", 0):
                pytest.fail("it began")

    run(scenario())


def test_what_goes_wrong_in_the_block_comes_out_of_it() -> None:
    """And the server is stopped all the same."""

    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            async with listening(config(), "127.0.0.1", 0):
                raise ZeroDivisionError

    run(scenario())
