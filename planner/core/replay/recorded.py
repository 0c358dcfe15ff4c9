"""The ledger as a trace: each entry that has a shape becomes a line, with digests where there was text.

Equal digests make equal texts, so that prefixes, profiles and conversations that were one stay one. A conversation goes
on where an entry names the answer that it goes on from, else where the last one that began alike stands.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Any, Final, TypeVar

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.ledger.shape import CUSTOM, OTHER, Shape, ToolShape
from planner.core.reasons import Action, Outcome
from planner.core.replay.trace import TraceLine, read_trace

BOUND: Final = 500_000
"""Answers, and beginnings of conversations, that are remembered: what goes on later from an older one is a stranger."""

K = TypeVar("K")
V = TypeVar("V")

PLACEHOLDER: Final = "…"

NOT_MESSAGES, DENIED, UNSETTLED, SHAPELESS = "not-messages", "denied", "no-usage", "no-shape"
SWITCHED_OFF, SUBSCRIPTION, UNUSABLE = "off", "subscription", "unusable"
CAUSES: Final = {
    NOT_MESSAGES: "of other endpoints",
    DENIED: "that a policy refused, of which nobody knows what they would have used",
    UNSETTLED: "of which nobody knows what they used",
    SHAPELESS: "without a shape: encoded bodies, or written by an older planner",
    SWITCHED_OFF: "of callers that switched planning off",
    SUBSCRIPTION: "paid by a subscription",
    UNUSABLE: "with counts that no trace may hold",
}
"""Why an entry is in no trace."""


class Talk(msgspec.Struct):
    """A conversation as the trace names it, and the turn that it has reached."""

    name: str
    turn: int


class Transcript:
    """Writes entries, in order of arrival, as lines of a trace; `left_out` counts the others by cause."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self._answers: OrderedDict[tuple[str, str], Talk] = OrderedDict()
        self._roots: OrderedDict[tuple[str, str], Talk] = OrderedDict()
        self._begun: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._forgotten = 0
        self._lines = 0

    def line(self, entry: Entry) -> dict[str, Any] | None:
        """The line of an entry, as JSON has it; None where it cannot be one."""
        cause = _unfit(entry)
        shape, tokens = entry.shape, entry.tokens
        if cause is not None or shape is None or tokens is None:
            self.left_out[cause or SHAPELESS] += 1
            return None
        talk = self._talk(entry.principal, shape)
        line: dict[str, Any] = {"at": entry.at, "principal": entry.principal}
        who = entry if shape.own is None else shape.own
        places = {"organization": entry.organization, "workspace": entry.workspace}
        claims = {"team": who.team, "project": who.project, "tags": who.tags or None}
        line |= {name: value for name, value in (places | claims).items() if value is not None}
        line |= {"conversation": talk.name, "turn": talk.turn, "body_bytes": shape.body_bytes}
        return line | {"request": body(entry.model, shape), "work": _work(entry, shape, tokens.output)}

    def trace_line(self, entry: Entry) -> TraceLine | None:
        """The line of an entry as a replay reads it, numbered from 0; None where it cannot be one."""
        line = self.line(entry)
        if line is None:
            return None
        (read,) = read_trace((msgspec.json.encode(line),))
        if not isinstance(read, TraceLine):
            self.left_out[UNUSABLE] += 1
            return None
        self._lines += 1
        return msgspec.structs.replace(read, number=self._lines - 1)

    def told(self) -> Iterator[str]:
        """What was left out, in words, the most first."""
        for cause, number in sorted(self.left_out.items(), key=lambda each: (-each[1], each[0])):
            yield f"{number:,} {CAUSES[cause]}"

    def _talk(self, principal: str, shape: Shape) -> Talk:
        """The conversation of an entry, one turn further."""
        root = (principal, shape.conversation)
        if shape.begins:
            talk = Talk(f"{shape.conversation}-{self._number(root)}", 1)
        else:
            known = None if shape.after is None else self._answers.get((principal, shape.after))
            talk = known or self._roots.get(root) or Talk(f"{shape.conversation}-0", 1)
            talk.turn += 1
        _put(self._roots, root, talk, BOUND)
        if shape.message is not None:
            _put(self._answers, (principal, shape.message), talk, BOUND)
        return talk

    def _number(self, root: tuple[str, str]) -> int:
        """The number of a conversation among those that begin alike; beyond all that were forgotten, so never twice."""
        number = self._begun.get(root, self._forgotten) + 1
        forgotten = _put(self._begun, root, number, BOUND)
        self._forgotten = max(self._forgotten, forgotten or 0)
        return number


