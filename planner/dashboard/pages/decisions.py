"""Decisions of any days: how each action ended and why, in whose requests, and what its policies are worth."""

from collections.abc import Iterable, Iterator
from datetime import UTC
from typing import Any, Final

from planner.core.ledger.modelled import shadows_by_model
from planner.core.ledger.rollup import (
    BATCH_REQUESTS,
    Amounts,
    DecisionModelKey,
    Key,
    Rollup,
    ShadowModelKey,
    cost_nano,
    saved_nano,
)
from planner.core.money import format_nano
from planner.core.reasons import Action, Outcome, Reason
from planner.core.reports.dimensions import tabulate
from planner.core.reports.figures import total
from planner.core.reports.holdout import Measured
from planner.core.reports.wording import several
from planner.dashboard.pages.explained import acts, meaning
from planner.dashboard.pages.policies import Decided, expected_nano, held_out, policies, requests, tried
from planner.dashboard.pages.requests import PAGE as LIST
from planner.dashboard.parameters import ACTION, PERIOD, WHERE
from planner.dashboard.room import Content, Figure, Page, Room
from planner.dashboard.tables import NONE, Chart, Column, Row, Table, shown
from planner.dashboard.view import AddressError, Period, View, months_before

BY: Final = ("day", "team", "model", "decision", "reason", "policy")
KINDS: Final = (Key, DecisionModelKey, ShadowModelKey)
ACTIONS: Final = {
    Action.BUNDLE: "Bundle", Action.VERSION: "Version", Action.CONTAINER: "Container", Action.WEB: "Web tools",
    Action.DENY: "Deny", Action.BUDGET: "Budget", Action.TAGS: "Tags", Action.ON_DISCONNECT: "On disconnect",
}  # fmt: skip
MONTHS_OFFERED: Final = 13


async def make(room: Room) -> Content:
    """The decisions of a period about one action."""
    view, period = room.view, room.view.period
    action = _action(view.one("action"))
    where = room.where
    sums = await room.days.sums(period.since, period.until, room.now.astimezone(UTC), KINDS)
    closing = None if period.month is None else await room.days.closing(period.month)
    told = sums if closing is None else closing.sums()
    decided, undecided = _decided(told, action, where)
    shadows = _shadows(told, action, where)
    measured: dict[str, Measured] = {}
    if closing is not None and action is Action.BUNDLE:
        measured = {each.policy: each for each in closing.holdouts}
    days = _by_day(decided)
    return Content(
        said={
            "period": period,
            "months": months_before(view.today, MONTHS_OFFERED),
            "empty": not decided and not shadows,
            "verdict": _verdict(action, decided),
            "tabs": tuple(_tabs(view, action)),
            "chips": tuple(_chips(view, where)),
            "chart": _chart(days),
            "closed": closing,
        },
        figures=tuple(_figures(decided, shadows)),
        tables=(
            _outcomes(view, period, action, decided, undecided),
            days,
            policies(action, decided, shadows, room.standing.rules.book.policies, measured),
            tried(action, shadows),
            held_out(decided, measured, closed=closing is not None),
            _teams(view, decided),
            _models(view, decided),
        ),
        as_of=room.days.as_of(period.since, period.until),
    )


FILTERS: Final = tuple(each for each in WHERE if each.name != ACTION.name)
PAGE = Page("decisions", "Decisions", make, takes=(*PERIOD, ACTION, *FILTERS))


def _action(word: str) -> Action:
    try:
        return Action(word or Action.BUNDLE)
    except ValueError as error:
        raise AddressError(f"nothing is decided of {word!r}. Take one of {', '.join(Action)}.") from error


def _decided(sums: Rollup, action: Action, where: dict[str, frozenset[str]]) -> tuple[list[Decided], int]:
    """What was decided, and how many requests there was nothing to decide of. Raises UncrossableError."""
    table = tabulate(sums, BY, where | {"action": frozenset({action.value})})
    found = [
        Decided(day, team, model, outcome, reason, policy, row.amounts)
        for row in table.rows
        for day, team, model, outcome, reason, policy in [row.values]
        if outcome
    ]
    decided = BY.index("decision")
    return found, sum(requests(row.amounts) for row in table.rows if not row.values[decided])


