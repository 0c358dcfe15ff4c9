"""All end-to-end header fields cross in their order, case and number; nothing is added on the way up."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from planner.proxy.headers import HOP_BY_HOP, Field, downward, upward, value
from tests.doubles.client import request
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import always, answer

NAMES = st.sampled_from([b"X-A", b"x-a", b"Connection", b"TE", b"Host", b"Content-Length", b"planner-mode", b"Accept"])
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from([b"1", b"close", b"x-a, TE", b""])), max_size=12)


@given(FIELDS)
def test_upward_is_a_subsequence(fields: list[Field]) -> None:
    """What goes up is what came, in order, less hop-by-hop fields, framing, and ours."""
    kept = upward(fields)
    rest = iter(fields)
    assert all(field in rest for field in kept)
    assert not {name.lower() for name, _ in kept} & (HOP_BY_HOP | {b"host", b"content-length", b"planner-mode"})


@given(FIELDS)
def test_fields_named_by_connection_stop_here(fields: list[Field]) -> None:
    """A field that `Connection` names belongs to one hop, in both directions."""
    lists = [content for name, content in fields if name == b"Connection"]
    named = {token.strip().lower() for content in lists for token in content.split(b",")}
    for kept in (upward(fields), downward(fields, 200)):
        assert not {name.lower() for name, _ in kept} & named


@given(FIELDS)
def test_downward_drops_a_length_without_a_body(fields: list[Field]) -> None:
    """A 204 or 304 tells no length; any other status keeps it."""
    for status in (204, 304):
        assert value(downward(fields, status), b"content-length") is None


def test_value_is_the_first() -> None:
    """Of repeated fields the first counts; names know no case."""
    assert value([(b"X-A", b"1"), (b"x-a", b"2")], b"x-a") == b"1"
    assert value([], b"x-a") is None


SENT: list[Field] = [
    (b"X-A", b"1"),
    (b"x-a", b"2"),
    (b"ANTHROPIC-beta", b"one,two"),
    (b"anthropic-beta", b"three"),
    (b"X-Empty", b""),
    (b"x-Tab", b"a\tb"),
    (b"X-Utf8", "é…😀".encode()),
    (b"Cookie", b"a=b"),
    (b"cookie", b"c=d"),
    (b"Authorization", b"Bearer k"),
    (b"Range", b"bytes=0-1"),
    (b"Date", b"x"),
    (b"Forwarded", b"for=1.2.3.4"),
    (b"accept", b"a/b;q=0.1"),
]


def test_fields_reach_the_upstream_as_they_came(tmp_path: Path) -> None:
    """Order, case, duplicates and odd values are kept, and only the framing of this hop is added."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy, proxy.client() as client:
            await client.ask(request("POST", "/v1/messages", *SENT))
            got = proxy.upstream.requests[0].fields
            assert got[0][0] == b"Host"
            assert got[0][1] == proxy.upstream.address.removeprefix("http://").encode()
            assert [field for field in got[1:] if field[0] != b"Content-Length"] == SENT
            assert len(got) == len(SENT) + 2

    run(scenario())


def test_nothing_is_added(tmp_path: Path) -> None:
    """A bare request stays bare: no accept, accept-encoding, user-agent, content-type or connection."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy, proxy.client() as client:
            await client.ask(request("GET", "/v1/models", body=None))
            assert [name for name, _ in proxy.upstream.requests[0].fields] == [b"Host"]
            await client.ask(request("POST", "/v1/messages", body=b"{}"))
            assert [name for name, _ in proxy.upstream.requests[1].fields] == [b"Host", b"Content-Length"]

    run(scenario())


def test_ours_and_hop_by_hop_stop_here(tmp_path: Path) -> None:
    """The planner's own fields, hop-by-hop fields and what `Connection` names never reach the upstream."""
    fields = (
        (b"Planner-Session", b"s"),
        (b"planner-tags", b"team=a"),
        (b"planner-mode", b"off"),
        (b"Connection", b"keep-alive, X-Hop"),
        (b"Keep-Alive", b"timeout=5"),
        (b"X-Hop", b"1"),
        (b"TE", b"trailers"),
        (b"Proxy-Authorization", b"secret"),
        (b"X-End", b"1"),
    )

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy, proxy.client() as client:
            await client.ask(request("GET", "/v1/models", *fields, body=None))
            assert proxy.upstream.requests[0].fields[1:] == [(b"X-End", b"1")]

    run(scenario())


def test_response_fields_come_back(tmp_path: Path) -> None:
    """Order, duplicates and values of the answer are kept; what is of one hop stops; ours are added at the end."""
    told: list[Field] = [
        (b"request-id", b"req_1"),
        (b"set-cookie", b"a=1"),
        (b"x-odd", b"a\tb \xc3\xa9\xff"),
        (b"set-cookie", b"b=2"),
        (b"date", b"Mon"),
        (b"server", b"upstream"),
        (b"anthropic-ratelimit-requests-remaining", b"7"),
    ]

    async def scenario() -> None:
        hop = [(b"connection", b"keep-alive, x-hop"), (b"keep-alive", b"1"), (b"x-hop", b"1"), (b"trailer", b"x")]
        async with proxied(tmp_path, always(answer(b"ok", *told, *hop))) as proxy, proxy.client() as client:
            got = await client.ask(request("GET", "/v1/models", body=None))
            assert got.fields[: len(told) + 1] == [*told, (b"content-length", b"2")]
            ours = [name for name, _ in got.fields[len(told) + 1 :]]
            assert set(ours) <= {b"planner-request-id", b"planner-body", b"planner-plan"}
            assert got.value(b"planner-body") == b"unchanged"

    run(scenario())


def test_many_and_long_response_fields(tmp_path: Path) -> None:
    """Hundreds of fields, and one of tens of kilobytes, come through."""
    told = [(b"x-%d" % number, b"v") for number in range(300)] + [(b"x-long", b"v" * 50_000)]

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok", *told))) as proxy, proxy.client() as client:
            got = await client.ask(request("GET", "/v1/models", body=None))
            assert got.status == 200
            assert got.fields[: len(told)] == told

    run(scenario())


def test_field_that_is_not_utf8(tmp_path: Path) -> None:
    """A value that could not be sent unchanged is refused with a sentence, not altered in silence."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy, proxy.client() as client:
            got = await client.ask(request("GET", "/v1/models", (b"x-latin", b"\xe9"), body=None))
            assert (got.status, b"header field" in got.body) == (400, True)
            assert not proxy.upstream.requests

    run(scenario())
