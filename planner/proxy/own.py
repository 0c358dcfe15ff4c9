"""The planner's own addresses: health for everyone, metrics for those who may look."""

import asyncio
from collections.abc import Callable
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from planner.metrics import Metrics
from planner.proxy.access import may_look

CONTENT_TYPE = "text/plain; version=0.0.4"  # Litestar adds the charset; twice, and Prometheus 3 refuses the scrape
FORBIDDEN = (
    "These pages answer this machine alone. From elsewhere, set PLANNER_ADMIN_TOKEN and send it as a bearer token"
    " (PLANNER_METRICS=open frees scraping).\n"
)


def routes(
    metrics: Metrics, *, token: str | None, open_metrics: bool, ready: Callable[[], bool]
) -> list[HTTPRouteHandler]:
    """The handlers of /healthz, /readyz and /metrics."""

    @get("/healthz", media_type="text/plain", sync_to_thread=False)
    def healthz() -> str:
        """Say that the process runs."""
        return "ok\n"

    @get("/readyz", media_type="text/plain", sync_to_thread=False)
    def readyz() -> Response[str]:
        """Say whether requests can be served; a store that is down changes nothing, the journal takes them."""
        return Response("ready\n") if ready() else Response("starting\n", status_code=503)

    @get("/metrics")
    async def scrape(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Prometheus' text format, made off the event loop."""
        if not open_metrics and not may_look(request.scope, token):
            return Response(FORBIDDEN.encode(), status_code=403, media_type="text/plain")
        return Response(await asyncio.to_thread(metrics.text, metrics.gauges()), media_type=CONTENT_TYPE)

    return [healthz, readyz, scrape]
