"""What reads a response as it passes: a whole message, or a stream of events. Each is bounded in memory."""

from collections import deque
from typing import Final, Protocol

import msgspec

from planner.core.metering.rounds import Rounds
from planner.core.metering.sse import Splitter
from planner.core.metering.stopwatch import Stopwatch
from planner.core.metering.usage import Metered, StreamUsage, meter
from planner.core.wire import (
    Block,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    ResponseContainer,
    StreamError,
    Trail,
    WireError,
    delta_seal,
    deltas_size,
    may_seal,
    parse_event,
)

LARGEST_RESPONSE: Final = 32 * 1024 * 1024
"""Bytes of a JSON response kept for metering; a larger one is relayed and its cost is unknown."""

MOST_IDS: Final = 64
"""The ids kept of one response, the newest: a later request is known by its last ones."""

DELTA: Final = b"content_block_delta"


class Told(msgspec.Struct):
    """What a response has told so far of the message in it; `ids` are its calls' and the seals of its thinking.

    `code_resumed` says that code of an earlier response ran on in it, `code_ms` how long code was seen to run, None
    where nothing was seen, and `first_ms` how long the first of it took. `rounds` are the sampling iterations that its
    blocks show. `trail` is what an answer without calls is known by, where its trail was followed. `waiting` are the
    server's calls for which no result came, `settled` the earlier ones for which one did.
    """

    message_id: str | None = None
    model: str | None = None
    container: ResponseContainer | None = None
    stop_reason: str | None = None
    cache_miss: str | None = None
    ids: deque[str] = msgspec.field(default_factory=lambda: deque(maxlen=MOST_IDS))
    code_runs: int = 0
    code_resumed: bool = False
    code_ms: int | None = None
    first_ms: int | None = None
    rounds: int = 1
    failed: str | None = None
    finished: bool = False
    trail: str | None = None
    waiting: deque[str] = msgspec.field(default_factory=lambda: deque(maxlen=MOST_IDS))
    settled: deque[str] = msgspec.field(default_factory=lambda: deque(maxlen=MOST_IDS))

    def follow(self, block: Block) -> None:
        """Take note of a call of the server's, or of the result of one."""
        answered = block.tool_use_id
        if block.server_call and block.id is not None:
            self.waiting.append(block.id)
        elif answered is not None and answered in self.waiting:
            self.waiting.remove(answered)
        elif answered is not None:
            self.settled.append(answered)

    @property
    def call_ids(self) -> tuple[str, ...]:
        """What a later request can be known by, in order."""
        return tuple(self.ids)


class Reader(Protocol):
    """Reads one kind of body."""

    told: Told

    def feed(self, data: bytes, at: float) -> None:
        """Take decoded bytes that came at a moment, in monotonic seconds."""
        ...

    def end(self, at: float) -> None:
        """Nothing more comes after this moment."""
        ...

    def metered(self) -> Metered | None:
        """What was used; None when nothing was said of it. Raises UsageError, WireError."""
        ...


class WholeReader:
    """Reads a JSON message, kept until its end; `trail` leads to it, where it is to be known by that."""

    def __init__(self, trail: Trail | None = None) -> None:
        self.told = Told()
        self._trail = trail
        self._kept = bytearray()

    def feed(self, data: bytes, at: float) -> None:
        """Keep the bytes. Raises WireError beyond the bound."""
        del at
        if len(self._kept) + len(data) > LARGEST_RESPONSE:
            raise WireError(f"The response is larger than {LARGEST_RESPONSE} bytes.")
        self._kept += data

    def end(self, at: float) -> None:
        """A message is whole at once: it tells of no moment."""

    def metered(self) -> Metered | None:
        """Read the message."""
        body = bytes(self._kept)
        message = Message.parse(body)
        if self._trail is not None:
            self._trail.read(body)
        watch, rounds = Stopwatch(), Rounds()
        for block in message.content:
            watch.start(None, block, 0.0)
            rounds.feed(block)
        self.told = Told(
            message_id=message.id,
            model=message.model,
            container=message.container,
            stop_reason=message.stop_reason,
            cache_miss=message.cache_miss,
            ids=deque((each for block in message.content if (each := block.id or block.seal)), MOST_IDS),
            code_runs=watch.runs,
            code_resumed=watch.resumed,
            rounds=rounds.again + 1,
            finished=True,
            trail=None if self._trail is None else self._trail.end,
        )
        for block in message.content:
            self.told.follow(block)
        if message.usage is None:
            return None
        return meter(message.usage, single=not any(block.server_call for block in message.content))


class StreamReader:
    """Reads server-sent events as they pass; `trail` leads to the message, where it is to be known by that."""

    def __init__(self, trail: Trail | None = None) -> None:
        self.told = Told()
        self._trail = trail
        self._splitter = Splitter()
        self._usage = StreamUsage()
        self._watch = Stopwatch()

    def feed(self, data: bytes, at: float) -> None:
        """Split off the events that are whole by now and take in what they tell."""
        events = self._splitter.feed(data)
        deltas = [payload for name, payload in events if name == DELTA]
        if deltas:  # most of a stream, and mostly only their size is ever asked for
            self._usage.wrote(deltas_size(deltas))
            if self._trail is None and not may_seal(b"".join(deltas)):
                events = [each for each in events if each[0] != DELTA]
        for name, payload in events:
            if self._trail is not None:
                self._trail.hear(payload)
            if name == DELTA:
                if seal := delta_seal(payload):
                    self.told.ids.append(seal)
                continue
            event = parse_event(payload)
            self._usage.feed(event)
            self._tell(event, at)

    def end(self, at: float) -> None:
        """Code that has not come back by now was seen no longer."""
        self._watch.end(at)
        self._tell_time()

    def _tell_time(self) -> None:
        told, watch = self.told, self._watch
        told.code_runs, told.code_resumed, told.code_ms = watch.runs, watch.resumed, watch.milliseconds
        told.first_ms = watch.first_ms

    def _tell(self, event: object, at: float) -> None:
        told = self.told
        match event:
            case MessageStart(message=message):
                self._watch.begin(at)
                told.message_id, told.model, told.container = message.id, message.model, message.container
                told.cache_miss = message.cache_miss
            case ContentBlockStart(block=block):
                if each := block.id or block.seal:
                    told.ids.append(each)
                told.follow(block)
                self._watch.start(event.index, block, at)
                self._tell_time()
                told.rounds = self._usage.rounds
            case ContentBlockStop(index=index):
                self._watch.stop(index, at)
            case ContentBlockDelta(seal=str(seal)):
                told.ids.append(seal)
            case MessageDelta():
                told.container = event.container or told.container
                told.stop_reason = event.stop_reason or told.stop_reason
            case MessageStop():
                told.finished = True
                told.trail = None if self._trail is None else self._trail.end
                self.end(at)
            case StreamError():
                told.failed = event.type or "error"
            case _:
                pass

    def metered(self) -> Metered | None:
        """What the stream has said of its usage, or an estimate where it was cut."""
        return self._usage.metered()
