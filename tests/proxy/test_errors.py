"""What the caller sees when something fails is always in Anthropic's own shape."""

import asyncio
from typing import Any

import msgspec
import pytest

from planner.proxy import errors
from planner.upstream import UpstreamFault

FAULTS = [value for value in vars(errors).values() if isinstance(value, errors.Fault)]
OFFICIAL = {
    "invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error",
    "request_too_large", "rate_limit_error", "timeout_error", "api_error", "overloaded_error",
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.status}")
def test_shape(fault: errors.Fault) -> None:
    """Type, message and request id as the SDKs read them; whether to try again is said."""
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    asyncio.run(errors.send_error(send, fault, "why", "abc"))
    head, body = sent
    fields = dict(head["headers"])
    told = msgspec.json.decode(body["body"])
    assert head["status"] == fault.status
    assert told == {
        "type": "error",
        "error": {"type": fault.type, "message": "planner: why"},
        "request_id": "planner_abc",
    }
    assert fault.type in OFFICIAL
    assert fields[b"content-length"] == b"%d" % len(body["body"])
    assert fields[b"x-should-retry"] == (b"true" if fault.retry else b"false")


def test_every_upstream_fault_has_one() -> None:
    """No way of failing is left without an answer."""
    assert set(errors.OF_UPSTREAM) == set(UpstreamFault)
