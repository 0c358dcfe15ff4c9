"""Every method and every target that HTTP allows goes upstream as it came, but for the planner's own few."""

from pathlib import Path

from tests.doubles.client import Answer, request
from tests.doubles.proxy import Proxied, proxied, run
from tests.doubles.upstream import Turn, always, answer

TARGETS = [
    "/v1/models?",
    "/v1/models?limit=1000",
    "/v1/messages?beta=true",
    "//v1/x",
    "//",
    "/",
    "/?",
    "/v1/%2Fx",
    "/v1/a%2fb",
    "/v1/%zz",
    "/v1/../x",
    "/v1/./models/.",
    "/v1/models;a=1",
    "/v1/x?y=?&a[]=%00&b=+",
    "/v1/x#fragment",
    "/healthz%20",
    "/planners",
    "/metricsx",
    "/v1/x?" + "q" * 60_000,
]


ABSOLUTE = {
    "http://api.anthropic.com/v1/models?": b"/v1/models?",
    "HTTPS://X/": b"/",
    "http://x//v1": b"//v1",
}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "PROPFIND"]


def test_targets_are_kept(tmp_path: Path) -> None:
    """Every raw target reaches the upstream byte for byte."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy, proxy.client() as client:
            for target in TARGETS:
                assert (await client.ask(request("GET", target, body=None))).status == 200, target
                assert proxy.upstream.requests[-1].target == target.encode()

    run(scenario())


def test_absolute_form(tmp_path: Path) -> None:
    """A client that takes the planner for a forward proxy gets its path and query forwarded."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy, proxy.client() as client:
            for absolute, kept in ABSOLUTE.items():
                assert (await client.ask(request("GET", absolute, body=None))).status == 200, absolute
                assert proxy.upstream.requests[-1].target == kept

    run(scenario())


def test_target_that_is_no_path(tmp_path: Path) -> None:
    """A target that is neither a path nor an http(s) address is the caller's error, told in Anthropic's shape."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy:
            for target in ("*", "example.org:443"):
                async with proxy.client() as client:
                    got = await client.ask(request("OPTIONS", target, body=None))
                    assert got.status == 400
                    assert b'"invalid_request_error"' in got.body
            assert not proxy.upstream.requests

    run(scenario())


def test_methods(tmp_path: Path) -> None:
    """Any method goes upstream, with its body or without one."""

    async def script(turn: Turn) -> None:
        await turn.write(answer(await turn.body()))

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            for method in METHODS:
                got = await client.ask(request(method, "/v1/files/x", body=b"some body"))
                assert (got.status, got.body) == (200, b"some body"), method
                assert proxy.upstream.requests[-1].method == method.encode()
                got = await client.ask(request(method, "/v1/files/x", body=None))
                assert (got.status, got.body) == (200, b""), method

    run(scenario())


def test_head_has_the_head_of_a_get(tmp_path: Path) -> None:
    """HEAD brings the upstream's `content-length` and no body, and the connection goes on."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\netag: abc\r\n\r\n")

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            for _ in range(2):
                got = await client.ask(request("HEAD", "/api/hello", body=None), head_only=True)
                assert (got.status, got.value(b"content-length"), got.value(b"etag")) == (200, b"1234", b"abc")
            assert proxy.upstream.requests[0].method == b"HEAD"

    run(scenario())


async def _own(proxy: Proxied, target: str) -> Answer:
    async with proxy.client() as client:
        return await client.ask(request("GET", target, body=None))


def test_own_addresses_never_go_upstream(tmp_path: Path) -> None:
    """What lies under /planner, and health and metrics, is answered here, whoever asks and whether it exists."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy:
            for target in ("/planner/no/such/page", "/planner/x?y", "/healthz", "/readyz", "/metrics"):
                await _own(proxy, target)
            missing = await _own(proxy, "/planner/no/such/page")
            assert missing.status == 404
            assert not proxy.upstream.requests

    run(scenario())


def test_base_path_of_the_upstream(tmp_path: Path) -> None:
    """An upstream under a path gets that path before every target."""

    async def scenario() -> None:
        async with proxied(tmp_path / "a", always(answer(b"ok"))) as inner:
            base = inner.upstream.address + "/base/"
            async with (
                proxied(tmp_path / "b", always(answer(b"no")), upstream=base) as proxy,
                proxy.client() as client,
            ):
                assert (await client.ask(request("GET", "/v1/models?", body=None))).body == b"ok"
            assert inner.upstream.requests[0].target == b"/base/v1/models?"

    run(scenario())
