"""What sums can be told by, and which of that can be told together: a wrong question gets a sentence, not a number.

Sums are kept three times: by everything that is told of a request itself, by tag, and by decision. What stands in one
of them can be crossed at will; tags share with the others no more than time, organization and team, and decisions the
model as well.

A request has one value of each dimension, so that rows add up to the whole. Two do not add up, and say so: `tag` has a
row for each tag of a request, and without an action each decision a row of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from planner.core.ledger.modelled import PLAIN, decisions_by_model
from planner.core.ledger.rollup import (
    KINDS,
    Amounts,
    DecisionKey,
    DecisionModelKey,
    K,
    Key,
    Rollup,
    TagKey,
    add,
    cost_nano,
)

Get = Callable[[Any], str]
TIMES: Final[dict[str, Get]] = {"month": lambda key: key.hour[:7], "day": lambda key: key.hour[:10]}
COMMON: Final[dict[str, Get]] = {**TIMES, "organization": lambda key: key.organization, "team": lambda key: key.team}
"""What every sum is told by."""

OF_REQUESTS: Final[dict[str, Get]] = {
    **COMMON,
    "workspace": lambda key: key.workspace,
    "project": lambda key: key.project,
    "principal": lambda key: key.principal,
    "model": lambda key: key.model,
    "endpoint": lambda key: key.endpoint,
    "outcome": lambda key: key.outcome,
}
MODEL: Final = "model"
"""Of requests and of decisions; not of tags."""
PLACE: Final = ("hour", "organization", "team")
"""What the keys of all sums have in common."""
OF_DECISIONS: Final[dict[str, Get]] = {
    "action": lambda key: key.action,
    "decision": lambda key: key.outcome,
    "reason": lambda key: key.reason,
    "policy": lambda key: key.policy,
}
TAG: Final = "tag"
ONE_TAG: Final = "tags."
"""`tag` is every tag, as `feature=search`; `tags.feature` the values of one."""

NAMES: Final = (*OF_REQUESTS, TAG, f"{ONE_TAG}KEY", *OF_DECISIONS)


class UncrossableError(ValueError):
    """These dimensions cannot be told together, or one is unknown; the message says why, and what to do."""


class Row(NamedTuple):
    """The values of the dimensions asked for, in their order, and what stands there."""

    values: tuple[str, ...]
    amounts: Amounts


class Table(msgspec.Struct, frozen=True):
    """Rows by `by`; `whole` is the sum of what was asked for, each request once.

    `overlaps` says in a sentence why rows do not add up to it; None where they do.
    """

    by: tuple[str, ...]
    rows: tuple[Row, ...]
    whole: Amounts
    overlaps: str | None = None


class _Fact(NamedTuple):
    """One cell with whatever it is told by."""

    key: Any
    amounts: Amounts


Grain = Mapping[type[Any], frozenset[str]]
"""Which parts of a key are told apart, by the kind of key; sums of a kind that is not there are not needed at all."""

WHOLE: Final[Grain] = {kind: frozenset(kind._fields) for kind in (*PLAIN, *KINDS)}
"""Everything, as the ledger keeps it; what is told by model is read first, so that the rest is not behind."""

Where = Mapping[str, frozenset[str]]
"""Which values of a dimension count; of several dimensions, all must."""


def tabulate(sums: Rollup, by: Sequence[str], where: Where) -> Table:
    """Sums by some dimensions, of what has certain values. Raises UncrossableError.

    Rows stand in the order of time where that is asked for, else the dearest first.
    """
    by = tuple(dict.fromkeys(by))
    asked = tuple(dict.fromkeys((*by, *where)))
    _known(asked)
    decisions = [name for name in asked if name in OF_DECISIONS]
    tags = [name for name in asked if name == TAG or name.startswith(ONE_TAG)]
    _crossable(asked, decisions, tags)
    if decisions:
        return _by_decision(sums, by, where)
    if tags:
        return _by_tag(sums, by, where, tags[0])
    facts = [_Fact(key, amounts) for key, amounts in sums.requests.items()]
    return _table(facts, by, where, OF_REQUESTS)


def grain(by: Sequence[str], where: Where) -> Grain:
    """How finely sums have to be told apart for `tabulate`; hours, organizations and teams always are.

    Of decisions nobody asked for, what remains is whether any was held out.
    """
    asked, shared = {*by, *where}, {"hour", "organization", "team"}
    found: dict[type[Any], frozenset[str]] = {Key: frozenset(shared | (asked & set(Key._fields)))}
    if any(name == TAG or name.startswith(ONE_TAG) for name in asked):
        found[TagKey] = WHOLE[TagKey]
    if MODEL in asked and asked & OF_DECISIONS.keys():
        found[DecisionModelKey] = WHOLE[DecisionModelKey]  # before those without, which then are not behind
    found[DecisionKey] = WHOLE[DecisionKey] if asked & OF_DECISIONS.keys() else frozenset({*shared, "reason"})
    return found


def coarse(key: K, fields: frozenset[str]) -> K:
    """A key of which only these are told; others are empty."""
    words = (word if name in fields else "" for name, word in zip(key._fields, key, strict=True))
    return type(key)(*words)


def common(where: Where) -> bool:
    """Whether a choice is of organizations alone, so that what belongs to an organization as a whole can be told."""
    return set(where) <= {"organization"}


def between(sums: Rollup, since: str, until: str) -> Rollup:
    """Those of hours from a moment on and before another (RFC 3339 UTC, as in the ledger)."""
    return Rollup.made(
        lambda kind: {key: amounts for key, amounts in sums.of(kind).items() if since <= key.hour < until}
    )


def holds(key: Key, where: Where) -> bool:
    """Whether a cell of requests is asked for; a dimension that such cells do not have asks nothing of them."""
    return all(OF_REQUESTS[name](key) in values for name, values in where.items() if name in OF_REQUESTS)


def _known(asked: Iterable[str]) -> None:
    for name in asked:
        one_tag = name.startswith(ONE_TAG) and len(name) > len(ONE_TAG)
        if name not in OF_REQUESTS and name not in OF_DECISIONS and name != TAG and not one_tag:
            raise UncrossableError(f"nothing is told by {name!r}. Take some of {', '.join(NAMES)}.")


def _crossable(asked: Sequence[str], decisions: Sequence[str], tags: Sequence[str]) -> None:
    if decisions and tags:
        raise UncrossableError(
            f"{tags[0]} cannot be crossed with {decisions[0]}: sums are kept by tag and by decision, not by both. "
            "Ask twice, or count the lines of planner export."
        )
    if len(tags) > 1:
        raise UncrossableError(
            f"{tags[0]} cannot be crossed with {tags[1]}: sums are kept for one tag at a time. "
            "Ask twice, or count the lines of planner export."
        )
    shared = {**COMMON, MODEL: ""} if decisions else COMMON
    strange = [name for name in asked if name not in shared and name not in decisions and name not in tags]
    special = [*decisions, *tags]
    if special and strange:
        raise UncrossableError(
            f"{special[0]} cannot be crossed with {strange[0]}: sums by {'decision' if decisions else 'tag'} are told "
            f"by {', '.join(shared)} and no more. Ask twice, or count the lines of planner export."
        )


def _by_decision(sums: Rollup, by: tuple[str, ...], where: Where) -> Table:
    """One action: each request once, with what has no such decision; several: each action for itself."""
    actions = where.get("action", frozenset())
    modelled = MODEL in by or MODEL in where
    getters = COMMON | OF_DECISIONS | ({MODEL: OF_REQUESTS[MODEL]} if modelled else {})
    cells: Mapping[Any, Amounts] = decisions_by_model(sums) if modelled else sums.decisions
    if len(actions) == 1:
        (action,) = actions
        mine = {key: amounts for key, amounts in cells.items() if key.action == action}
        facts = [_Fact(key, amounts) for key, amounts in mine.items()]
        if modelled:
            rest = _placed(dict(_rest(sums.requests, mine, (*PLACE, MODEL))))
            facts += [_Fact(DecisionModelKey._make((*place, action, "", "", "")), left) for place, left in rest.items()]
        else:
            left_over = _rest(sums.requests, mine, PLACE)
            facts += [_Fact(DecisionKey._make((*place, action, "", "", "")), left) for place, left in left_over]
        return _table(facts, by, where, getters)
    narrowed = [name for name in where if name in OF_DECISIONS and name != "action"]
    if narrowed or actions:
        raise UncrossableError(
            f"a request has a decision for each action, so --where {narrowed[0] if narrowed else 'action'}=… could "
            "count it more than once. Say which one action: --where action=bundle."
        )
    by = by if "action" in by else ("action", *by)
    facts = [_Fact(key, amounts) for key, amounts in cells.items()]
    table = _table(facts, by, where, getters)
    return msgspec.structs.replace(
        table,
        whole=_whole(sums, where),
        overlaps="A request stands in a row for each action that was decided, so rows do not add up to the total.",
    )


def _by_tag(sums: Rollup, by: tuple[str, ...], where: Where, tag: str) -> Table:
    """One tag: each request once, with what lacks it; all: a request in a row for each of its tags."""
    if tag == TAG:
        if TAG in where:
            raise UncrossableError("--where tag=… is not understood. Name the tag: --where tags.feature=search.")
        facts = [_Fact(key, amounts) for key, amounts in sums.tags.items()]
        table = _table(facts, by, where, COMMON | {TAG: lambda key: f"{key.tag}={key.value}"})
        return msgspec.structs.replace(
            table,
            whole=_whole(sums, where),
            overlaps="A request stands in a row for each of its tags, so rows do not add up to the total.",
        )
    name = tag.removeprefix(ONE_TAG)
    mine = {key: amounts for key, amounts in sums.tags.items() if key.tag == name}
    facts = [_Fact(key, amounts) for key, amounts in mine.items()]
    facts += [_Fact(TagKey._make((*place, name, "")), amounts) for place, amounts in _rest(sums.requests, mine, PLACE)]
    return _table(facts, by, where, COMMON | {tag: lambda key: key.value})


def _rest(
    requests: Mapping[Key, Amounts], taken: Mapping[Any, Amounts], names: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Amounts]]:
    """What is left of all requests, by some parts of their keys, when those of other cells are taken away."""
    place = attrgetter(*names)
    left: dict[tuple[str, ...], Amounts] = {}
    for key, amounts in requests.items():
        add(left.setdefault(place(key), {}), amounts)
    for other, amounts in taken.items():
        add(left.setdefault(place(other), {}), {name: -amount for name, amount in amounts.items()})
    yield from ((place, amounts) for place, amounts in left.items() if amounts)


def _placed(rest: Mapping[tuple[str, ...], Amounts]) -> dict[tuple[str, ...], Amounts]:
    """What is left by model; where decisions are known of no model, though their requests have one, by none at all."""
    blind = {key[:-1] for key, amounts in rest.items() if not key[-1] and amounts.get("requests", 0) < 0}
    found: dict[tuple[str, ...], Amounts] = {}
    for key, amounts in rest.items():
        add(found.setdefault((*key[:-1], "") if key[:-1] in blind else key, {}), amounts)
    return {key: amounts for key, amounts in found.items() if amounts}


def _whole(sums: Rollup, where: Where) -> Amounts:
    whole: Amounts = {}
    for key, amounts in sums.requests.items():
        if holds(key, where):
            add(whole, amounts)
    return whole


def _table(facts: Iterable[_Fact], by: tuple[str, ...], where: Where, getters: Mapping[str, Get]) -> Table:
    rows: dict[tuple[str, ...], Amounts] = {}
    wanted = [(getters[name], values) for name, values in where.items()]
    told = [getters[name] for name in by]
    for fact in facts:
        if all(get(fact.key) in values for get, values in wanted):
            add(rows.setdefault(tuple(get(fact.key) for get in told), {}), fact.amounts)
    whole: Amounts = {}
    for amounts in rows.values():  # each fact is in one row, and rows are far fewer
        add(whole, amounts)
    found = (Row(values, amounts) for values, amounts in rows.items() if amounts)
    return Table(by, tuple(sorted(found, key=lambda row: _order(by, row))), whole)


def _order(by: tuple[str, ...], row: Row) -> tuple[tuple[str, ...], int, tuple[str, ...]]:
    """Time first, then what is dearest, then by name."""
    times = tuple(value for name, value in zip(by, row.values, strict=True) if name in TIMES)
    return times, -cost_nano(row.amounts), row.values
