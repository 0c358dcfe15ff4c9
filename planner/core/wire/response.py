"""What comes back: a message, an error body, or the events of a stream; usage stays raw for `metering.usage`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Self, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Raw

from planner.core.wire.blocks import Block, read_block, read_blocks, sealed
from planner.core.wire.reading import BAD_JSON, Maybe, WireError, integer, present, shaped, text, wire_error

M = TypeVar("M", bound="Message")


class ResponseContainer(msgspec.Struct, frozen=True):
    """`container` of a response; `expires_at` is in UTC, None when it is missing or no RFC 3339 time."""

    id: str
    expires_at: datetime | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as returned whole, or as begun by `message_start`.

    `usage` is the raw JSON object, None when it is missing; `cache_miss` is the type of the reason for which the prompt
    cache could not be used (`tools_changed`), for a caller who asked for it.
    """

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: bytes | None = None
    container: ResponseContainer | None = None
    cache_miss: str | None = None
    content: tuple[Block, ...] = ()

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a response body.

        Raises:
            WireError: it is no JSON object.
        """
        try:
            return _message(cls, _MESSAGE.decode(body))
        except msgspec.ValidationError as error:
            raise WireError("The body is no JSON object.", 0) from error
        except BAD_JSON as error:
            raise wire_error(error, body) from error


class ErrorBody(msgspec.Struct, frozen=True):
    """An error as the API words it: `{"type": "error", "error": {"type", "message"}, "request_id"}`."""

    type: str | None
    message: str | None
    request_id: str | None = None

    @classmethod
    def parse(cls, body: bytes) -> Self | None:
        """Read an error body; None when it is not one."""
        fields = shaped(_EVENT, Raw(body))
        error = None if fields is None else shaped(_ERROR, fields.error)
        if fields is None or error is None:
            return None
        return cls(text(error.type), text(error.message), text(fields.request_id))


class MessageStart(msgspec.Struct, frozen=True):
    """`message_start`: the message as it begins; its usage covers the first iteration."""

    message: Message


class ContentBlockStart(msgspec.Struct, frozen=True):
    """`content_block_start`; a server tool's result comes whole in it."""

    index: int | None
    block: Block


class ContentBlockDelta(msgspec.Struct, frozen=True):
    """`content_block_delta`: `size` is the number of UTF-8 bytes of text, thinking or partial JSON in it.

    `seal` is the digest of a signature, which comes whole in a delta of its own.
    """

    size: int
    seal: str | None = None


class ContentBlockStop(msgspec.Struct, frozen=True):
    """`content_block_stop`."""

    index: int | None


class MessageDelta(msgspec.Struct, frozen=True, kw_only=True):
    """`message_delta`: its usage is cumulative and final; the container comes here in streams."""

    stop_reason: str | None = None
    container: ResponseContainer | None = None
    usage: bytes | None = None


class MessageStop(msgspec.Struct, frozen=True):
    """`message_stop`."""


class Ping(msgspec.Struct, frozen=True):
    """`ping`, which may come at any time."""