def _shadows(sums: Rollup, action: Action, where: dict[str, frozenset[str]]) -> dict[ShadowModelKey, Amounts]:
    """What policies in shadow would have decided."""

    def holds(key: ShadowModelKey) -> bool:
        words = {"organization": key.organization, "team": key.team, "policy": key.policy, "reason": key.reason}
        words |= {"decision": key.outcome, "model": key.model, "day": key.hour[:10], "month": key.hour[:7]}
        return key.action == action and all(words[name] in values for name, values in where.items())

    return {key: amounts for key, amounts in shadows_by_model(sums).items() if holds(key)}


def _outcomes(view: View, period: Period, action: Action, decided: list[Decided], undecided: int) -> Table:
    """How it ended and why, each leading to its requests."""
    found: dict[tuple[str, str], list[Amounts]] = {}
    for each in decided:
        found.setdefault((each.outcome, each.reason), []).append(each.amounts)
    sums = {key: total(each) for key, each in found.items()}
    whole = sum(map(requests, sums.values()))
    order = sorted(sums, key=lambda key: (-requests(sums[key]), *key))
    return Table(
        name="outcomes",
        title="How it was decided, and why",
        columns=(
            Column("outcome", "Outcome", "word"),
            Column("reason", "Reason", "word"),
            Column("requests", "Requests", "count"),
            Column("share", "Share", "share"),
            Column("batched", "In batches", "count"),
            Column("cost", "Cost", "usd"),
            Column("saved", "Saved, estimated", "usd"),
            Column("means", "That is", "long"),
        ),
        rows=tuple(
            Row(
                (
                    *key,
                    requests(sums[key]),
                    requests(sums[key]) / whole if whole else None,
                    sums[key].get(BATCH_REQUESTS, 0),
                    cost_nano(sums[key]),
                    saved_nano(sums[key]) if acts(*key) else None,
                    meaning(*key),
                ),
                link=_requests_link(view, period, action, *key),
            )
            for key in order
        ),
        note=" ".join(_outcomes_notes(action, undecided, sums.values())),
    )


def _outcomes_notes(action: Action, undecided: int, sums: Iterable[Amounts]) -> Iterator[str]:
    if undecided:
        yield f"{several(undecided, 'request')} had nothing to decide of {action}: they stand in no row."
    if any(BATCH_REQUESTS in each for each in sums):
        yield "A batch is one request; those in it are counted beside, each by what was decided of it."


def _requests_link(view: View, period: Period, action: Action, outcome: str, reason: str) -> str:
    """The address of requests that ended so, the newest of the period first."""
    before = None if view.today < period.until else period.until.isoformat()
    gone: dict[str, str | None] = dict.fromkeys(("period", "from", "to"))
    words: dict[str, str | None] = {"action": action, "decision": outcome, "reason": reason or NONE, "before": before}
    return view.link(LIST.name, **(gone | words))


def _teams(view: View, decided: list[Decided]) -> Table:
    """Whose requests."""
    found: dict[str, list[Decided]] = {}
    for each in decided:
        found.setdefault(each.team, []).append(each)
    rows = tuple(_part(team, mine, view.link(team=team)) for team, mine in found.items())
    return Table(name="teams", title="In whose requests", columns=_columns("team", "Team"), rows=_ordered(rows))


def _models(view: View, decided: list[Decided]) -> Table:
    """In requests to which models."""
    found: dict[str, list[Decided]] = {}
    for each in decided:
        found.setdefault(each.model, []).append(each)
    rows = tuple(_part(model, mine, view.link(model=model)) for model, mine in found.items())
    return Table(
        name="models",
        title="In requests to which models",
        columns=_columns("model", "Model"),
        rows=_ordered(rows),
        note=f"Under {NONE} stand requests without a model, and those of which an older planner kept no entry with one."
        if "" in found
        else "",
    )


def _columns(name: str, label: str) -> tuple[Column, ...]:
    return (
        Column(name, label),
        Column("requests", "Requests", "count"),
        Column("acted", "Changed", "count"),
        Column("share", "Share", "share"),
        Column("cost", "Cost", "usd"),
        Column("saved", "Saved, estimated", "usd"),
    )


def _part(name: str, mine: list[Decided], link: str) -> Row:
    """What was decided in one part of the requests."""
    changed, every = total(one.amounts for one in mine if one.acts), total(one.amounts for one in mine)
    number = requests(every)
    share = requests(changed) / number if number else None
    return Row((name, number, requests(changed), share, cost_nano(every), saved_nano(changed)), link=link)


