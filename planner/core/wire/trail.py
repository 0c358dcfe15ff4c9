"""What was said since the newest call of a conversation, as a digest: by it an answer without an id is known again.

An answer that calls nothing carries nothing of the server's to know it by. What it stands behind does: the id of the
newest call before it, which was issued once. With all that was said since, up to the end of the answer, it names one
place in one conversation; a fork that was asked or answered anything else is at another.

Clients write an answer down in their own way, so of the assistant only what all of them keep is taken: its words
without white space, and the ids of the calls that results answer, however they are spread over blocks and messages.
Thinking, which some leave out, does not count.
"""

from collections.abc import Sequence
from hashlib import sha256
from itertools import islice
from typing import Final, NamedTuple, Self

import msgspec
from msgspec import UNSET, Raw

from planner.core.wire.canonical import spelled
from planner.core.wire.history import SERVER_ISSUED, read_message
from planner.core.wire.reading import Maybe, elements, shaped, text

LONGEST: Final = 64
"""Messages that are looked back over for a call. Ours: what has gone on for longer without one has no use for it."""


class _Block(msgspec.Struct):
    id: Maybe = UNSET
    text: Maybe = UNSET
    tool_use_id: Maybe = UNSET


class _Whole(msgspec.Struct):
    content: Maybe = UNSET


class _Event(msgspec.Struct):
    content_block: Maybe = UNSET
    delta: Maybe = UNSET


_BLOCK: Final = msgspec.json.Decoder(_Block)
_WHOLE: Final = msgspec.json.Decoder(_Whole)
_EVENT: Final = msgspec.json.Decoder(_Event)


class Trail:
    """A digest in the making, of what was said since one call."""

    __slots__ = ("_called", "_hashed")

    def __init__(self, call_id: str) -> None:
        self._hashed = sha256(b"trail\0" + call_id.encode())
        self._called = False

    @property
    def end(self) -> str | None:
        """What the answer is known by that ends here; None where it made a call, and is known by its id."""
        return None if self._called else self._hashed.hexdigest()

    def copy(self) -> Self:
        """The same trail, to go on from."""
        other = object.__new__(type(self))
        other._hashed, other._called = self._hashed.copy(), self._called
        return other

    def ask(self, message: Raw) -> None:
        """Take in a message that is not the assistant's, as it is spelled for a conversation's root."""
        self._hashed.update(b" asked " + sha256(spelled(message)).hexdigest().encode() + b" ")

    def answer(self, content: Maybe) -> None:
        """Take in an assistant's content: a string, or blocks."""
        self._take(_blocks(content))

    def read(self, body: bytes) -> None:
        """Take in a message that came whole."""
        whole = shaped(_WHOLE, Raw(body))
        self.answer(UNSET if whole is None else whole.content)

    def hear(self, event: bytes) -> None:
        """Take in the data of one stream event."""
        fields = shaped(_EVENT, Raw(event))
        if fields is not None:
            said = (shaped(_BLOCK, fields.content_block), shaped(_BLOCK, fields.delta))
            self._take([block for block in said if block is not None])

    def _take(self, blocks: Sequence[_Block]) -> None:
        for block in blocks:
            self._called = self._called or _call(block) is not None
            answered = text(block.tool_use_id)
            if answered is not None:
                self._hashed.update(b" result " + _bare(answered) + b" ")
            self._hashed.update(_bare(text(block.text) or ""))


class Followed(NamedTuple):
    """A conversation's trail: what its last answer is known by, and what the next one goes on from."""

    last: str | None
    trail: Trail


def follow(messages: Sequence[Raw]) -> Followed | None:
    """Read the messages from the end back to the newest call; None where there is none."""
    since: list[Raw] = []
    for raw in islice(reversed(messages), LONGEST):
        message = read_message(raw)
        if text(message.role) == "assistant":
            blocks = _blocks(message.content)
            place = next((place for place in reversed(range(len(blocks))) if _call(blocks[place])), None)
            if place is not None:
                trail = Trail(_call(blocks[place]) or "")
                trail._take(blocks[place + 1 :])  # noqa: SLF001 - of this module
                return _follow_on(trail, since)
        since.append(raw)
    return None


def _follow_on(trail: Trail, since: Sequence[Raw]) -> Followed:
    last = trail.end
    for raw in reversed(since):
        message = read_message(raw)
        if text(message.role) == "assistant":
            trail.answer(message.content)
            last = trail.end
        else:
            trail.ask(raw)
    return Followed(last, trail)


def _call(block: _Block) -> str | None:
    """The server-issued id of a call; None of what is none."""
    name = text(block.id)
    return name if name is not None and name.startswith(SERVER_ISSUED) else None


def _blocks(content: Maybe) -> list[_Block]:
    """The blocks of a content; a string is one that says it."""
    if text(content) is not None:
        return [_Block(text=content)]
    each = [shaped(_BLOCK, raw) for raw in elements(content) or ()]
    return [block for block in each if block is not None]


def _bare(words: str) -> bytes:
    """Words without white space, in which no separator of a trail can be."""
    return "".join(words.split()).encode(errors="surrogatepass")
