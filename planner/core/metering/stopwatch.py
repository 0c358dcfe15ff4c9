"""How long code ran in a streamed response: no response tells it, so the moments at which its blocks came are compared.

    a call to code is whole ──────► its result comes          code runs
    a call to code is whole ──────► the code calls a client's tool, or the stream ends
    the stream begins ────────────► the result of a call that an earlier response made

Calls that run side by side share a container, so time in which several run counts once. Moments are seconds of one
monotonic clock; one that lies before another is taken for the same.
Blocks: https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool, checked 2026-11-22.
"""

from typing import Final

from planner.core.wire import Block

CODE_CALLS: Final = frozenset({"code_execution", "bash_code_execution", "text_editor_code_execution"})
"""Names under which a `server_tool_use` calls code."""

MOST_CALLS: Final = 64
"""Calls that are followed at a time; more than the API lets one response make."""

_RESULT: Final = "_tool_result"
_CODE_RESULT: Final = "code_execution_tool_result"


def calls_code(block: Block) -> bool:
    """Whether the model has code run by this block."""
    return block.server_call and block.name in CODE_CALLS


def awaits_client(block: Block) -> bool:
    """Whether code waits at this block for what a client's tool returns."""
    return block.type == "tool_use" and block.programmatic


class Stopwatch:
    """Adds up the time in which code ran, block by block; orders that cannot be neither fail nor count below 0.

    Attributes:
        runs: code that the model had run.
        resumed: whether code that an earlier response began ran on in this one.
        first_ms: how long the first code took from its call to its result, a start of its container included; None
            where it was not seen to come back.
    """

    __slots__ = (
        "_began", "_first", "_index", "_now", "_read", "_running", "_since", "_spoken", "_writing", "first_ms",
        "resumed", "runs",
    )  # fmt: skip

    def __init__(self) -> None:
        self.runs = 0
        self.resumed = False
        self.first_ms: int | None = None
        self._first: str | None = None
        self._began = 0.0
        self._read = 0.0
        self._now: float | None = None
        self._since = 0.0
        self._running: set[str | None] = set()
        self._writing: tuple[str | None] | None = None
        self._index: int | None = None
        self._spoken = False

    @property
    def milliseconds(self) -> int | None:
        """How long code ran by what was seen; None where nothing was: no code, or its blocks all came at once."""
        return round(self._read * 1000) if self._read > 0 else None

    def begin(self, at: float) -> None:
        """The stream said its first word: from here code of an earlier response is seen."""
        if self._now is None:
            self._now = self._since = at

    def start(self, index: int | None, block: Block, at: float) -> None:
        """A block begins; one that was being written before is whole by then."""
        now = self._tick(at)
        self._written(now)
        if calls_code(block):
            self.runs += 1
            self._writing, self._index, self._spoken = (block.id,), index, True
        elif block.type.endswith(_CODE_RESULT):
            self._result(block.tool_use_id, now)
        elif awaits_client(block):
            self._pause(now)
        elif not block.programmatic and not block.type.endswith(_RESULT):
            self._spoken = True

    def stop(self, index: int | None, at: float) -> None:
        """A block is whole; if it calls code, the code runs from now on."""
        if index == self._index:
            self._written(self._tick(at))

    def end(self, at: float) -> None:
        """Nothing more comes: what still runs is not seen any further."""
        if self._running:
            self._pause(self._tick(at))

    def _tick(self, at: float) -> float:
        """The moment, never before an earlier one."""
        self.begin(at)
        self._now = max(self._now or at, at)
        return self._now

    def _written(self, now: float) -> None:
        if self._writing is None:
            return
        if not self._running:
            self._since = now
        if self.runs == 1:
            self._first, self._began = self._writing[0], now
        if len(self._running) < MOST_CALLS:
            self._running.add(self._writing[0])
        self._writing = None

    def _result(self, call: str | None, now: float) -> None:
        if call is not None and call == self._first and self.first_ms is None and now > self._began:
            self.first_ms = round((now - self._began) * 1000)
        if call not in self._running:
            self._resume(now)
        elif len(self._running) > 1:
            self._running.discard(call)
        else:
            self._pause(now)

    def _pause(self, now: float) -> None:
        """No code runs from now on; what ran until now is counted."""
        if not self._running:
            self._resume(now)
            return
        self._running.clear()
        self._read += now - self._since
        self._since = now

    def _resume(self, now: float) -> None:
        """Code of an earlier response ran until now; once the model has spoken, none can have."""
        if not self._spoken:
            self.resumed = True
            self._read += now - self._since
            self._since = now
