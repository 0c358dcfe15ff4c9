"""One line of JSON per event on standard error: names, counts and ids; never a prompt, a tool's output or a key."""

import sys
from typing import TextIO, cast

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

_encoder = msgspec.json.Encoder()


def build(stream: TextIO | None = None, *, level: str = "info") -> FilteringBoundLogger:
    """A logger that writes JSON lines to a stream (standard error unless told)."""
    return cast(
        "FilteringBoundLogger",
        structlog.wrap_logger(
            structlog.PrintLogger(stream or sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=_json),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
        ).bind(),
    )


def _json(event: object, **_: object) -> str:
    return _encoder.encode(event).decode()