def body(model: str | None, shape: Shape) -> dict[str, Any]:
    """A request that a replay reads as it would the one that was recorded."""
    found: dict[str, Any] = {} if model is None else {"model": model}
    if shape.max_tokens is not None:
        found["max_tokens"] = shape.max_tokens
    if shape.stream:
        found["stream"] = True
    tools = [tool for look in shape.tools for tool in _declared(look)]
    apart = bool(tools) and shape.system is not None
    if apart:  # a profile goes by the system prompt alone, a prefix by the tools as well
        tools[-1]["digest"] = shape.prefix
    found["system"] = shape.system if apart else shape.prefix
    if tools:
        found["tools"] = tools
    for name in ("speed", "inference_geo"):
        if (value := getattr(shape, name)) is not None:
            found[name] = value
    if shape.tool_choice is not None:
        found["tool_choice"] = {"type": shape.tool_choice}
    if (container := _container(shape)) is not None:
        found["container"] = container
    if shape.thread:
        found["thread"] = {"type": "continue", "previous_message_id": shape.after or PLACEHOLDER}
    return found | {"messages": _messages(shape)}


def _container(shape: Shape) -> str | dict[str, Any] | None:
    """The container that the caller named, by its digest, and as many skills."""
    if not shape.skills:
        return shape.container
    named = {} if shape.container is None else {"id": shape.container}
    return named | {"skills": [{}] * shape.skills}


def _declared(look: ToolShape) -> Iterator[dict[str, Any]]:
    for number in range(look.count):
        tool: dict[str, Any] = {} if look.type == CUSTOM else {"type": look.type}
        family = look.type.rpartition("_")[0] or look.type
        tool["name"] = look.name or (f"{CUSTOM}_{number}" if look.type in {CUSTOM, OTHER} else family)
        if look.callers is not None:
            tool["allowed_callers"] = list(look.callers)
        if look.deferred:
            tool["defer_loading"] = True
        if look.max_uses is not None:
            tool["max_uses"] = look.max_uses
        yield tool


def _messages(shape: Shape) -> list[dict[str, Any]]:
    """Who has spoken, the files that were uploaded, and whether code waits for its call to be answered."""
    uploads = [{"type": "container_upload", "file_id": f"file_{number}"} for number in range(shape.files)]
    text = {"type": "text", "text": shape.conversation}
    first = {"role": "user", "content": [text, *uploads] if uploads else shape.conversation}
    if shape.begins:
        return [first]
    if not shape.pending:
        said = [] if shape.thread else [{"role": "assistant", "content": PLACEHOLDER}]
        return [first, *said, {"role": "user", "content": PLACEHOLDER}] if said else [first]
    waiting = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}}
    return [first, {"role": "assistant", "content": [waiting]}, {"role": "user", "content": PLACEHOLDER}]


def _work(entry: Entry, shape: Shape, output: int) -> dict[str, Any]:
    code = entry.code
    runs, seconds = (0, 0.0) if code is None else (code.runs, code.seconds.likely)
    if seconds and not runs:  # of an earlier answer's code, which ran on in this one
        runs = 1
    return {
        "prompt_tokens": shape.prompt_tokens,
        "cached_prefix_tokens": shape.cached_tokens,
        "cache_ttl": shape.cache_ttl,
        "output_tokens": output,
        "iterations": shape.iterations,
        "growth_tokens": shape.growth_tokens,
        "code_runs": runs,
        "code_seconds": seconds,
        "files": shape.files,
        "web_searches": shape.web_searches,
    }


def _unfit(entry: Entry) -> str | None:
    """Why an entry is in no trace."""
    if entry.endpoint != "messages":
        return NOT_MESSAGES
    if entry.mode == "off":
        return SWITCHED_OFF
    if any(line.basis == "notional" for line in entry.lines):
        return SUBSCRIPTION
    if any(each.action is Action.DENY and each.outcome is Outcome.APPLIED for each in entry.decisions):
        return DENIED
    if entry.tokens is None:
        return UNSETTLED
    return SHAPELESS if entry.shape is None else None


def _put(kept: OrderedDict[K, V], key: K, value: V, bound: int) -> V | None:
    """Put a value in as the newest; return the oldest, if it had to go."""
    kept[key] = value
    kept.move_to_end(key)
    return kept.popitem(last=False)[1] if len(kept) > bound else None
