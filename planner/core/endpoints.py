"""What a request line asks of the API: the `endpoint` label, what its answer bills, and whether it is planned."""

from typing import Final, Literal

import msgspec

Billing = Literal["message", "batch", "made", "free", "elsewhere"]
"""What an answer's cost is known by: its usage, that of each of its lines, those of a batch that is only made by it,
nothing at all, or a bill that it hides."""


class Endpoint(msgspec.Struct, frozen=True):
    """One kind of request.

    Attributes:
        name: the bounded label of metrics and ledger.
        planned: whether its body is read and decided about.
        billing: what its cost is known by.
        batch: the id of the batch whose results it asks for.
    """

    name: str
    planned: bool = False
    billing: Billing = "free"
    batch: str | None = None


MESSAGES: Final = Endpoint("messages", planned=True, billing="message")
OTHER: Final = Endpoint("other", billing="elsewhere")
READ: Final = Endpoint("other")

_SPENDING: Final = frozenset({"POST", "PUT", "PATCH"})

# First segments behind /v1/ and what they cost: https://platform.claude.com/docs/en/api/overview, checked 2026-11-22.
BATCH: Final = Endpoint("batches", planned=True, billing="made")

_PLANNED: Final[dict[tuple[str, ...], Endpoint]] = {(): MESSAGES, ("batches",): BATCH}
"""What is planned, by its path behind /v1/messages."""

# Batches are metered when their results pass, not when they are made; sessions and agents bill by themselves.
_KNOWN: Final[dict[str, Billing]] = {
    "agents": "elsewhere",
    "complete": "elsewhere",
    "files": "free",
    "models": "free",
    "organizations": "free",
    "sessions": "elsewhere",
    "skills": "free",
}


def endpoint(method: str, path: str) -> Endpoint:
    """Classify a request by its method and path (no query)."""
    segments = path.strip("/").split("/")
    spends = method in _SPENDING
    if segments[0] != "v1" or len(segments) == 1:
        return OTHER if spends else READ
    match segments[1:]:
        case ["messages", *rest] if method == "POST" and tuple(rest) in _PLANNED:
            return _PLANNED[tuple(rest)]
        case ["messages", "count_tokens"]:
            return Endpoint("count_tokens")
        case ["messages", "batches", batch, "results"] if method == "GET":
            return Endpoint("batch_results", billing="batch", batch=batch)
        case ["messages", "batches", *_]:
            return Endpoint("batches")
        case [first, *_] if first in _KNOWN:
            return Endpoint(first, billing=_KNOWN[first] if spends else "free")
        case _:
            return OTHER if spends else READ
