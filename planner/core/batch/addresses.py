"""The address of its results that a message batch names, changed to another host: only the bytes of that value differ.

SDKs fetch results from the absolute address in the batch itself [A], and so past whoever stands between. What is no
batch, what could be read in two ways, and what names a host that is none of the upstream's is left as it came.
Source: https://platform.claude.com/docs/en/api/messages/batches/retrieve, checked 2026-11-25.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from planner.core.splice import ObjectPlace, Patch, Place, Spliced, SpliceError, array_at, object_at, patched, whole

ANTHROPIC: Final = "https://api.anthropic.com"
_BATCHES: Final = "/v1/messages/batches/"
_MOST_LISTED: Final = 1_000
"""Batches on one page of a list: the largest `limit` that the API takes [A]."""
_PORTS: Final = {"http": 80, "https": 443}
_ADDRESS: Final = re.compile(r"(https?)://[^/?#]+", re.IGNORECASE)
_VISIBLE: Final = re.compile(r"[!-\[\]-~]+")
"""ASCII without blanks, control characters and backslashes, which some readers take for slashes."""
_STR: Final = msgspec.json.Decoder(str)


class Base(msgspec.Struct, frozen=True):
    """Where an API is: host in lower case, port, and the path below which it begins, empty or without a last slash."""

    host: str
    port: int
    path: str = ""


def bases_of(upstream: str) -> tuple[Base, ...]:
    """Where batches of an upstream may say that their results are: below it, or at Anthropic's own address.

    A gateway of one's own passes on what Anthropic says. Raises ValueError for what is no http(s) address.
    """
    found = []
    for address in (upstream, ANTHROPIC):
        split = _split(address)
        if split is None:
            raise ValueError(f"{address!r} is no http(s) address")
        host, port, path = split
        found.append(Base(host, port, path.rstrip("/")))
    return tuple(dict.fromkeys(found))


def names_results(method: str, path: str) -> bool:
    """Whether the answer to a request (its path without the query) is a batch or a list of them."""
    segments = path.strip("/").split("/")
    if segments[:3] != ["v1", "messages", "batches"]:
        return False
    match segments[3:]:
        case []:
            return method in {"GET", "POST"}
        case [_]:
            return method == "GET"
        case [_, "cancel"]:
            return method == "POST"
        case _:
            return False


def readdress(body: bytes, theirs: Sequence[Base], ours: str) -> Spliced:
    """Let the batch in a body, or each of a list, name our address (`http://host:port`) in place of one of theirs.

    The body stays as it came, without spans, where there is nothing to change or doubt about what it says.
    """
    try:
        return patched(body, _patches(body, theirs, ours))
    except SpliceError:
        return Spliced(body, ())


def moved(address: str, theirs: Sequence[Base], ours: str) -> str | None:
    """The same results at our address; None for an address that is not theirs, or is ours already."""
    split = _split(address)
    if split is None:
        return None
    host, port, rest = split
    for base in theirs:
        if (host, port) == (base.host, base.port) and rest.startswith(base.path + _BATCHES):
            kept = rest[len(base.path) :]
            return None if _climbs(kept) or ours + kept == address else ours + kept
    return None


def _patches(body: bytes, theirs: Sequence[Base], ours: str) -> list[Patch]:
    """What changes in a batch or in a list of them. Raises SpliceError."""
    top = whole(body)
    data = top.members.get("data")
    if "type" in top.members or data is None:
        batches: Iterable[ObjectPlace] = (top,)
    elif "data" in top.repeated or body[data.start : data.start + 1] != b"[":
        batches = ()
    else:
        items = array_at(body, data, _MOST_LISTED).items
        batches = (object_at(body, item) for item in items if body[item.start : item.start + 1] == b"{")
    return [patch for batch in batches if (patch := _patch(body, batch, theirs, ours)) is not None]


def _patch(body: bytes, batch: ObjectPlace, theirs: Sequence[Base], ours: str) -> Patch | None:
    """What changes in one object; None where it is no batch, has no results yet, or names another host."""
    place = batch.members.get("results_url")
    if place is None or batch.repeated & {"type", "results_url"}:
        return None
    if _text(body, batch.members.get("type")) != "message_batch":
        return None
    address = _text(body, place)
    new = None if address is None else moved(address, theirs, ours)
    return None if new is None else Patch(place.start, place.end, msgspec.json.encode(new))


def _text(body: bytes, place: Place | None) -> str | None:
    """The string in a place; None for any other value."""
    if place is None or body[place.start : place.start + 1] != b'"':
        return None
    try:
        return _STR.decode(body[place.start : place.end])
    except (msgspec.DecodeError, UnicodeDecodeError):  # an odd escape or no UTF-8: whoever reads it may differ
        return None


def _split(address: str) -> tuple[str, int, str] | None:
    """Host, port and all behind them; None for what is no plain http(s) address, or carries a login."""
    begins = _ADDRESS.match(address)
    if begins is None or _VISIBLE.fullmatch(address) is None:
        return None
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:  # brackets without an address between them, or a port that is none
        return None
    if not host or parts.username is not None or parts.password is not None:
        return None
    return host, _PORTS[begins[1].lower()] if port is None else port, address[begins.end() :]


def _climbs(path: str) -> bool:
    """Whether a path leads elsewhere than it says, once somebody resolves its dots."""
    return any(unquote(segment) in {".", ".."} for segment in path.partition("?")[0].partition("#")[0].split("/"))
