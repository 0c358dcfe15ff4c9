"""What one response is made of while it is being played: blocks, iterations, and the container they touch."""

from datetime import datetime
from fractions import Fraction

import msgspec

from planner.simulator.bill import Sample
from planner.simulator.cache import Split
from planner.simulator.canonical import Json, block_tokens, text_tokens
from planner.simulator.config import Key
from planner.simulator.containers import Container
from planner.simulator.ids import RequestIds
from planner.simulator.models import Model
from planner.simulator.prompt import Prompt
from planner.simulator.scenario import Fail
from planner.simulator.seals import Prefix
from planner.simulator.state import State
from planner.simulator.tools import Toolbox

MODEL_SPEAKS = frozenset({"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"})


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A validated request: what the model is about to answer."""

    body: Json
    sent: Json
    """The body as the client sent it: differs on thread continuations."""
    key: Key
    organization: str
    model: Model
    box: Toolbox
    prompt: Prompt
    betas: frozenset[str]
    request_id: str
    ids: RequestIds
    at: datetime
    batch: bool = False


class Made(msgspec.Struct, kw_only=True):
    """A content block, the iteration it belongs to, and what it cost to make."""

    block: Json
    iteration: int
    output: int = 0
    thinking: int = 0
    delay: float = 0.0
    pings: int = 0
    searches: int = 0
    fetches: int = 0
    code: Fraction | None = None
    """Seconds of container time; None: no code ran here."""


class Stopped(Exception):  # noqa: N818 - not an error: the response is complete
    """The model stops here."""


class Stage:
    """A response in the making."""

    def __init__(self, state: State, call: Call, split: Split, container: Container | None) -> None:
        self.state = state
        self.call = call
        self.split = split
        self.container = container
        self.message_id = call.ids.new("msg")
        self.made: list[Made] = []
        self.apart: list[Sample] = []
        self.stop_reason = "end_turn"
        self.stop_sequence: str | None = None
        self.stop_details: Json | None = None
        self.failure: Fail | None = None
        self.cut = False
        self.billed = True
        self.preloaded = False
        self.starting = 0.0
        self.last_results: list[Json] = []
        self._iteration = 0
        self._fresh = False
        self._spoken = False
        self._context: list[int] = [0]
        self._seen = 0
        self._wait = 0.0
        self._pings = 0
        self._prefix: Prefix | None = None

    @property
    def output(self) -> int:
        """Output tokens so far."""
        return sum(made.output for made in self.made)

    @property
    def programmatic(self) -> bool:
        """Whether code may call tools here: by the tool's version and the model."""
        return self.call.box.programmatic and self.call.model.programmatic

    def wait(self, seconds: float, pings: int = 0) -> None:
        """Be silent before the next block."""
        self._wait += seconds
        self._pings += pings

    def speak(self, block: Json, tokens: int | None = None) -> Made:
        """The model writes a block.

        Raises:
            Stopped: `max_tokens` or a stop sequence was reached.
        """
        if self._fresh:
            self._iteration += 1
            self._context.append(self._seen)
            self._fresh = False
        self._spoken = True
        spoken = block_tokens(block) if tokens is None else tokens
        left = int(self.call.body.get("max_tokens", 1 << 30)) - self.output
        ends = self._stop_sequence(block)
        if spoken > left:
            self.stop_reason, spoken, ends = "max_tokens", left, True
            if block["type"] != "text" or left <= 0:
                raise Stopped
            block["text"] = block["text"].encode()[: left * 4].decode(errors="ignore")
        made = self._put(block, spoken)
        made.thinking = spoken if block["type"] == "thinking" else 0
        if ends:
            raise Stopped
        return made

    def receive(self, block: Json) -> Made:
        """A server tool's result arrives: the model reads it in another iteration, or in its first one."""
        self._started()
        made = self._put(block, 0)
        self._seen += block_tokens(block)
        if self._spoken:
            self._fresh = True
        else:
            self._context[0] = self._seen
        return made

    def nest(self, block: Json) -> Made:
        """A call that code makes by itself: neither output nor context."""
        self._started()
        return self._put(block, 0)

    def _started(self) -> None:
        """What comes out of a fresh container comes once it has started."""
        self.wait(self.starting)
        self.starting = 0.0

    def _put(self, block: Json, output: int) -> Made:
        made = Made(block=block, iteration=self._iteration, output=output, delay=self._wait, pings=self._pings)
        self._wait, self._pings = 0.0, 0
        self._seen += output
        self.made.append(made)
        if self._prefix is not None and block["type"] != "thinking":
            self._prefix.add("assistant", block)
        return made

    def _stop_sequence(self, block: Json) -> bool:
        if block["type"] != "text":
            return False
        for sequence in self.call.body.get("stop_sequences") or ():
            place = block["text"].find(sequence)
            if place >= 0:
                block["text"] = block["text"][:place]
                self.stop_reason, self.stop_sequence = "stop_sequence", sequence
                return True
        return False

    def think(self, text: str, tokens: int | None) -> None:
        """The model thinks; the signature binds the block to everything before it."""
        prefix = self._prefix
        if prefix is None:
            prefix = self._prefix = Prefix(self.call.model.id, self.call.body)
            prefix.add_messages(
                [
                    {**message, "content": [b for b in _listed(message) if b["type"] != "thinking"]}
                    for message in self.call.body["messages"]
                ]
            )
            for made in self.made:
                if made.block["type"] != "thinking":
                    prefix.add("assistant", made.block)
        signature = self.state.seals.sign(text, prefix.digest())
        spent = text_tokens(text) if tokens is None else tokens
        self.speak({"type": "thinking", "thinking": text, "signature": signature}, spent)

    def sandbox(self) -> Container:
        """The container of this response, created at its first use."""
        if self.container is None:
            call = self.call
            self.container = self.state.containers.create(call.key.workspace, call.ids, call.at)
            self.starting = self.state.config.container_start
        return self.container

    def samples(self, blocks: int | None = None) -> list[Sample]:
        """The iterations, of the whole response or of its first `blocks` blocks; the first one is always there."""
        made = self.made if blocks is None else self.made[:blocks]
        last = max((item.iteration for item in made), default=0)
        split, model = self.split, self.call.model.id
        found = []
        for number in range(last + 1):
            mine = [item for item in made if item.iteration == number]
            written = 0 if number else split.write_5m + split.write_1h
            found.append(
                Sample(
                    model=model,
                    input=split.uncached + self._context[number],
                    cache_write_5m=0 if number else split.write_5m,
                    cache_write_1h=0 if number else split.write_1h,
                    cache_read=split.total - split.uncached - written,
                    output=sum(item.output for item in mine),
                    thinking=sum(item.thinking for item in mine),
                )
            )
        return found


def _listed(message: Json) -> list[Json]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
