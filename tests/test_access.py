"""Metrics are for someone on this machine or someone with the token; everyone may ask for health."""

from pathlib import Path
from typing import Any

import pytest

from planner import access
from tests.doubles.client import request
from tests.doubles.proxy import Proxied, proxied, run
from tests.doubles.upstream import Field, always, answer

LOCAL_HOSTS = [b"127.0.0.1", b"127.0.0.1:8484", b"localhost", b"LocalHost:8484", b"[::1]:8484", b"127.9.9.9"]
OTHER_HOSTS = [b"example.org", b"127.0.0.1.example.org", b"localhost.example.org", b"10.0.0.1", b"", b"[fe80::1]"]
FORWARDED = [b"Forwarded", b"X-Forwarded-For", b"x-forwarded-host", b"X-Forwarded-Anything", b"X-Real-IP", b"Via"]


async def status(proxy: Proxied, *fields: Field, target: str = "/metrics", host: bytes = b"localhost") -> int:
    """The status of a page of ours."""
    async with proxy.client() as client:
        return (await client.ask(request("GET", target, *fields, body=None, host=host))).status


def test_local_callers(tmp_path: Path) -> None:
    """A loopback peer with a loopback `Host` sees metrics; a name rebound to us, or anything forwarded, does not."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy:
            for host in LOCAL_HOSTS:
                assert await status(proxy, host=host) == 200, host
            for host in OTHER_HOSTS:
                assert await status(proxy, host=host) == 403, host
                for target in ("/healthz", "/readyz"):
                    assert await status(proxy, host=host, target=target) == 200
            for name in FORWARDED:
                assert await status(proxy, (name, b"127.0.0.1")) == 403, name
            async with proxy.client() as client:
                assert (await client.ask(b"GET /metrics HTTP/1.0\r\n\r\n")).status == 403
            assert not proxy.upstream.requests

    run(scenario())


def scope(*hosts: bytes, version: str = "1.1", peer: str = "127.0.0.1", more: Field | None = None) -> Any:
    """What of a request tells how its caller sees us."""
    fields = [(b"host", host) for host in hosts] + ([] if more is None else [more])
    return {"client": (peer, 5), "http_version": version, "headers": fields}


def test_how_a_caller_sees_us() -> None:
    """By its `Host`, if it is on this machine and asks directly; any doubt about it, and nobody knows."""
    for host in LOCAL_HOSTS:
        assert access.seen_as(scope(host)) == f"http://{host.decode()}"
    for host in [
        *OTHER_HOSTS,
        b'127.0.0.1:8484"',
        b"localhost:",
        b"localhost:8484/x",
        b"localhost:word",
        b"::1",
        b"a@localhost",
    ]:
        assert access.seen_as(scope(host)) is None, host
    assert access.seen_as(scope()) is None
    assert access.seen_as(scope(b"localhost", b"localhost")) is None
    assert access.seen_as(scope(b"localhost", peer="10.0.0.1")) is None
    assert access.seen_as(scope(b"localhost", more=(b"x-forwarded-for", b"127.0.0.1"))) is None
    assert access.seen_as(scope(b"localhost", version="1.0")) is None


def test_token(tmp_path: Path) -> None:
    """The operator's token opens metrics from anywhere, as bearer or cookie; a wrong one does not."""
    cookie = access.cookie_of("s3cret").encode()
    right: list[Field] = [
        (b"Authorization", b"Bearer s3cret"),
        (b"authorization", b"bearer  s3cret "),
        (b"Cookie", b"a=b; planner-login=" + cookie + b"; c=d"),
    ]
    wrong: list[Field] = [
        (b"Authorization", b"Bearer s3cre"),
        (b"Authorization", b"Bearer"),
        (b"Authorization", b"Basic s3cret"),
        (b"Cookie", b"planner-login=s3cret"),
        (b"Cookie", b"planner-login" + cookie),
        (b"Cookie", b"planner-login=" + access.cookie_of("S3cret").encode()),
        (b"X-Api-Key", b"s3cret"),
    ]

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok")), admin_token="s3cret") as proxy:
            for field in right:
                assert await status(proxy, field, (b"X-Forwarded-For", b"1.2.3.4"), host=b"x") == 200, field
            for field in wrong:
                assert await status(proxy, field, host=b"x") == 403, field
            assert await status(proxy) == 200

    run(scenario())


def test_open_metrics(tmp_path: Path) -> None:
    """PLANNER_METRICS=open frees scraping."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok")), open_metrics=True) as proxy:
            assert await status(proxy, (b"Forwarded", b"for=1.2.3.4"), host=b"example.org") == 200

    run(scenario())


@pytest.mark.parametrize("target", ["/healthz", "/readyz"])
def test_health_is_one_word(tmp_path: Path, target: str) -> None:
    """Health answers with one word."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy, proxy.client() as client:
            got = await client.ask(request("GET", target, body=None))
            assert (got.status, len(got.body.split())) == (200, 1)

    run(scenario())


def test_a_cookie_is_not_the_token() -> None:
    """Whoever reads it in a browser's files has a way in, and not what opens everything else."""
    cookie = access.cookie_of("s3cret")
    assert len(cookie) == 64
    assert "s3cret" not in cookie
    assert cookie != access.cookie_of("another")
    assert access.is_token("s3cret", "s3cret")
    assert not access.is_token("s3cret ", "s3cret")
    assert not access.is_token("", None)