class StreamError(msgspec.Struct, frozen=True):
    """`error` inside a stream that began with 200."""

    type: str | None
    message: str | None


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event that is not known here, or that lacks what makes it one; `type` is None when it cannot be read."""

    type: str | None


Event: TypeAlias = (
    MessageStart
    | ContentBlockStart
    | ContentBlockDelta
    | ContentBlockStop
    | MessageDelta
    | MessageStop
    | Ping
    | StreamError
    | UnknownEvent
)


def parse_event(data: bytes) -> Event:
    """Read the data of one stream event. Its own `type` counts, not the SSE event name; nothing is an error."""
    fields = shaped(_EVENT, Raw(data))
    if fields is None:
        return UnknownEvent(None)
    kind = text(fields.type)
    if kind == "content_block_delta":
        return ContentBlockDelta(delta_size(data), delta_seal(data))
    if kind == "content_block_stop":
        return ContentBlockStop(integer(fields.index))
    if kind == "message_stop":
        return MessageStop()
    if kind == "ping":
        return Ping()
    return _telling_event(kind, fields)


def delta_size(data: bytes) -> int:
    """The UTF-8 bytes of text, thinking or partial JSON in the data of a `content_block_delta`; 0 when it has none."""
    try:
        return _size(_DELTA.decode(data).delta)
    except BAD_JSON:
        return 0


def deltas_size(data: Sequence[bytes]) -> int:
    """The same of several, which are read in one go: of most chunks they are all there is."""
    try:
        events = _DELTA.decode_lines(b"\n".join(data))
    except BAD_JSON:
        events = []
    if len(events) != len(data):  # one of them is odd, and tells nothing of the others
        return sum(map(delta_size, data))
    return sum(_size(event.delta) for event in events)


def may_seal(data: bytes) -> bool:
    """Whether a signature may be in the data of a delta, or of several: a quote inside of text is escaped."""
    return b'"signature_delta"' in data


def delta_seal(data: bytes) -> str | None:
    """The digest of the signature in the data of a `content_block_delta`; None when it has none, as most."""
    if not may_seal(data):
        return None
    try:
        return sealed(_SIGNATURE.decode(data).delta.signature)
    except BAD_JSON:
        return None


class _MessageFields(msgspec.Struct):
    id: Maybe = UNSET
    model: Maybe = UNSET
    stop_reason: Maybe = UNSET
    usage: Maybe = UNSET
    container: Maybe = UNSET
    content: Maybe = UNSET
    diagnostics: Maybe = UNSET


class _Diagnostics(msgspec.Struct):
    cache_miss_reason: Maybe = UNSET


class _Typed(msgspec.Struct):
    type: Maybe = UNSET


class _EventFields(msgspec.Struct):
    type: Maybe = UNSET
    index: Maybe = UNSET
    message: Maybe = UNSET
    delta: Maybe = UNSET
    usage: Maybe = UNSET
    content_block: Maybe = UNSET
    error: Maybe = UNSET
    request_id: Maybe = UNSET


class _ErrorFields(msgspec.Struct):
    type: Maybe = UNSET
    message: Maybe = UNSET


class _ContainerFields(msgspec.Struct):
    id: Maybe = UNSET
    expires_at: Maybe = UNSET


class _Said(msgspec.Struct):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _DeltaEvent(msgspec.Struct):
    delta: _Said


def _size(said: _Said) -> int:
    written = said.text or said.thinking or said.partial_json
    return len(written) if written.isascii() else len(written.encode())


class _Signed(msgspec.Struct):
    signature: str = ""


class _SignatureEvent(msgspec.Struct):
    delta: _Signed


_MESSAGE: Final = msgspec.json.Decoder(_MessageFields)
_EVENT: Final = msgspec.json.Decoder(_EventFields)
_ERROR: Final = msgspec.json.Decoder(_ErrorFields)
_CONTAINER: Final = msgspec.json.Decoder(_ContainerFields)
_DELTA: Final = msgspec.json.Decoder(_DeltaEvent)
_DIAGNOSTICS: Final = msgspec.json.Decoder(_Diagnostics)
_TYPED: Final = msgspec.json.Decoder(_Typed)
_SIGNATURE: Final = msgspec.json.Decoder(_SignatureEvent)
_TIME: Final = msgspec.json.Decoder(datetime)


def _telling_event(kind: str | None, fields: _EventFields) -> Event:
    if kind == "message_start":
        message = shaped(_MESSAGE, fields.message)
        return UnknownEvent(kind) if message is None else MessageStart(_message(Message, message))
    if kind == "message_delta":
        delta = shaped(_MESSAGE, fields.delta) or _MessageFields()
        return MessageDelta(
            stop_reason=text(delta.stop_reason), container=_container(delta.container), usage=_bytes(fields.usage)
        )
    if kind == "content_block_start" and isinstance(fields.content_block, Raw):
        block = read_block(fields.content_block)
        return UnknownEvent(kind) if block is None else ContentBlockStart(integer(fields.index), block)
    if kind == "error":
        error = shaped(_ERROR, fields.error) or _ErrorFields()
        return StreamError(text(error.type), text(error.message))
    return UnknownEvent(kind)


def _message(cls: type[M], fields: _MessageFields) -> M:
    return cls(
        id=text(fields.id),
        model=text(fields.model),
        stop_reason=text(fields.stop_reason),
        usage=_bytes(fields.usage),
        container=_container(fields.container),
        cache_miss=_cache_miss(fields.diagnostics),
        content=read_blocks(fields.content),
    )


def _cache_miss(raw: Maybe) -> str | None:
    diagnostics = shaped(_DIAGNOSTICS, raw)
    reason = None if diagnostics is None else shaped(_TYPED, diagnostics.cache_miss_reason)
    return None if reason is None else text(reason.type)


def _container(raw: Maybe) -> ResponseContainer | None:
    fields = shaped(_CONTAINER, raw)
    name = None if fields is None else text(fields.id)
    if fields is None or name is None:
        return None
    until = shaped(_TIME, fields.expires_at)
    if until is not None:
        until = until.replace(tzinfo=UTC) if until.tzinfo is None else until.astimezone(UTC)
    return ResponseContainer(name, until)


def _bytes(raw: Maybe) -> bytes | None:
    return bytes(raw) if isinstance(raw, Raw) and present(raw) else None
