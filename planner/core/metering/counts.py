"""Members of a usage object as they stand on the wire: whole numbers within reason, or an error with both numbers."""

from typing import Final

import msgspec
from msgspec import Raw

NULL: Final = Raw(b"null")

_MOST: Final = 10**9
"""More than this in one count is no usage: it is a thousand times the largest context window.

At 1,000 dollars per million tokens it is 10**15 nano-dollars, so thousands of such lines add up within 64 bits; what
goes beyond all the same, by an odd price, is unpriced (`overflow`).
"""

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_INT: Final = msgspec.json.Decoder(int, strict=True)
_STR: Final = msgspec.json.Decoder(str)


class UsageError(ValueError):
    """A usage that cannot be: the message names the member and the numbers that contradict each other."""


def members_of(raw: Raw) -> dict[str, Raw]:
    """The members of a usage object. Raises UsageError for anything else."""
    try:
        return _OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"usage is no JSON object: {error}.") from error


def object_of(raw: Raw | None) -> dict[str, Raw]:
    """The members of a part of usage, which may be missing or null. Raises UsageError for anything else."""
    try:
        return {} if raw is None or raw == NULL else _OBJECT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"A part of usage is no JSON object: {error}.") from error


def count_of(members: dict[str, Raw], name: str, where: str) -> int | None:
    """A count; None when it is missing or null. Raises UsageError for what cannot be one; `where` names it."""
    raw = members.get(name)
    if raw is None or raw == NULL:
        return None
    try:
        count = _INT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}.{name} is no whole number: {bytes(raw)[:40]!r}.") from error
    if not 0 <= count <= _MOST:
        raise UsageError(f"{where}.{name} is {count}: a count lies between 0 and {_MOST}.")
    return count


def word_of(raw: Raw | None) -> str | None:
    """A string; None when it is missing or anything else."""
    try:
        return None if raw is None else _STR.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
