"""What goes out from below /planner: the headers of every answer, errors, and what leads elsewhere."""

from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response

from planner.core.findings import Finding
from planner.dashboard.asked import Answer, Form
from planner.dashboard.told import ErrorTold, Wrong

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
NEVER: Final = {"cache-control": "no-store"}
TYPES: Final = {
    400: "invalid_request_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    422: "invalid_request_error",
    500: "api_error",
    503: "api_error",
}
"""Anthropic's words for what went wrong, by status; 415 and 422 are ours."""

Visit = Request[Any, Any, Any]


def answered(answer: Answer) -> Response[bytes]:
    """What the desk made, as it is sent."""
    more = {} if answer.filename is None else {"content-disposition": f'attachment; filename="{answer.filename}"'}
    headers = HEADERS | NEVER | more  # Litestar adds the charset of texts
    return Response(answer.body, status_code=answer.status, media_type=answer.media_type, headers=headers)


def moved(address: str) -> Response[bytes]:
    """Send somebody to another address."""
    return Response(b"", status_code=303, media_type=MediaType.TEXT, headers=HEADERS | NEVER | {"location": address})


def plain(status: int, form: Form, why: str, findings: tuple[Finding, ...] = ()) -> Response[bytes]:
    """An error without the desk: a sentence for people, JSON for programs, with the findings that are behind it."""
    if form == "page":
        body, kind = f"planner: {why}\n".encode(), "text/plain"
    else:
        told = ErrorTold(error=Wrong(TYPES[status], f"planner: {why}"), findings=findings)
        body, kind = msgspec.json.encode(told), "application/json"
    return Response(body, status_code=status, media_type=kind, headers=HEADERS | NEVER)


async def posted(request: Visit, longest: int) -> bytes | None:
    """What was posted; None where it is longer than that many bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > longest:
            return None
    return bytes(body)
