"""One entry of the ledger as tables, from bytes in to what was sent: who asked, what for, what was decided and why."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from planner.core.conversations import ToolEdit
from planner.core.ledger.batched import Kind, Made
from planner.core.ledger.entry import Batch, Entry, Shadow
from planner.core.ledger.shape import Shape, ToolShape
from planner.core.reasons import Action, Outcome, Reason
from planner.core.reports.wording import several
from planner.dashboard.tables import NONE, UNKNOWN, Column, Row, Table

MODES: Final = {
    "plan": "Planned as the rules say",
    "observe": "Only observed: nothing new was decided",
    "off": "The caller switched planning off for it",
}
MOST_USAGE: Final = 200
"""Members of `usage` that are shown; an answer may hold anything."""
LONGEST_VALUE: Final = 200
OUTCOMES: Final[dict[str, str]] = {each.value: each.meaning for each in Outcome}
REASONS: Final[dict[str, str]] = {each.value: each.meaning for each in Reason}
AGAIN: Final = {
    "container": ": the API refused the container that we named, so it went once more without",
    "tools": ": the API refused the tools that we had changed, so it went once more as the caller wrote them",
}
PAIRS: Final = (Column("what", "What", "word"), Column("value", "Is", "long"))


def arrival(entry: Entry, conversation: str) -> Table:
    """When it came and from whom; `conversation` is the address of all requests of its conversation."""
    who: list[tuple[str, str]] = [
        ("Arrived", f"{datetime.fromisoformat(entry.at):%Y-%m-%d %H:%M:%S.%f} UTC"),
        ("Asked for", f"{entry.method} {entry.endpoint}".strip()),
        ("Who", entry.principal),
        ("Team", entry.team or NONE),
        ("Project", entry.project or NONE),
        ("Tags", ", ".join(f"{name}={value}" for name, value in sorted(entry.tags.items())) or NONE),
    ]
    own = None if entry.shape is None else entry.shape.own
    if own is not None:
        said = {"team": own.team, "project": own.project, **own.tags}
        words = ", ".join(f"{name}={value}" for name, value in said.items() if value) or "nothing"
        who.append(("Said of itself", f"{words}; a policy had it recorded as above"))
    who += [
        ("Organization", entry.organization or UNKNOWN),
        ("Workspace", entry.workspace or UNKNOWN),
        ("Counts in budgets of", _spender(entry)),
        ("Mode", MODES[entry.mode]),
    ]
    rows = [Row(pair) for pair in who]
    if entry.shape is not None:
        rows.append(Row(("Conversation", _conversation(entry.shape)), link=conversation))
    return Table(name="arrival", title="Who asked", columns=PAIRS, rows=tuple(rows))


def asked(entry: Entry) -> Table:
    """What was asked for, in types, counts and digests: nothing that anybody wrote is kept."""
    shape, made = entry.shape, None if entry.batch is None else entry.batch.made
    rows = [("Model", entry.model or UNKNOWN), ("Answered by", entry.served_model or UNKNOWN)]
    if made is not None:
        rows = [("A batch of", several(made.requests, "request"))]
        note = "What it is made of stands below, by kind. Prompts are never kept."
    elif shape is None:
        note = "Its shape was not kept: it was not read, or nothing is known of what it used."
    else:
        rows += [*_body(shape), *_prompt(shape), *_besides(shape)]
        note = "Types, counts and digests only: prompts are never kept."
    return Table(name="asked", title="What was asked", columns=PAIRS, rows=tuple(map(Row, rows)), note=note)


def decisions(entry: Entry) -> Table:
    """Every decision with what it means."""
    return Table(
        name="decisions",
        title="What was decided, and why",
        columns=(
            Column("action", "Of", "word"),
            Column("outcome", "Outcome", "word"),
            Column("reason", "Reason", "word"),
            Column("policy", "Policy", "word"),
            Column("means", "That is", "long"),
        ),
        rows=tuple(
            Row((each.action, each.outcome, each.reason or "", each.policy or "", meaning(each.outcome, each.reason)))
            for each in entry.decisions
        ),
        note="" if entry.decisions else "Nothing is decided of this endpoint: it went through as it came.",
        nothing="",
    )


def shadows(entry: Entry) -> Table:
    """What policies in shadow would have done, and what that was expected to cost."""
    return Table(
        name="shadows",
        title="What policies in shadow would have done",
        columns=(
            Column("policy", "Policy", "word"),
            Column("action", "Of", "word"),
            Column("outcome", "Outcome", "word"),
            Column("reason", "Reason", "word"),
            Column("untouched", "Untouched, expected", "usd"),
            Column("planned", "With it, expected", "usd"),
            Column("saved", "Would save", "usd"),
            Column("means", "That is", "long"),
        ),
        rows=tuple(map(_shadow, entry.shadows)),
        digits=6,
        note="Expected for what is left of the conversation, when this request was decided; nothing of it was done.",
    )


def sent(entry: Entry) -> Table:
    """What was changed, how often it was sent, how it ended and how long that took."""
    rows = [("Changed", text) for text in _edits(entry)] or [
        ("Changed", "Nothing: the caller's bytes went as they came")
    ]
    rows += [
        ("Sent", several(entry.attempts, "time") + AGAIN.get(entry.replayed or "", "")),
        ("Ended", f"{entry.outcome}" + ("" if entry.status is None else f", status {entry.status}")),
        ("Anthropic's request-id", entry.upstream_request_id or UNKNOWN),
    ]
    if entry.batch is not None:
        rows.append(("Batch", _batch(entry.batch)))
    if entry.latency is not None:
        first = entry.latency.first_byte
        rows += [
            ("Added by the planner", f"{entry.latency.overhead * 1000:,.1f} ms before it was sent"),
            ("First byte", UNKNOWN if first is None else f"after {first:,.3f} s"),
            ("End", f"after {entry.latency.total:,.3f} s"),
        ]
    return Table(name="sent", title="What was sent, and how it went", columns=PAIRS, rows=tuple(map(Row, rows)))


def kinds(made: Made) -> Table:
    """What a batch was made of: how many requests of each kind, what was decided for them, done to them, expected."""
    return Table(
        name="kinds",
        title="What the batch is made of",
        columns=(
            Column("requests", "Requests", "count"),
            Column("model", "Model", "word"),
            Column("decided", "Decided", "long"),
            Column("edit", "Changed in each", "long"),
            Column("code", "Code in it", "word"),
            Column("untouched", "Untouched, expected", "usd"),
            Column("planned", "With edits, expected", "usd"),
        ),
        rows=tuple(map(_kind, made.kinds)),
        digits=6,
        note="Requests that were decided and are priced alike stand in one row; what is expected is of all in it, at"
        " batch prices, where money was weighed. What they cost stands with their results.",
    )


def usage(entry: Entry) -> Table:
    """The usage as it came, member by member."""
    try:
        told: Any = msgspec.json.decode(entry.usage)
    except msgspec.DecodeError:
        told = None
    rows = list(_members(told, ""))
    return Table(
        name="usage",
        title="Usage as received",
        columns=(Column("member", "Member", "code"), Column("value", "Value", "word")),
        rows=tuple(map(Row, rows[:MOST_USAGE])),
        note="" if rows else "The answer told none.",
        nothing="",
    )


def acts(outcome: str, reason: str | None) -> bool:
    """Whether a decision changed the request: now, or as it was changed earlier in its conversation."""
    return outcome in (Outcome.APPLIED, Outcome.THREADED) or (outcome == Outcome.KEPT and reason == Reason.REPEATED)


def meaning(outcome: str, reason: str | None) -> str:
    """What an outcome and its reason mean, in the words of the documentation; of words that it lacks, nothing.

    That something was declined for a reason says no more than the reason.
    """
    if outcome == Outcome.DECLINED and reason in REASONS:
        return REASONS[reason]
    return " ".join(filter(None, (OUTCOMES.get(outcome), REASONS.get(reason or ""))))


def _spender(entry: Entry) -> str:
    named = msgspec.structs.asdict(entry.spender)
    return ", ".join(f"{field} {value}" for field, value in named.items() if value) or "nobody"


def _conversation(shape: Shape) -> str:
    if shape.begins:
        return f"{shape.conversation}, which begins with it"
    return f"{shape.conversation}, goes on{' in a message thread' if shape.thread else ''}"


def _body(shape: Shape) -> Iterator[tuple[str, str]]:
    yield "Body", f"{shape.body_bytes:,} bytes"
    for tool in shape.tools:
        yield "Tool", _tool(tool)
    if not shape.tools:
        yield "Tools", "none"
    if shape.tool_choice is not None:
        yield "Tool choice", shape.tool_choice
    if shape.max_tokens is not None:
        yield "max_tokens", f"{shape.max_tokens:,}"
    yield "Stream", "yes" if shape.stream else "no"


def _tool(tool: ToolShape) -> str:
    said = [tool.type if tool.count == 1 else f"{tool.count} of {tool.type}"]
    if tool.callers is not None:
        said.append(f"called by {' or '.join(tool.callers) or 'nobody'}")
    if tool.max_uses is not None:
        said.append(f"max_uses {tool.max_uses}")
    if tool.deferred:
        said.append("deferred")
    return ", ".join(said)


def _prompt(shape: Shape) -> Iterator[tuple[str, str]]:
    guess = " (estimated in part)" if shape.estimated else ""
    yield "Prompt", f"{shape.prompt_tokens:,} tokens in the first sampling iteration, without ours{guess}"
    cached = f"{shape.cached_tokens:,} of them before the last cache breakpoint, kept {shape.cache_ttl}"
    yield "Cached", cached if shape.cached_tokens else "no cache breakpoint held anything"
    growth = f", each adding {shape.growth_tokens:,} tokens" if shape.growth_tokens else ""
    yield "Iterations", f"{shape.iterations:,}{growth}"


def _besides(shape: Shape) -> Iterator[tuple[str, str]]:
    told = (
        ("Web searches", shape.web_searches and f"{shape.web_searches:,}"),
        ("Skills", shape.skills and f"{shape.skills:,}"),
        ("Files", shape.files and f"{shape.files:,}"),
        ("Container that it named", shape.container),
        ("Waited for in a container", shape.pending and "yes: a programmatic call was pending"),
        ("Speed", shape.speed),
        ("inference_geo", shape.inference_geo),
        ("System prompt", shape.system and f"digest {shape.system}"),
        ("Cached prefix", f"digest {shape.prefix}"),
    )
    return ((name, str(value)) for name, value in told if value)


def _shadow(each: Shadow) -> Row:
    expected = each.expected_nano
    money = (None, None, None)
    if expected is not None:
        planned = expected.planned if each.acts else expected.untouched
        money = (expected.untouched, planned, expected.untouched - planned)  # type: ignore[assignment]  # None or whole
    words = (each.policy, each.action, each.outcome, each.reason or "")
    return Row((*words, *money, meaning(each.outcome, each.reason)))


def _edits(entry: Entry) -> Iterator[str]:
    """What of the request was changed, by the decisions that change one."""
    done = {each.action: each for each in entry.decisions if acts(each.outcome, each.reason)}
    again = {
        action: " again, as earlier in the conversation" * (each.reason is Reason.REPEATED)
        for action, each in done.items()
    }
    if Action.BUNDLE in done:
        added = 0 if entry.shape is None else entry.shape.added_tokens
        size = f"; it is believed to add {added:,} tokens to each sampling iteration" if added else ""
        yield f"A web tool was put in that makes code free{again[Action.BUNDLE]}{size}"
    if Action.VERSION in done:
        yield f"The version of code execution was raised{again[Action.VERSION]}"
    if Action.CONTAINER in done:
        yield "The container of the conversation was named"
    if Action.WEB in done:
        yield f"Bounds were put on the caller's web tools{again[Action.WEB]}"


def _batch(batch: Batch) -> str:
    """Which batch, and what of it this request was about."""
    name = batch.id or "not made"
    if batch.made is not None:
        kinds_ = several(len(batch.made.kinds), "kind")
        return f"{name}: made of {several(batch.made.requests, 'request')} in {kinds_}"
    return f"{name}: {several(batch.results, 'result')}, {batch.settled_before:,} of them counted before"


def _kind(kind: Kind) -> Row:
    decided = ", ".join(
        f"{each.action} {each.outcome}" + (f": {each.reason}" if each.reason else "") for each in kind.decisions
    )
    code = "free" if kind.free else "billed, if any runs"
    return Row(
        (
            kind.requests,
            kind.model or UNKNOWN,
            decided or "nothing",
            _edit(kind.edit),
            code,
            kind.untouched_nano,
            kind.planned_nano,
        )
    )


def _edit(edit: ToolEdit) -> str:
    """What was done to the tools of a request."""
    done = [f"{each.declared} became {each.type}" for each in edit.retypes]
    if edit.append is not None:
        done.append(f"{edit.name} was put last" + (", which makes code free" if edit.free else ""))
    done += [f"{each.declared} was bounded: {', '.join(name for name, _ in each.members)}" for each in edit.limits]
    return "; ".join(done) or "nothing"


def _members(value: object, path: str) -> Iterator[tuple[str, str]]:
    """The members of a JSON value with their paths."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _members(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _members(each, f"{path}[{place}]")
    elif path:
        yield path, _short(value)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
