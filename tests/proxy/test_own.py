"""The planner's own pages: health for everyone, and metrics that Prometheus' own tools take."""

import subprocess
from pathlib import Path

from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from planner.metrics import Metrics
from planner.proxy import own
from tests.conftest import Require
from tests.doubles.client import request
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import always, answer


def test_readiness_follows_the_application() -> None:
    """Health does not: the process runs as long as it answers."""
    ready = [False]
    routes = own.routes(Metrics(), token=None, open_metrics=True, ready=lambda: ready[0])
    with TestClient(Litestar(routes, logging_config=None, openapi_config=None)) as client:
        assert (client.get("/readyz").status_code, client.get("/readyz").text) == (503, "starting\n")
        assert (client.get("/healthz").status_code, client.get("/healthz").text) == (200, "ok\n")
        ready[0] = True
        assert (client.get("/readyz").status_code, client.get("/readyz").text) == (200, "ready\n")
        assert [client.head(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_metrics_are_the_exposition_format(tmp_path: Path, require: Require) -> None:
    """Prometheus' parser reads them, and its linter has nothing to say."""

    async def work() -> tuple[bytes | None, bytes]:
        async with proxied(tmp_path, always(answer(b"{}"))) as proxy:
            async with proxy.client() as client:
                await client.ask(request("GET", "/v1/models", body=None))
            await proxy.entry()
            async with proxy.client() as client:
                got = await client.ask(request("GET", "/metrics", body=None))
            return got.value(b"content-type"), got.body

    kind, text = run(work())
    assert kind == b"text/plain; version=0.0.4; charset=utf-8"
    families = {family.name for family in text_string_to_metric_families(text.decode())}
    assert {"planner_requests", "planner_rules_info", "planner_ledger_pending"} <= families
    lint = [str(require("promtool")), "check", "metrics"]
    told = subprocess.run(lint, input=text, capture_output=True, check=False).stderr.decode()
    # The bill counts free hours in hours, and so do the names that the contract keeps.
    assert [line for line in told.splitlines() if not line.startswith("planner_free_hours_")] == []


def test_a_method_that_a_page_does_not_take(tmp_path: Path) -> None:
    """It is refused like everything else that the planner refuses, and never sent on."""

    async def work() -> list[tuple[int, bytes | None, bool]]:
        async with proxied(tmp_path, always(answer(b"{}"))) as proxy, proxy.client() as client:
            found = []
            for path in ("/metrics", "/healthz"):
                got = await client.ask(request("POST", path))
                shaped = got.body.startswith(
                    b'{"type":"error","error":{"type":"invalid_request_error","message":"planner:'
                )
                found.append((got.status, got.value(b"x-should-retry"), shaped))
            assert not proxy.upstream.requests
            return found

    assert run(work()) == [(405, b"false", True)] * 2
