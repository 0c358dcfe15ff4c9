"""A request at the door: its head is read once, into a value."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from planner.core.endpoints import Endpoint, endpoint
from planner.core.rulebook.book import RuleBook
from planner.proxy.callers import Caller, identify
from planner.proxy.headers import Field


class BadTargetError(Exception):
    """The request target is neither a path nor an http(s) address."""


class OwnAddressError(Exception):
    """The request is for a page of the planner's own that does not exist; it must not go upstream."""


class Head(msgspec.Struct, frozen=True):
    """The head of a request as it came: its method, its raw target, and its header fields."""

    method: str
    target: bytes
    fields: Sequence[Field]


class Arrived(msgspec.Struct, frozen=True):
    """The head of a request; `started` is monotonic seconds.

    `book` is the rule book that was in force when it came: it holds for the request to its end.
    """

    request_id: str
    at: datetime
    started: float
    method: str
    target: str
    fields: Sequence[Field]
    endpoint: Endpoint
    caller: Caller
    book: RuleBook


def arrive(head: Head, book: RuleBook, request_id: str, at: datetime, started: float) -> Arrived:
    """Read the head of a request. Raises BadTargetError, OwnAddressError, UnicodeDecodeError."""
    for _, content in head.fields:
        content.decode()
    target = origin_form(_ascii(head.target))
    if target.partition("?")[0].split("/")[1] == "planner":
        raise OwnAddressError
    return Arrived(
        request_id=request_id,
        at=at,
        started=started,
        method=head.method,
        target=target,
        fields=head.fields,
        endpoint=endpoint(head.method, target.partition("?")[0]),
        caller=identify(head.fields, book.callers),
        book=book,
    )


def _ascii(target: bytes) -> str:
    try:
        return target.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadTargetError from error


def origin_form(target: str) -> str:
    """The path and query of a request target, whichever form it came in. Raises BadTargetError."""
    if target.startswith("/"):
        return target
    scheme, separator, rest = target.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        raise BadTargetError
    begins = min((at for sign in "/?" if (at := rest.find(sign)) >= 0), default=len(rest))
    path = rest[begins:]
    return path if path.startswith("/") else "/" + path
