"""One spelling for values that mean the same to the model, so that a conversation's root survives re-serialising."""

from typing import Final, cast

import msgspec
from msgspec import Raw

from planner.core.wire.reading import BAD_JSON, WireError, wire_error

_EXACT_FLOATS: Final = 2**53
"""Below this a float that is whole and the integer of the same value are the same number."""

_TEXT_BLOCK: Final = {"type", "text"}


def canonical(value: object) -> bytes:
    """Spell a decoded JSON value in its normal form, for hashing.

    `cache_control` members are dropped at every depth; an array of one bare text block is spelled as its string; keys
    are sorted; a float that is a whole number below 2^53 is spelled as an integer, because JavaScript clients write
    `1` for the `1.0` that Python clients write; every other float has its shortest spelling that reads back the same.

    Raises:
        WireError: the value is nested too deeply to be spelled.
    """
    try:
        return msgspec.json.encode(_normal(value), order="sorted")
    except RecursionError as error:
        raise wire_error(error, b"") from error


def canonical_raw(raw: bytes | Raw) -> bytes:
    """Spell raw JSON in its normal form; see `canonical`.

    Raises:
        WireError: it is no JSON, or holds a number beyond what a 64-bit float can.
    """
    try:
        value = msgspec.json.decode(raw)
    except msgspec.ValidationError as error:
        raise WireError(f"A number cannot be read: {error}.") from error
    except BAD_JSON as error:
        raise wire_error(error, raw) from error
    return canonical(value)


def spelled(raw: bytes | Raw) -> bytes:
    """The canonical spelling; what has none (a number beyond a float) is as it stands, and so equal to itself only."""
    try:
        return canonical_raw(raw)
    except WireError:
        return bytes(raw)


def _normal(value: object) -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {key: _normal(member) for key, member in members.items() if key != "cache_control"}
    if isinstance(value, list):
        items = [_normal(item) for item in cast("list[object]", value)]
        only = _bare_text(items[0]) if len(items) == 1 else None
        return items if only is None else only
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_FLOATS:
        return int(value)
    return value


def _bare_text(item: object) -> str | None:
    """The text of a text block that says nothing else (members that are null say nothing)."""
    if not isinstance(item, dict) or item.get("type") != "text":
        return None
    said = {key for key, member in item.items() if member is not None}
    text = item.get("text")
    return text if said == _TEXT_BLOCK and isinstance(text, str) else None
