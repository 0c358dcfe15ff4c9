"""Single values, read leniently: one of another type than expected reads as None; only broken JSON is an error."""

import re
from typing import Final, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

Maybe: TypeAlias = Raw | UnsetType
"""A member that may be absent, not yet decoded."""

T = TypeVar("T")

_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_STR: Final = msgspec.json.Decoder(str)
_INT: Final = msgspec.json.Decoder(int)
_BOOL: Final = msgspec.json.Decoder(bool)
_LIST: Final = msgspec.json.Decoder(list[Raw])
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
BAD_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for input that it cannot read."""


class WireError(ValueError):
    """A body that is not JSON of the expected outer shape.

    Attributes:
        message: one sentence, without the position.
        offset: the byte where reading stopped, when it is known.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (byte {offset})")
        self.message = message
        self.offset = offset


def wire_error(error: Exception, body: bytes | Raw) -> WireError:
    """Turn what msgspec raised into a `WireError` that carries the position."""
    if isinstance(error, UnicodeDecodeError):
        return WireError("The body is not UTF-8.", error.start)
    if isinstance(error, RecursionError):
        return WireError("The body is nested too deeply.")
    text = str(error)
    found = _BYTE.search(text)
    offset = int(found[1]) if found else None
    if offset is None and "truncated" in text:
        offset = len(bytes(body))
    reason = _BYTE.sub("", text).removeprefix("JSON is malformed:").strip()
    return WireError(f"The body is not JSON: {reason}.", offset)


def text(raw: Maybe) -> str | None:
    """Read a string; None when absent or of another type."""
    return _read(_STR, raw)


def integer(raw: Maybe) -> int | None:
    """Read a whole number; None when absent or of another type (a float is another type)."""
    return _read(_INT, raw)


def boolean(raw: Maybe) -> bool | None:
    """Read true or false; None when absent or of another type."""
    return _read(_BOOL, raw)


def elements(raw: Maybe) -> list[Raw] | None:
    """Read an array without decoding its elements; None when absent or of another type."""
    return _read(_LIST, raw)


def members(raw: Maybe) -> dict[str, Raw] | None:
    """Read an object without decoding its values; None when absent or of another type."""
    return _read(_OBJECT, raw)


def is_null(raw: Maybe) -> bool:
    """Tell whether the member is there and null."""
    return raw is not UNSET and raw == _NULL


def present(raw: Maybe) -> bool:
    """Tell whether the member is there and not null."""
    return raw is not UNSET and raw != _NULL


def shaped(decoder: "msgspec.json.Decoder[T]", raw: Maybe) -> T | None:
    """Read into the decoder's struct; None when absent or of another shape."""
    return _read(decoder, raw)


def _read(decoder: "msgspec.json.Decoder[T]", raw: Maybe) -> T | None:
    if raw is UNSET:
        return None
    try:
        return decoder.decode(raw)
    except BAD_JSON:
        return None


_NULL: Final = Raw(b"null")
