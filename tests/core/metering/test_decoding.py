"""Whatever coding, whatever split: the side parser sees the plain bytes or nothing, and never grows without bound."""

import gzip
import zlib
from itertools import pairwise

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from planner.core.metering.decoding import Decoder

EVENT = b'event: ping\ndata: {"type": "ping"}\n\n'


def zstd(data: bytes) -> bytes:
    """One frame."""
    return zstandard.ZstdCompressor().compress(data)


def bare_deflate(data: bytes) -> bytes:
    """Deflate without the zlib wrapping."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


CODINGS = {
    b"identity": bytes,
    b"gzip": gzip.compress,
    b"x-gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": brotli.compress,
    b"zstd": zstd,
}


def decoder(coding: bytes | None, limit: int = 1 << 20) -> Decoder:
    """The decoder of a coding that is known."""
    made = Decoder.for_encoding(coding, limit)
    assert made is not None
    return made


@given(st.sampled_from(sorted(CODINGS)), st.binary(max_size=3000), st.lists(st.integers(0, 10_000), max_size=6))
def test_any_split_decodes_to_the_plain_bytes(coding: bytes, plain: bytes, cuts: list[int]) -> None:
    """Chunks cut anywhere join to what was encoded."""
    encoded = CODINGS[coding](plain)
    edges = [0, *sorted(cut % (len(encoded) + 1) for cut in cuts), len(encoded)]
    made = decoder(coding)
    out = [made.feed(encoded[start:end]) for start, end in pairwise(edges)]
    assert b"".join(out) == plain
    assert (made.broken, made.overflow) == (False, False)


def test_single_bytes_of_bare_deflate() -> None:
    """Deflate without its wrapping is read too, byte by byte."""
    made = decoder(b"deflate")
    assert b"".join(made.feed(bytes([byte])) for byte in bare_deflate(EVENT)) == EVENT


def flushed(coding: bytes, events: int) -> list[bytes]:
    """One chunk an event, flushed, as servers stream."""
    if coding == b"br":
        maker = brotli.Compressor()
        return [maker.process(EVENT) + maker.flush() for _ in range(events)]
    if coding == b"zstd":
        stream = zstandard.ZstdCompressor().compressobj()
        return [stream.compress(EVENT) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for _ in range(events)]
    deflate = zlib.compressobj(wbits=16 + zlib.MAX_WBITS if coding == b"gzip" else zlib.MAX_WBITS)
    return [deflate.compress(EVENT) + deflate.flush(zlib.Z_SYNC_FLUSH) for _ in range(events)]


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
def test_each_flushed_event_comes_at_once(coding: bytes) -> None:
    """A stream that is flushed after each event is metered event by event, not at its end."""
    made = decoder(coding)
    assert [made.feed(chunk) for chunk in flushed(coding, 5)] == [EVENT] * 5


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
def test_a_bomb_ends_metering_within_the_limit(coding: bytes) -> None:
    """A chunk that grows beyond the limit sets `overflow`; later chunks decode to nothing."""
    made = decoder(coding, limit=100_000)
    assert made.feed(CODINGS[coding](bytes(50_000_000))) == b""
    assert (made.overflow, made.broken) == (True, False)
    assert made.feed(b"anything") == b""


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
def test_the_limit_itself_is_allowed(coding: bytes) -> None:
    """At the limit a chunk decodes, one byte beyond it does not."""
    assert decoder(coding, 5000).feed(CODINGS[coding](bytes(5000))) == bytes(5000)
    assert decoder(coding, 4999).feed(CODINGS[coding](bytes(5000))) == b""


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
def test_rubbish_breaks_metering_only(coding: bytes) -> None:
    """Bytes that are not of the coding set `broken`, and nothing is raised."""
    made = decoder(coding)
    assert made.feed(b"\xff\xfe<html>not what the header says</html>" * 4) == b""
    assert (made.broken, made.overflow) == (True, False)


def test_members_and_frames_follow_one_another() -> None:
    """Several gzip members or zstd frames in one body are one content; padding behind gzip is ignored."""
    assert decoder(b"gzip").feed(gzip.compress(b"a") + gzip.compress(b"b") + bytes(8)) == b"ab"
    assert decoder(b"zstd").feed(zstd(b"a") + zstd(b"b")) == b"ab"


@pytest.mark.parametrize("coding", [None, b"", b" Identity ", b"GZIP"])
def test_names_are_read_loosely(coding: bytes | None) -> None:
    """Case and white space do not matter; no header is identity."""
    assert Decoder.for_encoding(coding) is not None


@pytest.mark.parametrize("coding", [b"compress", b"gzip, br", b"dcz", b"\xff"])
def test_unknown_and_stacked_codings_are_not_metered(coding: bytes) -> None:
    """What cannot be decoded has no decoder, so that the caller knows before the first byte."""
    assert Decoder.for_encoding(coding) is None
