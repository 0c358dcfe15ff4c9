"""Anthropic's words: lenient on the wire, so that only what is read here is decoded and everything else stays raw."""

from planner.core.wire.blocks import Block, read_blocks
from planner.core.wire.canonical import canonical, canonical_raw, spelled
from planner.core.wire.history import Upload
from planner.core.wire.reading import WireError
from planner.core.wire.request import Breakpoints, MessagesRequest, RequestContainer, Thread, Tool, ToolChoice
from planner.core.wire.response import (
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ErrorBody,
    Event,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    ResponseContainer,
    StreamError,
    UnknownEvent,
    delta_seal,
    delta_size,
    deltas_size,
    may_seal,
    parse_event,
)
from planner.core.wire.trail import Followed, Trail, follow

__all__ = [
    "Block",
    "Breakpoints",
    "ContentBlockDelta",
    "ContentBlockStart",
    "ContentBlockStop",
    "ErrorBody",
    "Event",
    "Followed",
    "Message",
    "MessageDelta",
    "MessageStart",
    "MessageStop",
    "MessagesRequest",
    "Ping",
    "RequestContainer",
    "ResponseContainer",
    "StreamError",
    "Thread",
    "Tool",
    "ToolChoice",
    "Trail",
    "UnknownEvent",
    "Upload",
    "WireError",
    "canonical",
    "canonical_raw",
    "delta_seal",
    "delta_size",
    "deltas_size",
    "follow",
    "may_seal",
    "parse_event",
    "read_blocks",
    "spelled",
]
