"""A scenario is a small YAML script: which requests it answers, and what the model does on each turn."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any, Literal

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from planner.simulator.canonical import Json, blocks_of


class OutFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that code leaves in the container and the Files API then serves."""

    name: str
    content: str = ""


class Code(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of code: `python` or a shell `command`, what it prints, and how many seconds it takes."""

    python: str | None = None
    command: str | None = None
    stdout: str = ""
    stderr: str = ""
    return_code: int = 0
    seconds: float = 1.0
    files: tuple[OutFile, ...] = ()
    error: Literal["invalid_tool_input", "unavailable", "too_many_requests", "execution_time_exceeded"] | None = None


class Edit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A use of the text editor inside the container."""

    command: Literal["view", "create", "str_replace"]
    path: str
    text: str = ""
    new_text: str = ""
    seconds: float = 0.1


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Web searches; one with an `error` is answered but not billed."""

    query: str = "weather today"
    times: int = 1
    results: int = 3
    error: (
        Literal["invalid_tool_input", "unavailable", "too_many_requests", "query_too_long", "request_too_large"] | None
    ) = None
    seconds: float = 1.0
    """Seconds of container time when code does the searching."""


class Fetch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A web fetch; the URL must be one that the request lets the tool fetch."""

    url: str
    title: str = "A page"
    text: str = "The text of the page."
    error: Literal["url_not_accessible", "unsupported_content_type", "too_many_requests", "unavailable"] | None = None
    seconds: float = 1.0


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call of one of the caller's own tools; ends the response with `tool_use`."""

    tool: str
    input: Json | None = None


class Programmatic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Code that calls the caller's tools and waits for their results; the next response carries what it printed."""

    calls: tuple[Call, ...]
    code: str = "result = await call()"
    stdout: str = "ok\n"
    seconds: float = 1.0
    searches: int = 0
    """Web searches the code made before it called the tools."""
    direct: bool = False
    """The tools are called by the model itself while the code is still pending."""
    continues: bool = False
    """The code that was already waiting makes further calls."""


class Advise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An advisor iteration, billed at its own model's price."""

    model: str
    input_tokens: int = 1_000
    output_tokens: int = 200


class Compact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A compaction iteration, outside the top-level usage."""

    input_tokens: int = 4_000
    output_tokens: int = 500


class Refuse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A refusal by a classifier; `billed: false` for the categories that cost nothing before output."""

    category: Literal["cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms"] | None = None
    explanation: str | None = None
    billed: bool = True


class Fail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An error: as HTTP status before anything was said, as an `error` event inside a stream that had begun."""

    status: Literal[400, 401, 402, 403, 404, 413, 429, 500, 504, 529]
    message: str | None = None
    retry_after: int | None = None
    times: int = 0
    """How often it happens before the turn goes on; 0: always."""


class Slow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Silence, broken by pings."""

    seconds: float
    pings: int = 0


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing the model does: exactly one of the fields that follow, besides `tokens` and `cite`."""

    say: str | None = None
    think: str | None = None
    code: Code | None = None
    edit: Edit | None = None
    search: Search | None = None
    fetch: Fetch | None = None
    call: Call | None = None
    programmatic: Programmatic | None = None
    advise: Advise | None = None
    compact: Compact | None = None
    refuse: Refuse | None = None
    error: Fail | None = None
    slow: Slow | None = None
    pause: bool = False
    cut: bool = False
    tokens: int | None = None
    """Output tokens of what is said, thought or called, instead of the estimate."""
    cite: bool = False
    """`say` cites the latest search result."""

    def __post_init__(self) -> None:
        if len(self.kinds) != 1:
            raise ValueError(f"a step does exactly one thing, this one does {' and '.join(self.kinds) or 'nothing'}")

    @property
    def kinds(self) -> list[str]:
        """The names of what the step does."""
        return [name for name in KINDS if getattr(self, name) not in (None, False)]

    @property
    def kind(self) -> str:
        """The name of what the step does."""
        return self.kinds[0]


KINDS = (
    "say",
    "think",
    "code",
    "edit",
    "search",
    "fetch",
    "call",
    "programmatic",
    "advise",
    "compact",
    "refuse",
    "error",
    "slow",
    "pause",
    "cut",
)
ENDS_ITERATION = frozenset({"code", "edit", "search", "fetch"})


class Turn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One response of the model."""

    steps: tuple[Step, ...]
    output_tokens: int | None = None
    """All output tokens of the response, instead of the sum of its steps."""
    iterations: bool = False
    """Report `usage.iterations` even when no beta header asks."""
    omit_container: bool = False
    """Leave the container out of the response, as later responses of a turn may."""
    fast: bool | None = None
    """Whether a request for fast mode is served fast; None: the simulator's default."""


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests a scenario answers; every condition given must hold."""

    marker: str | None = None
    """A text that a user message contains."""
    text: str | None = None
    """A regular expression found in a user message."""
    model: str | None = None
    """A glob over the model id."""
    metadata: dict[str, str] = {}
    """Regular expressions over values of the request's `metadata`."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A named script."""

    name: str
    turns: tuple[Turn, ...]
    match: Match = Match()
    after: Literal["default", "repeat"] = "default"
    """What follows the last turn: the default behaviour, or the last turn again."""

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return None if self.match.text is None else re.compile(self.match.text)

    @property
    def speaks_of_text(self) -> bool:
        """Whether the scenario is recognised by a user message."""
        return self.match.marker is not None or self.match.text is not None

    def in_text(self, text: str) -> bool:
        """Whether a user message's text is the one."""
        if self.match.marker is not None and self.match.marker not in text:
            return False
        return self._pattern is None or self._pattern.search(text) is not None

    def fits(self, body: Json) -> bool:
        """Whether the conditions on model and metadata hold."""
        if self.match.model is not None and not fnmatchcase(str(body.get("model")), self.match.model):
            return False
        if not self.match.metadata:
            return True
        metadata = body.get("metadata")
        values = metadata if isinstance(metadata, dict) else {}
        return all(re.search(regex, str(values.get(name, ""))) for name, regex in self.match.metadata.items())

    def turn(self, number: int) -> Turn | None:
        """The turn of that number from 0; None: past the end."""
        if number < len(self.turns):
            return self.turns[number]
        return self.turns[-1] if self.after == "repeat" and self.turns else None


class File(msgspec.Struct, forbid_unknown_fields=True):
    """What a scenario file may hold."""

    scenarios: tuple[Scenario, ...] = ()


@lru_cache(maxsize=8)
def read(texts: tuple[str, ...], max_iterations: int) -> tuple[Scenario, ...]:
    """Scenarios from YAML texts, their turns cut where a server-side loop pauses.

    Raises:
        ValueError: the text is no YAML, or a field is unknown or of the wrong type; the message says where.
    """
    found: list[Scenario] = []
    for text in texts:
        try:
            data: Any = YAML(typ="safe", pure=True).load(text)
            scenarios = msgspec.convert(data or {}, File).scenarios
        except (YAMLError, msgspec.ValidationError) as error:
            raise ValueError(f"scenarios: {error}") from error
        found += [
            msgspec.structs.replace(scenario, turns=tuple(_paused(scenario.turns, max_iterations)))
            for scenario in scenarios
        ]
    return tuple(found)


def _paused(turns: Iterable[Turn], max_iterations: int) -> Iterable[Turn]:
    """Each turn as the responses it takes: a `pause` step ends one, and so does the last iteration allowed."""
    for turn in turns:
        steps: list[Step] = []
        iterations = 0
        for position, step in enumerate(turn.steps):
            steps.append(step)
            iterations += step.kind in ENDS_ITERATION
            full = iterations == max_iterations and position + 1 < len(turn.steps)
            if full:
                steps.append(Step(pause=True))
            if full or step.pause:
                yield msgspec.structs.replace(turn, steps=tuple(steps), output_tokens=None)
                steps, iterations = [], 0
        if steps or not turn.steps:
            yield msgspec.structs.replace(turn, steps=tuple(steps))


def choose(scenarios: Sequence[Scenario], body: Json) -> tuple[Scenario, int] | None:
    """The scenario that answers a request, and the number of the turn that is due.

    User messages are looked at from the last to the first; the turn is the number of assistant messages after the one
    that matched, so that a conversation walks through its script without any memory on the server.
    """
    candidates = [scenario for scenario in scenarios if scenario.fits(body)]
    if not candidates:
        return None
    answered = 0
    for message in reversed(blocks_of(body.get("messages"))):
        if message.get("role") == "assistant":
            answered += 1
        elif message.get("role") == "user" and (text := user_text(message)):
            for scenario in candidates:
                if scenario.speaks_of_text and scenario.in_text(text):
                    return scenario, answered
    plain = next((scenario for scenario in candidates if not scenario.speaks_of_text), None)
    return None if plain is None else (plain, answered)


def user_text(message: Json) -> str:
    """The text blocks of a message, joined."""
    texts = (block.get("text") for block in blocks_of(message.get("content")) if block.get("type") == "text")
    return "\n".join(text for text in texts if isinstance(text, str))
