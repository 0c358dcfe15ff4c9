"""The dashboard in a running proxy: who may look, how somebody signs in and out, and what goes with every answer."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from litestar.types import Scope

from planner.access import cookie_of
from planner.dashboard import assets
from planner.dashboard.answers import HEADERS, POLICY
from planner.dashboard.routes import below
from tests.doubles.client import Answer, request
from tests.doubles.proxy import Proxied, proxied, run
from tests.doubles.upstream import Field, always, answer

FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
AFAR = b"planner.example.org"


def visited(tmp_path: Path, scenario: Callable[[Proxied], Awaitable[None]], **settings: Any) -> None:
    """Run visits to a proxy; none of them goes upstream."""

    async def whole() -> None:
        async with proxied(tmp_path, always(answer(b"ok")), **settings) as proxy:
            await scenario(proxy)
            assert not proxy.upstream.requests

    run(whole())


async def get(proxy: Proxied, target: str, *fields: Field, host: bytes = b"localhost", method: str = "GET") -> Answer:
    """One visit."""
    async with proxy.client() as client:
        return await client.ask(request(method, target, *fields, body=None, host=host), head_only=method == "HEAD")


async def post(proxy: Proxied, target: str, body: bytes, *fields: Field, host: bytes = AFAR) -> Answer:
    """A form that is sent."""
    async with proxy.client() as client:
        return await client.ask(request("POST", target, FORM, *fields, body=body, host=host))


def test_pages_data_and_files(tmp_path: Path) -> None:
    """However the address is spelt; every answer has the headers, and pages are never kept while files are for ever."""

    async def scenario(proxy: Proxied) -> None:
        for target in ("/planner", "/planner/", "//planner//cost", "/%70lanner/cost", "/planner/cost?by=model"):
            page = await get(proxy, target)
            assert (page.status, page.value(b"content-type")) == (200, b"text/html; charset=utf-8"), target
            assert page.value(b"cache-control") == b"no-store"
            for name, value in HEADERS.items():
                assert page.value(name.encode()) == value.encode()
        assert b"Nothing to show yet" in (await get(proxy, "/planner/requests/?team=")).body
        missing = await get(proxy, "/planner/requests/a%26b?id=c")
        assert missing.status == 404
        assert b"a&amp;b" in missing.body
        data = await get(proxy, "/planner/api/overview")
        assert json.loads(data.body)["page"] == "overview"
        table = await get(proxy, "/planner/api/cost/rows.csv")
        assert table.body.startswith(b"team,cost_usd,")
        assert b'filename="planner-cost-rows.csv"' in (table.value(b"content-disposition") or b"")
        assert json.loads((await get(proxy, "/planner/api/cost/rows")).body)["rows"] == []
        for asset in assets.assets().values():
            file = await get(proxy, asset.address)
            assert (file.status, file.body) == (200, asset.content)
            assert b"immutable" in (file.value(b"cache-control") or b"")
            assert file.value(b"x-content-type-options") == b"nosniff"
        assert (await get(proxy, "/planner/", method="HEAD")).status == 200

    visited(tmp_path, scenario)


def test_what_is_not_there(tmp_path: Path) -> None:
    """Is told here, and never asked of the upstream."""

    async def scenario(proxy: Proxied) -> None:
        for target in ("/planner/nowhere", "/planner/a/b/c", "/planner/static/0/x.js", "/planner/api/cost/none"):
            assert (await get(proxy, target)).status == 404, target
        assert (await get(proxy, "/planner/requests/0%2F1?id=x")).status == 404
        assert (await get(proxy, "/planner/cost", method="DELETE")).status == 405
        assert (await get(proxy, "/planner/cost?period=never")).status == 400

    visited(tmp_path, scenario)


def test_without_a_token_it_answers_this_machine_alone(tmp_path: Path) -> None:
    """Others hear why, and there is nothing to sign in with."""

    async def scenario(proxy: Proxied) -> None:
        for target in ("/planner/", "/planner/api/overview", "/planner/login"):
            assert (await get(proxy, target)).status == 200
            refused = await get(proxy, target, host=AFAR)
            assert refused.status == 403
            assert b"PLANNER_ADMIN_TOKEN" in refused.body
        assert (await get(proxy, "/planner/", (b"X-Forwarded-For", b"1.2.3.4"))).status == 403
        tried = await post(proxy, "/planner/login", b"token=")
        assert tried.value(b"set-cookie") is None

    visited(tmp_path, scenario)


def test_signing_in_and_out(tmp_path: Path) -> None:
    """The token gives a cookie that no script reads and no other site sends; signing out takes it away."""

    async def scenario(proxy: Proxied) -> None:
        away = await get(proxy, "/planner/cost?by=model", host=AFAR)
        assert (away.status, away.value(b"location")) == (303, b"/planner/login?next=%2Fplanner%2Fcost%3Fby%3Dmodel")
        assert (await get(proxy, "/planner/login?next=%2Fplanner%2Fcost", host=AFAR)).status == 200
        wrong = await post(proxy, "/planner/login", b"token=nope&next=%2Fplanner%2Fcost")
        assert wrong.value(b"location") == b"/planner/login?wrong=1&next=%2Fplanner%2Fcost"
        assert wrong.value(b"set-cookie") is None
        right = await post(proxy, "/planner/login", b"token=s3cret&next=%2Fplanner%2Fcost%3Fby%3Dmodel")
        assert (right.status, right.value(b"location")) == (303, b"/planner/cost?by=model")
        cookie = (right.value(b"set-cookie") or b"").decode()
        assert cookie.startswith(f"planner-login={cookie_of('s3cret')};")
        assert {"HttpOnly", "SameSite=strict", "Path=/planner"} <= {part.strip() for part in cookie.split(";")}
        assert "Secure" not in cookie
        given = (b"Cookie", cookie.partition(";")[0].encode())
        page = await get(proxy, "/planner/cost", given, host=AFAR)
        assert page.status == 200
        assert b"Sign out" in page.body
        assert b"Sign out" not in (await get(proxy, "/planner/cost")).body
        assert (await get(proxy, "/planner/api/cost", (b"Authorization", b"Bearer s3cret"), host=AFAR)).status == 200
        assert (await get(proxy, "/planner/api/cost", host=AFAR)).status == 403
        out = await post(proxy, "/planner/logout", b"", given)
        assert b"Max-Age=0" in (out.value(b"set-cookie") or b"")
        tls = await post(proxy, "/planner/login", b"token=s3cret", (b"X-Forwarded-Proto", b"https"))
        assert b"Secure" in (tls.value(b"set-cookie") or b"")

    visited(tmp_path, scenario, admin_token="s3cret")


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/planner/",
        "/planner/../x\n",
        "/v1/models",
        "/planner\\@evil",
        "/planner/login",
        "",
    ],
)
def test_signing_in_leads_nowhere_else(tmp_path: Path, target: str) -> None:
    """Whatever somebody put into the address that was clicked."""

    async def scenario(proxy: Proxied) -> None:
        form = b"token=s3cret&next=" + "".join(f"%{byte:02x}" for byte in target.encode()).encode()
        assert (await post(proxy, "/planner/login", form)).value(b"location") == b"/planner/"

    visited(tmp_path, scenario, admin_token="s3cret")


def test_an_empty_page_names_where_agents_should_send(tmp_path: Path) -> None:
    """The planner as its visitor on this machine sees it, what is public where that is said, else a word for it."""

    async def direct(proxy: Proxied) -> None:
        page = await get(proxy, "/planner/requests", host=b"localhost:9911")
        assert b"ANTHROPIC_BASE_URL=http://localhost:9911<" in page.body
        page = await get(proxy, "/planner/requests", (b"Authorization", b"Bearer s3cret"), host=AFAR)
        assert b"ANTHROPIC_BASE_URL=http://PLANNER:8484<" in page.body

    async def public(proxy: Proxied) -> None:
        assert b"ANTHROPIC_BASE_URL=https://planner.example<" in (await get(proxy, "/planner/requests")).body

    for name, scenario, settings in (
        ("direct", direct, {"admin_token": "s3cret"}),
        ("public", public, {"public_url": "https://planner.example"}),
    ):
        (tmp_path / name).mkdir()
        visited(tmp_path / name, scenario, **settings)


def test_a_form_has_a_bound(tmp_path: Path) -> None:
    """Somebody who sends a book instead of a token is told that it is wrong."""

    async def scenario(proxy: Proxied) -> None:
        for form in (b"token=" + b"x" * 5000, b"a=1&" * 20 + b"token=s3cret"):
            tried = await post(proxy, "/planner/login", form)
            assert b"wrong=1" in (tried.value(b"location") or b"")

    visited(tmp_path, scenario, admin_token="s3cret")


def test_the_policy_lets_nothing_in() -> None:
    """No inline script or style, no other place, no frame."""
    rules = dict(rule.strip().split(" ", 1) for rule in POLICY.split(";"))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


def test_what_is_the_dashboards() -> None:
    """Names that only begin alike are the upstream's."""
    paths = ("/planner", "/planner/x//y/", "/planners", "/", "/x/planner")
    scopes = {path: below(cast("Scope", {"path": path, "type": "http"})) for path in paths}
    assert {path: None if scope is None else scope["path"] for path, scope in scopes.items()} == {
        "/planner": "/",
        "/planner/x//y/": "/x/y",
        "/planners": None,
        "/": None,
        "/x/planner": None,
    }
