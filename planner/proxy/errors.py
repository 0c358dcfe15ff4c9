"""One table maps what can go wrong to what the caller sees, always in Anthropic's own shape.

Four kinds of fault: a refusal (a policy said no, a budget has no room), the caller's error, the upstream's error, our
bug. The upstream's own errors are not here: they pass byte for byte.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from planner.upstream import UpstreamFault

if TYPE_CHECKING:  # who carries bytes without HTTP of its own loads no web framework
    from litestar.types import Send


class Fault(msgspec.Struct, frozen=True):
    """One way to fail: HTTP status, Anthropic's error type, and whether the SDKs should try again."""

    status: int
    type: str
    retry: bool


# Types and statuses: https://platform.claude.com/docs/en/api/errors, checked 2026-11-22. 502 is ours: Anthropic never
# sends it, so an operator who sees one knows that the answer did not come from there.
TOO_LARGE: Final = Fault(413, "request_too_large", retry=False)
BAD_REQUEST: Final = Fault(400, "invalid_request_error", retry=False)
FORBIDDEN: Final = Fault(403, "permission_error", retry=False)
OVER_BUDGET: Final = Fault(429, "rate_limit_error", retry=False)
NOT_ALLOWED: Final = Fault(405, "invalid_request_error", retry=False)
NOT_FOUND: Final = Fault(404, "not_found_error", retry=False)
UNREACHABLE: Final = Fault(502, "api_error", retry=True)
TIMED_OUT: Final = Fault(504, "timeout_error", retry=True)
OUR_BUG: Final = Fault(500, "api_error", retry=True)

UNREAD: Final = "none"
"""In place of the id of a request that was not read as far as getting one."""

OF_ROUTING: Final = {fault.status: fault for fault in (NOT_ALLOWED, NOT_FOUND)}

OF_UPSTREAM: Final = {
    UpstreamFault.CONNECT: UNREACHABLE,
    UpstreamFault.TIMEOUT: TIMED_OUT,
    UpstreamFault.RESET: UNREACHABLE,
    UpstreamFault.PROTOCOL: UNREACHABLE,
}


def error_body(fault: Fault, message: str, request_id: str) -> bytes:
    """An error body like Anthropic's; it names the planner, so that nobody looks for it upstream."""
    return msgspec.json.encode(
        {
            "type": "error",
            "error": {"type": fault.type, "message": f"planner: {message}"},
            "request_id": f"planner_{request_id}",
        }
    )


async def send_error(
    send: "Send", fault: Fault, message: str, request_id: str, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with an error of our own; `more` are header fields besides the usual ones."""
    body = error_body(fault, message, request_id)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"planner-request-id", request_id.encode()),
        (b"x-should-retry", b"true" if fault.retry else b"false"),
        *more,
    ]
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
