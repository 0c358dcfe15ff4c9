"""Which header fields cross the proxy: all end-to-end ones, in their order and case; nothing is added on the way up."""

from collections.abc import Iterable
from typing import Final

Field = tuple[bytes, bytes]

# RFC 9110 section 7.6.1, and the fields that belong to one hop by their own definition.
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
FRAMING: Final = frozenset({b"host", b"content-length", b"expect"})
BODYLESS: Final = frozenset({204, 304})
OURS: Final = frozenset({b"planner-session", b"planner-tags", b"planner-mode"})
_NEVER_UP: Final = HOP_BY_HOP | FRAMING | OURS


def upward(fields: Iterable[Field]) -> list[Field]:
    """The fields that go to the upstream; framing is made anew for the next hop."""
    fields = list(fields)
    named = _named_by_connection(fields)
    return [field for field in fields if (name := field[0].lower()) not in _NEVER_UP and name not in named]


def downward(fields: Iterable[Field], status: int) -> list[Field]:
    """The fields that go back to the caller; `content-length` stays where a body does.

    With 204 and 304 it would tell of a body that never comes, and the server part takes it at its word.
    """
    fields = list(fields)
    left_out = HOP_BY_HOP | _named_by_connection(fields)
    if status in BODYLESS:
        left_out |= {b"content-length"}
    return [field for field in fields if field[0].lower() not in left_out]


def value(fields: Iterable[Field], name: bytes) -> bytes | None:
    """The first value of a field by its lower-case name."""
    for key, content in fields:  # asked a dozen times a request, and a generator would take twice as long
        if key.lower() == name:
            return content
    return None


def _named_by_connection(fields: list[Field]) -> frozenset[bytes]:
    """The fields that a `Connection` field declares to be of this hop only."""
    named: set[bytes] = set()
    for name, content in fields:
        if name.lower() == b"connection":
            named.update(token.strip().lower() for token in content.split(b","))
    return frozenset(named)
