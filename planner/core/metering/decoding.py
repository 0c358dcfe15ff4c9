"""Content decoding for the side parser: bounded, incremental, and never an error that the relayed bytes could feel."""

import zlib
from collections.abc import Callable
from typing import Final, Protocol, Self

import brotli
import zstandard

DEFAULT_LIMIT: Final = 16 << 20
"""Bytes that one feed may decode to; chunks of a response are some kilobytes, and only a bomb grows them so far."""

_ZSTD_SLICE: Final = 256
"""Input bytes decoded at a time: a zstd block of 4 bytes may stand for 128 KiB, so a slice stands for at most 8 MiB."""

_ZSTD_WINDOW: Final = 8 << 20
"""The window that RFC 9659 lets a zstd content coding use."""


class Decoder:
    """Decodes the chunks of one response body.

    A chunk that decodes to more than the limit sets `overflow`, one that cannot be decoded sets `broken`; from then on
    every feed returns nothing, and metering ends.
    """

    __slots__ = ("_coding", "_limit", "broken", "overflow")

    def __init__(self, coding: "_Coding", limit: int) -> None:
        self.overflow = False
        self.broken = False
        self._coding = coding
        self._limit = limit

    @classmethod
    def for_encoding(cls, content_encoding: bytes | None, limit: int = DEFAULT_LIMIT) -> Self | None:
        """Choose the decoder for a `content-encoding`; None for an unknown or a stacked one: it cannot be metered."""
        name = (content_encoding or b"identity").strip().lower()
        make = _CODINGS.get(name)
        return None if make is None else cls(make(), limit)

    def feed(self, chunk: bytes) -> bytes:
        """Decode what is complete after this chunk, at most `limit` bytes of it."""
        if self.overflow or self.broken:
            return b""
        try:
            return self._coding.decode(chunk, self._limit)
        except _OverflowError:
            self.overflow = True
        except (zlib.error, brotli.error, zstandard.ZstdError):
            self.broken = True
        return b""


class _OverflowError(Exception):
    """A chunk decodes to more than the limit."""


class _Coding(Protocol):
    def decode(self, chunk: bytes, limit: int) -> bytes:
        """Decode a chunk, or raise `_OverflowError` or the library's own error."""


class _Identity:
    def decode(self, chunk: bytes, limit: int) -> bytes:
        del limit
        return chunk


class _Gzip:
    """Gzip, whose members may follow one another."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def decode(self, chunk: bytes, limit: int) -> bytes:
        out: list[bytes] = []
        while chunk:
            if self._member.eof:
                if not chunk.startswith(b"\x1f"):
                    break  # padding behind the last member, which every client ignores
                self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            piece = _inflate(self._member, chunk, limit)
            limit -= len(piece)
            out.append(piece)
            chunk = self._member.unused_data
        return b"".join(out)


class _Deflate:
    """Deflate in its zlib wrapping, as RFC 9110 says, or bare, as some servers send it."""

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None
        self._head = b""

    def decode(self, chunk: bytes, limit: int) -> bytes:
        if self._stream is None:
            self._head += chunk
            if len(self._head) < 2:
                return b""
            wrapped = self._head[0] & 0x0F == 8 and int.from_bytes(self._head[:2]) % 31 == 0
            self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
            chunk, self._head = self._head, b""
        return b"" if self._stream.eof else _inflate(self._stream, chunk, limit)


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def decode(self, chunk: bytes, limit: int) -> bytes:
        out = self._stream.process(chunk, output_buffer_limit=limit)
        if len(out) > limit or not self._stream.can_accept_more_data():
            raise _OverflowError
        return bytes(out)


class _Zstd:
    """Zstandard, whose frames may follow one another."""

    def __init__(self) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._stream = decompressor.decompressobj(read_across_frames=True)

    def decode(self, chunk: bytes, limit: int) -> bytes:
        out = bytearray()
        for start in range(0, len(chunk), _ZSTD_SLICE):
            out += self._stream.decompress(chunk[start : start + _ZSTD_SLICE])
            if len(out) > limit:
                raise _OverflowError
        return bytes(out)


def _inflate(stream: "zlib._Decompress", chunk: bytes, limit: int) -> bytes:
    piece = stream.decompress(chunk, limit + 1)
    if len(piece) > limit:
        raise _OverflowError
    return piece


_CODINGS: Final[dict[bytes, Callable[[], _Coding]]] = {
    b"": _Identity,
    b"identity": _Identity,
    b"gzip": _Gzip,
    b"x-gzip": _Gzip,
    b"deflate": _Deflate,
    b"br": _Brotli,
    b"zstd": _Zstd,
}
