"""What a plan rests on, with the source and the age of each number: priors, measurements, counts, traffic, settings."""

from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any, Final

import msgspec

from planner.core.conversations import ToolEdit
from planner.core.facts import Facts
from planner.core.learning.learnt import Estimate
from planner.core.learning.learnt import Learnt as Habits
from planner.core.learning.sizes import Combination, LearntSize, Size, Sizes, combination
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.catalog import TAIL, Prior
from planner.core.wire import MessagesRequest

OVERRIDDEN: Final = "--set"
PRIOR: Final = "prior of the catalog"
COUNTED: Final = "counted by the API with count_tokens"
SETTINGS_SHOWN: Final = ("code.", "free_hours.", "decision.", "cache.", "haiku55_tier_on", "tool_tokens.")
HABITS: Final = {
    "code": "share of its requests that run code",
    "seconds": "seconds of execution in a request that does",
    "billed": "container seconds that a request bills, or would if its code were not free",
    "samples": "sampling iterations of a request",
    "cached": "share of requests that could be cached and were",
    "share": "part of a prompt that lies in the cache",
    "cold": "share of requests that find the cache cold",
    "turns": "requests of a conversation",
    "conversations": "conversations that begin on a warm prefix before it goes cold",
    "futile": "calls of an added tool that reach nothing, in a request that has one",
}
ADDS: Final = "input tokens that this edit adds to each iteration"


class Believed(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity as it is believed: 80 % of cases lie from `low` to `high`; `mark` says how sure its source is.

    `at` is how old the number is, RFC 3339, and `age_days` likewise in days; None for what carries no date.
    """

    name: str
    low: float
    likely: float
    high: float
    mark: str
    source: str
    means: str
    at: str | None = None
    age_days: int | None = None


class Set(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that the plan rests on."""

    name: str
    value: Any
    mark: str
    source: str
    means: str


def beliefs(request: MessagesRequest, edit: ToolEdit, facts: Facts, book: RuleBook) -> Iterator[Believed]:
    """The quantities that expectations rest on: of edits, the one that is made and those that are known of such tools.

    Of tools, those that are declared or would be added; of the agent, what its requests have shown, before the priors
    that this is held together with.
    """
    yield from _edits(request, edit, facts.now, book, facts.sizes or Sizes())
    yield from _tools(request, facts.now, book)
    yield from _habits(facts.learnt, facts.now)
    priors = book.catalog.priors
    for name in type(priors).__struct_fields__:
        prior = getattr(priors, name)
        if isinstance(prior, Prior):
            yield Believed(
                name=name,
                low=prior.low,
                likely=prior.likely,
                high=prior.high,
                mark=prior.mark,
                source=PRIOR,
                means=prior.means,
            )


def _edits(request: MessagesRequest, edit: ToolEdit, now: datetime, book: RuleBook, sizes: Sizes) -> Iterator[Believed]:
    asked = combination(request.model or "", request.tools, edit)
    keys = [asked] if edit.adds else []
    known = [each.key for each in sizes.snapshot() if isinstance(each, LearntSize)]
    keys += [key for key in known if (key.model, key.declared) == (asked.model, asked.declared) and key not in keys]
    for key in keys:
        made = ToolEdit(retypes=key.retypes, append=key.append)
        size = sizes.of(key, made, book)
        mark, source = _source(key, size, book, sizes.measured(key))
        yield Believed(
            name=f"edit_tokens.{_named(key)}",
            low=round(size.interval.low, 1),
            likely=round(size.interval.likely, 1),
            high=round(size.interval.high, 1),
            mark=mark,
            source=source,
            means=ADDS,
            at=_text(size.at),
            age_days=_age(size.at, now),
        )


def _habits(learnt: Habits, now: datetime) -> Iterator[Believed]:
    """What an agent's requests have shown; the prior's part is left out of the numbers, and said."""
    for name, means in HABITS.items():
        found: Estimate = getattr(learnt, name)
        own = 1 - found.rest
        if own <= 0:
            continue
        middle, spread = found.own / own, found.spread / own * TAIL
        yield Believed(
            name=f"learnt.{name}",
            low=round(max(middle - spread, 0.0), 3),
            likely=round(middle, 3),
            high=round(middle + spread, 3),
            mark="?",
            source=f"learnt from {round(learnt.requests)} requests, weighs {own:.0%} beside the prior",
            means=means,
            at=_text(learnt.seen),
            age_days=_age(learnt.seen, now),
        )


def _source(key: Combination, size: Size, book: RuleBook, measured: int) -> tuple[str, str]:
    """The mark of a size, and where it is from."""
    match size.source:
        case "count_tokens":
            return "A", COUNTED
        case "traffic":
            return "?", f"learnt from {measured} requests, held together with the catalog's prior"
        case "settings":
            types = {f"tool_tokens.{each}" for each in _types(key)}
            row = next((row for row in book.setting_rows if row.key in types), None)
            return ("?", "measured") if row is None else (row.mark, f"measured: {row.source}")
        case "catalog":
            return "?", PRIOR


def _tools(request: MessagesRequest, now: datetime, book: RuleBook) -> Iterator[Believed]:
    priors = book.catalog.priors
    templates = {template.type for template in book.catalog.templates if not template.live}
    types = {tool.type for tool in request.tools} | templates
    rows = {row.key: row for row in book.setting_rows}
    for type_, prior in priors.tool_tokens.items():
        if type_ in types:
            row = rows.get(f"tool_tokens.{type_}")
            interval = book.tool_tokens(type_) or prior.interval
            checked = None if row is None else datetime.combine(row.checked, time(), UTC)
            yield Believed(
                name=f"tool_tokens.{type_}",
                low=interval.low,
                likely=interval.likely,
                high=interval.high,
                mark=prior.mark if row is None else row.mark,
                source=PRIOR if row is None else f"measured: {row.source}",
                means=prior.means or "input tokens that the declared tool adds to each iteration",
                at=_text(checked),
                age_days=_age(checked, now),
            )


def settings_shown(book: RuleBook) -> Iterator[Set]:
    """The settings that a plan rests on, with their sources."""
    for row in book.setting_rows:
        if row.key.startswith(SETTINGS_SHOWN):
            source = OVERRIDDEN if row.overridden else row.source
            yield Set(name=row.key, value=row.value, mark=row.mark, source=source, means=row.means)


def _types(key: Combination) -> tuple[str, ...]:
    """The types that an edit brings."""
    added = () if key.append is None else (str(msgspec.json.decode(key.append)["type"]),)
    return (*(retype.type for retype in key.retypes), *added)


def _named(key: Combination) -> str:
    """An edit in a word: `old>new` for a tool that is raised, the type alone for one that is added."""
    raised = [f"{retype.declared}>{retype.type}" for retype in key.retypes]
    return "+".join([*raised, *_types(key)[len(raised) :]])


def _age(at: datetime | None, now: datetime) -> int | None:
    return None if at is None else max((now - at).days, 0)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")
