"""Content codings: bodies that clients compressed, and responses compressed for clients that accept it."""

import gzip
import zlib
from collections.abc import Callable
from typing import Literal

import brotli
import msgspec
import zstandard

from planner.simulator.errors import ApiError, invalid

TOO_LARGE = "Request exceeds the maximum size"
GZIP_WINDOW = 31


class Encoder(msgspec.Struct, frozen=True):
    """A running compression; every `feed` ends on a flush, so that events arrive as they are sent."""

    name: str
    feed: Callable[[bytes], bytes]
    end: Callable[[], bytes]


def _same(data: bytes) -> bytes:
    return data


def _nothing() -> bytes:
    return b""


PLAIN = Encoder("", _same, _nothing)


def encoder(wanted: Literal["gzip", "br", "zstd"] | None, accepted: str) -> Encoder:
    """A fresh encoder, when the client accepts what the configuration wants."""
    names = {item.split(";")[0].strip() for item in accepted.split(",")}
    if wanted is None or wanted not in names:
        return PLAIN
    if wanted == "gzip":
        zipped = zlib.compressobj(wbits=GZIP_WINDOW)
        return Encoder("gzip", lambda data: zipped.compress(data) + zipped.flush(zlib.Z_SYNC_FLUSH), zipped.flush)
    if wanted == "br":
        packed = brotli.Compressor(quality=4)
        return Encoder("br", lambda data: bytes(packed.process(data) + packed.flush()), lambda: bytes(packed.finish()))
    squeezed = zstandard.ZstdCompressor().compressobj()
    block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return Encoder("zstd", lambda data: squeezed.compress(data) + squeezed.flush(block), squeezed.flush)


def decoded(body: bytes, coding: str | None, limit: int) -> bytes:
    """A request body without its content coding.

    Raises:
        ApiError: 400 for an unknown coding or broken data, 413 when it is too large once decoded.
    """
    name = (coding or "identity").strip().lower()
    if name == "identity":
        return body
    decoders: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "br": brotli.decompress, "zstd": _unzstd}
    if name not in decoders:
        raise invalid(f"content-encoding: {name} is not supported", error_code="request_body_encoding_unsupported")
    try:
        plain = decoders[name](body)
    except (OSError, EOFError, zlib.error, brotli.error, zstandard.ZstdError) as error:
        message = f"The request body is not valid {name}"
        raise invalid(message, error_code="request_body_encoding_invalid") from error
    if len(plain) > limit:
        details = {"error_code": "request_body_too_large_after_decoding"}
        raise ApiError(413, TOO_LARGE, details=details)
    return plain


def _unzstd(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(body)
