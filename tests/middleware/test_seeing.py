"""What the SDK is about to send is read as it will be sent, and what cannot be read so is left alone."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import AnthropicFoundry, APIRequest
from anthropic.lib.credentials import AccessToken

from planner.middleware.seeing import Client, Seen, UnseenError, client_of, is_elsewhere, onward, see
from planner.proxy.callers import fingerprint
from tests.doubles.inside import KEY, asked, inside
from tests.doubles.proxy import run

Link = Callable[..., Any]


class StoppedError(Exception):
    """Nothing is sent in these tests."""


class Spy(anthropic.Middleware):
    """Keeps what it is given, and goes no further."""

    def __init__(self) -> None:
        self.request: APIRequest | None = None
        self.call_next: Link | None = None

    def handle(self, request: APIRequest, call_next: Link) -> Any:
        """Keep it."""
        self.request, self.call_next = request, call_next
        raise StoppedError


def given(**more: Any) -> tuple[APIRequest, Link, anthropic.Anthropic]:
    """What a middleware is given for one call."""
    spy = Spy()
    made: dict[str, Any] = {"base_url": "http://api.test/gateway", "api_key": KEY} | more
    client = anthropic.Anthropic(middleware=[spy, lambda request, call_next: call_next(request)], **made)
    with pytest.raises(StoppedError):
        client.messages.create(**asked(), extra_headers={"X-Own": "1"})
    assert spy.request is not None
    assert spy.call_next is not None
    return spy.request, spy.call_next, client


def seen(**more: Any) -> tuple[Seen, APIRequest]:
    """What is seen of it."""
    request, call_next, _ = given(**more)
    return see(request, client_of(call_next)), request


def test_the_client_is_found_behind_other_middlewares() -> None:
    """The SDK hands over no client, and its key is needed before anything is sent."""
    _, call_next, client = given()
    assert client_of(call_next) is client


@pytest.mark.parametrize("link", [print, lambda request: request, Spy().handle])
def test_a_chain_without_a_client_is_an_error(link: Link) -> None:
    """Such a request goes untouched, and says so; it is not guessed who sends it."""
    with pytest.raises(UnseenError, match="client was not found"):
        client_of(link)


def test_head_and_body_are_those_that_are_sent() -> None:
    """The target without the base address's path, the key as a field, the body as the SDK encodes it."""
    found, request = seen(default_headers={"Planner-Tags": "team=x", "X-Gone": "1"}, max_retries=0)
    assert (found.head.method, found.head.target) == ("POST", b"/v1/messages")
    fields = {name.lower(): value for name, value in found.head.fields}
    assert (fields[b"x-own"], fields[b"planner-tags"]) == (b"1", b"team=x")
    assert KEY.encode() in fields.get(b"authorization", b"") + fields.get(b"x-api-key", b"")
    assert found.ours == {"planner-tags"}
    assert found.body == json.dumps(request.json, separators=(",", ":"), ensure_ascii=False).encode()


def test_an_edit_goes_out_as_its_own_bytes() -> None:
    """The SDK's request is as it was; the one that goes on has the planner's body, and not its fields."""
    found, request = seen(default_headers={"planner-tags": "team=x"})
    went = onward(request, found.ours, b'{"edited":1}')
    assert (went.options.content, went.json) == (b'{"edited":1}', None)
    assert isinstance({**went.headers}["planner-tags"], anthropic.Omit)
    assert request.json is not None
    assert request.options.content is None
    assert onward(request, frozenset()) is request


def test_a_body_that_is_no_json_is_left_alone() -> None:
    """An iterator can be read once, and it is the API's to read."""
    request, _, client = given()
    request.options.json_data = None
    request.options.content = iter([b"{}"])
    with pytest.raises(UnseenError, match="no JSON"):
        see(request, client)
    request.options.content = b'{"by":"another middleware"}'
    assert see(request, client).body == b'{"by":"another middleware"}'


def test_clients_of_other_clouds_are_known() -> None:
    """Their prices, tools and ids are others; who derives a client of one's own stays at home."""

    class Own(anthropic.Anthropic):
        """Somebody's own client."""

    own: Client = Own(api_key=KEY)
    other: Client = AnthropicFoundry(api_key=KEY, base_url="http://api.test")
    assert not is_elsewhere(own)
    assert is_elsewhere(other)


def test_a_client_with_credentials_is_known_by_its_token(tmp_path: Path) -> None:
    """The SDK fetches the token when it sends; it is asked for once, and the ledger says whose it was."""
    fetched: list[str] = []

    def provide(**_: Any) -> AccessToken:
        fetched.append("token")
        return AccessToken(token=KEY, expires_at=None)

    async def scenario() -> None:
        async with inside(tmp_path) as here:
            plain: Any = {"api_key": None, "credentials": provide}

            def talk(client: anthropic.Anthropic) -> None:
                client.messages.create(**asked())

            await here.thread(talk, **plain)
            async with here.client(**plain) as client:
                await client.messages.create(**asked())
            entries = await here.entries()
            assert {entry.principal for entry in entries} == {fingerprint(KEY.encode())}
            assert len(entries) == len(fetched) == 2

    run(scenario())


def test_a_request_that_cannot_be_seen_goes_on(tmp_path: Path) -> None:
    """Whatever the SDK makes of it later: it is counted, and its caller notices nothing."""

    async def scenario() -> None:
        async with inside(tmp_path) as here:
            async with here.client() as client:
                got = await client.post(
                    "/v1/messages", cast_to=httpx2.Response, content=chunks(json.dumps(asked()).encode())
                )
                assert got.status_code == 200
            assert here.failures() == {"bug": 1}
            assert not here.store.exists()

    run(scenario())


async def chunks(body: bytes) -> Any:
    """A body that can be read once."""
    yield body
    await asyncio.sleep(0)
