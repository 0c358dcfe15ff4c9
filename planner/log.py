"""One line of JSON per event on standard error: names, counts and ids; never a prompt, a tool's output or a key."""

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger

_encoder = msgspec.json.Encoder()


class Harmless:
    """A stream that drops what cannot be written: a full disk or a closed pipe must not fail what is being logged.

    Nothing else can be done with such a line, for there is no other place to say it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or drop."""
        with suppress(OSError, ValueError):  # ValueError: the stream is closed, or its encoding lacks a character
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or not."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def build(stream: TextIO | None = None, *, level: str = "info") -> FilteringBoundLogger:
    """A logger that writes JSON lines to a stream (standard error unless told), and never raises where it cannot."""
    return cast(
        "FilteringBoundLogger",
        structlog.wrap_logger(
            structlog.WriteLogger(cast("TextIO", Harmless(stream or sys.stderr))),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _rendered,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
        ).bind(),
    )


def through(logger: logging.Logger) -> FilteringBoundLogger:
    """A logger that hands its lines of JSON to the standard library's: inside a program that is not the planner's."""
    return cast(
        "FilteringBoundLogger",
        structlog.wrap_logger(
            logger,
            processors=[_rendered],
            wrapper_class=structlog.make_filtering_bound_logger("info"),
        ).bind(),
    )


def _rendered(_logger: object, _level: str, event: EventDict) -> str:
    return _encoder.encode(event).decode()
