"""The planner's own addresses: health for everyone, metrics for those who may look."""

import asyncio
from collections.abc import Callable
from typing import Any

from litestar import HttpMethod, Request, Response, get, route
from litestar.handlers import HTTPRouteHandler

from planner.access import may_look
from planner.metrics import Metrics
from planner.proxy.errors import FORBIDDEN, UNREAD, error_body

CONTENT_TYPE = "text/plain; version=0.0.4"  # Litestar adds the charset; twice, and Prometheus 3 refuses the scrape
LOOKING = [HttpMethod.GET, HttpMethod.HEAD]  # load balancers probe with either
NOT_FOR_YOU = (
    "these pages answer this machine alone; from elsewhere, set PLANNER_ADMIN_TOKEN and send it as a bearer token"
    " (PLANNER_METRICS=open frees scraping)"
)


def routes(
    metrics: Metrics, *, token: str | None, open_metrics: bool, ready: Callable[[], bool]
) -> list[HTTPRouteHandler]:
    """The handlers of /healthz, /readyz and /metrics."""

    @route("/healthz", http_method=LOOKING, media_type="text/plain", sync_to_thread=False)
    def healthz() -> str:
        """Say that the process runs."""
        return "ok\n"

    @route("/readyz", http_method=LOOKING, media_type="text/plain", sync_to_thread=False)
    def readyz() -> Response[str]:
        """Say whether requests can be served; a store that is down changes nothing, the journal takes them."""
        return Response("ready\n") if ready() else Response("starting\n", status_code=503)

    @get("/metrics")
    async def scrape(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Prometheus' text format, made off the event loop."""
        if not open_metrics and not may_look(request.scope, token):
            body = error_body(FORBIDDEN, NOT_FOR_YOU, UNREAD)
            return Response(body, status_code=FORBIDDEN.status, media_type="application/json")
        return Response(await asyncio.to_thread(metrics.text, metrics.gauges()), media_type=CONTENT_TYPE)

    return [healthz, readyz, scrape]
