"""A trace is JSON Lines, one request a line in time order: what was asked, and the work that it needs in any case.

Every line that cannot be used is told with its number; none is guessed at.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Raw

from planner.core.replay.calls import Work
from planner.core.wire import MessagesRequest, WireError

MOST_ITERATIONS: Final = 1_000
"""A hundred times what the API lets a turn have before it pauses: what is more is a typing error. Ours."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

YEARS: Final = range(2000, 2200)
"""Dates outside of which no month or lifetime could be reckoned."""


class _Fields(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    at: datetime
    principal: str
    organization: str | None = None
    workspace: str | None = None
    team: str = ""
    project: str = ""
    tags: dict[str, str] = {}
    conversation: str
    turn: int
    body_bytes: int = 0
    request: Raw
    work: Work


class TraceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a trace; `number` counts lines from 0, blank ones left out.

    `body_bytes` is how long its body was, 0 where nobody says: then a decision knows its prompt in tokens.
    """

    number: int
    at: datetime
    principal: str
    organization: str
    workspace: str
    team: str
    project: str
    tags: dict[str, str] = {}
    conversation: str
    turn: int
    body_bytes: int = 0
    request: MessagesRequest
    work: Work


class TraceError(ValueError):
    """A line that cannot be used: `line` counts lines of the file from 1."""

    def __init__(self, line: int, problem: str) -> None:
        self.line = line
        super().__init__(problem)


_LINE = msgspec.json.Decoder(_Fields)


def read_trace(lines: Iterable[bytes]) -> Iterator[TraceLine | TraceError]:
    """Read a trace as it comes; a line that cannot be used comes as its error, and reading goes on behind it."""
    number, last = 0, None
    for index, line in enumerate(lines, 1):
        if index == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)  # noqa: PLW2901 - what some editors put there says nothing
        if not line.strip():
            continue
        try:
            found = _read(number, line, last)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, WireError, ValueError) as error:
            yield TraceError(index, " ".join(str(error).split()))
        else:
            last = found.at
            yield found
        number += 1


def _read(number: int, line: bytes, last: datetime | None) -> TraceLine:
    """Read one line that comes behind `last`. Raises what `read_trace` tells."""
    fields = _LINE.decode(line)
    if fields.at.tzinfo is None:
        raise ValueError("`at` has no time zone: write it in UTC, as 2026-11-03T09:00:00Z")
    if fields.at.year not in YEARS:
        raise ValueError(f"`at` is in the year {fields.at.year}: mend the date")
    if last is not None and fields.at < last:
        raise ValueError(f"`at` is {fields.at.isoformat()}, before the line above: a trace is in time order")
    if fields.turn < 1:
        raise ValueError(f"`turn` is {fields.turn}: the first request of a conversation is turn 1")
    work = fields.work
    counts = {f"work.{name}": getattr(work, name) for name in Work.__struct_fields__}
    for name, value in ({"body_bytes": fields.body_bytes} | counts).items():
        if isinstance(value, int | float) and not 0 <= value <= 10**12:
            raise ValueError(f"`{name}` is {value}: it is a count from 0 to 10^12")
    if work.code_seconds and not work.code_runs:
        raise ValueError(f"`work.code_seconds` is {work.code_seconds:g}, but `work.code_runs` is 0: nothing ran")
    front, prompt = work.cached_prefix_tokens, work.prompt_tokens
    if front > prompt:
        raise ValueError(f"`work.cached_prefix_tokens` is {front}, more than the {prompt} of the prompt")
    if not 1 <= work.iterations <= MOST_ITERATIONS:
        told = f"one iteration at least, {MOST_ITERATIONS} at most"
        raise ValueError(f"`work.iterations` is {work.iterations}: a request has {told}")
    return TraceLine(
        number=number,
        at=fields.at,
        principal=fields.principal,
        organization=fields.organization or fields.principal,
        workspace=fields.workspace or fields.principal,
        team=fields.team,
        project=fields.project,
        tags=fields.tags,
        conversation=fields.conversation,
        turn=fields.turn,
        body_bytes=fields.body_bytes,
        request=MessagesRequest.parse(bytes(fields.request)),
        work=work,
    )
