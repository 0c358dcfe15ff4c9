"""Server-sent events out of chunks of bytes: whole = byte by byte = any split, in memory bounded by one event."""

import re
from itertools import chain
from typing import Final, TypeAlias, cast

ServerSentEvent: TypeAlias = tuple[bytes | None, bytes]
"""The event's name, None when it has none, and its data, lines joined by a line feed."""

DEFAULT_LIMIT: Final = 1 << 20
"""Bytes of one event that are kept. The API's largest events are results that come whole in `content_block_start`."""

_BOM: Final = b"\xef\xbb\xbf"
_END: Final = b"\n\n"
_USUAL: Final = re.compile(rb"event: ([^\n]+)\ndata: ([^\n]*)\n\n")
_USUAL_FRAME: Final = len(b"event: \ndata: \n\n")


class Splitter:
    r"""An incremental parser of the WHATWG event stream format that never decodes text.

    Lines end in `\n`, `\r\n` or `\r`; one byte order mark at the start is skipped; comments, `id` and `retry` are left
    out; an event without data is none; what follows the last blank line is no event. An event of more than `limit`
    bytes between its blank lines is dropped and counted in `oversized`, without being kept.
    """

    __slots__ = ("_carriage", "_dropping", "_kept", "_last", "_limit", "_started", "oversized")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.oversized = 0
        self._limit = limit
        self._kept = bytearray()
        self._started = False
        self._carriage = False
        self._dropping = False
        self._last = b""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take in a chunk; return the events that it completes, in order."""
        if not chunk:
            return []
        if self._carriage or b"\r" in chunk:
            chunk = self._line_feeds(chunk)
        if self._dropping:
            chunk = self._drop(chunk)
        if not self._started:
            chunk = self._skip_bom(chunk)
        kept = self._kept
        if kept:
            # Only the seam and the chunk are searched: an event in many small chunks costs no more than its size.
            if not (_END in chunk or (kept[-1] == 0x0A and chunk[:1] == b"\n")):
                self._keep(chunk)
                return []
            chunk = bytes(kept) + chunk
            kept.clear()
        end = chunk.rfind(_END) + 2
        if end < 2:
            self._keep(chunk.lstrip(b"\n"))
            return []
        if end < len(chunk):
            self._keep(chunk[end:].lstrip(b"\n"))
            chunk = chunk[:end]
        return self._usual(chunk) or self._any(chunk)

    def close(self) -> None:
        """End the stream: what was not followed by a blank line is no event."""
        self._kept.clear()
        self._dropping = False

    def _line_feeds(self, chunk: bytes) -> bytes:
        """Make every line end a line feed; one that was cut in two is one."""
        if self._carriage:
            chunk = chunk.removeprefix(b"\n")
        self._carriage = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _skip_bom(self, chunk: bytes) -> bytes:
        chunk = bytes(self._kept) + chunk
        self._kept.clear()
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._kept += chunk
            return b""
        self._started = True
        return chunk.removeprefix(_BOM)

    def _keep(self, tail: bytes) -> None:
        # One more than the limit: the last byte kept may be the first half of the blank line.
        if len(self._kept) + len(tail) > self._limit + 1:
            self._last = (tail or bytes(self._kept))[-1:]
            self._kept.clear()
            self._dropping = True
            self.oversized += 1
        else:
            self._kept += tail

    def _drop(self, chunk: bytes) -> bytes:
        """Skip to behind the blank line that ends the dropped event."""
        seam = self._last + chunk
        end = seam.find(_END)
        if end < 0:
            self._last = seam[-1:]
            return b""
        self._dropping = False
        return seam[end + 2 :].lstrip(b"\n")

    def _usual(self, blocks: bytes) -> list[ServerSentEvent]:
        """Split blocks that all have one `event` and one `data` line, as the API sends them; empty if one has not."""
        if len(blocks) > self._limit:
            return []
        found: list[tuple[bytes, bytes]] = _USUAL.findall(blocks)
        matched = sum(map(len, chain.from_iterable(found))) + _USUAL_FRAME * len(found)
        return cast("list[ServerSentEvent]", found) if matched == len(blocks) else []

    def _any(self, blocks: bytes) -> list[ServerSentEvent]:
        events = []
        for block in blocks.split(_END):
            stripped = block.lstrip(b"\n")
            if len(stripped) > self._limit:
                self.oversized += 1
                continue
            event = _event(stripped)
            if event is not None:
                events.append(event)
        return events


def _event(block: bytes) -> ServerSentEvent | None:
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return (name or None, b"\n".join(data)) if data else None