def _ordered(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The largest part first."""
    return tuple(sorted(rows, key=lambda row: (-int(row.cells[1] or 0), str(row.cells[0]))))


def _by_day(decided: list[Decided]) -> Table:
    """Day by day how it was decided."""
    outcomes = [outcome for outcome in Outcome if any(each.outcome == outcome for each in decided)]
    days: dict[str, dict[str, int]] = {}
    for each in decided:
        day = days.setdefault(each.day, {})
        day[each.outcome] = day.get(each.outcome, 0) + requests(each.amounts)
    return Table(
        name="by-day",
        title="Requests by day and how it was decided",
        columns=(Column("day", "Day"), *(Column(outcome.value, outcome.value, "count") for outcome in outcomes)),
        rows=tuple(Row((day, *(each.get(outcome, 0) for outcome in outcomes))) for day, each in sorted(days.items())),
        note="Days are UTC, by when a request arrived.",
    )


def _chart(table: Table) -> Chart:
    names = tuple(column.name for column in table.columns[1:])
    said = "Requests of each day by how it was decided"
    return Chart(table=table, form="bar", along="day", series=names, stacked=True, said=said)


def _verdict(action: Action, decided: list[Decided]) -> str:
    """How often something was changed, and how most of the others ended."""
    whole = sum(requests(each.amounts) for each in decided)
    if not whole:
        return f"Nothing was decided of {ACTIONS[action].lower()} in these days."
    changed = sum(requests(each.amounts) for each in decided if each.acts)
    said = f"{ACTIONS[action]}: {changed:,} of {several(whole, 'request')} were changed."
    left: dict[tuple[str, str], int] = {}
    for each in decided:
        if not each.acts:
            left[each.outcome, each.reason] = left.get((each.outcome, each.reason), 0) + requests(each.amounts)
    if left:
        (outcome, reason), number = max(left.items(), key=lambda item: (item[1], item[0]))
        why = f"{outcome}, {reason}" if reason else outcome
        said += (
            f" Of the others the largest part, {number:,}, ended as {why}: {_in_a_sentence(meaning(outcome, reason))}"
        )
    return said


def _in_a_sentence(words: str) -> str:
    """Words that begin a sentence, behind a colon."""
    return words[:1].lower() + words[1:]


def _figures(decided: list[Decided], shadows: dict[ShadowModelKey, Amounts]) -> Iterator[Figure]:
    every = total(each.amounts for each in decided)
    changed = total(each.amounts for each in decided if each.acts)
    number, whole, saved = requests(changed), requests(every), saved_nano(changed)
    yield Figure(
        name="changed",
        label="Changed",
        shown=shown(number, "count"),
        exact=number,
        unit="count",
        basis="counted",
        note=f"of {several(whole, 'request')}",
    )
    expected = expected_nano(changed)
    yield Figure(
        name="saved",
        label="Saved by these" if saved >= 0 else "Spent by these",
        shown=shown(abs(saved), "usd"),
        exact=format_nano(saved),
        unit="usd",
        basis="estimated",
        note="estimated" if expected is None else f"{shown(expected, 'usd')} expected when decided",
    )
    would = expected_nano(total(shadows.values()))
    yield Figure(
        name="shadow_saved",
        label="In shadow would save" if would is None or would >= 0 else "In shadow would cost more",
        shown=shown(None if would is None else abs(would), "usd"),
        exact=None if would is None else format_nano(would),
        unit="usd",
        basis="expected",
        note=f"{several(sum(map(requests, shadows.values())), 'request')} seen by policies in shadow",
    )
    left = sum(requests(each.amounts) for each in decided if each.reason == Reason.HOLDOUT)
    yield Figure(
        name="held_out",
        label="Held out",
        shown=shown(left, "count"),
        exact=left,
        unit="count",
        basis="counted",
        note="left alone to test the saving",
    )


def _tabs(view: View, action: Action) -> Iterator[dict[str, Any]]:
    for each, label in ACTIONS.items():
        link = view.link(action=each.value, decision=None, reason=None, policy=None)
        yield {"label": label, "link": link, "here": each is action, "why": ""}


def _chips(view: View, where: dict[str, frozenset[str]]) -> Iterable[dict[str, str]]:
    """The filters in force, each with the address without it."""
    for name, values in where.items():
        for value in sorted(values):
            yield {"name": name, "value": value or NONE, "link": view.without(name, value)}
