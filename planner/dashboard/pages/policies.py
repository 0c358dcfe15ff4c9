"""What policies are worth: live ones by what came of it, those in shadow by what was expected; and hold-outs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from planner.core.ledger.rollup import Amounts, ShadowModelKey, cost_nano, saved_nano
from planner.core.reasons import Action, Outcome, Reason
from planner.core.reports.figures import divided, total
from planner.core.reports.holdout import FEWEST, UNFIT, Measured
from planner.core.reports.wording import several
from planner.dashboard.asked import PolicyTold
from planner.dashboard.pages.explained import acts, meaning
from planner.dashboard.tables import Column, Row, Table, shown
from planner.dashboard.told import Cell

SAID_BY: Final[Mapping[Action, str]] = {Action.VERSION: "tool_version"}
"""Members of `then` that are not called like their action."""
WORTH: Final = (Action.BUNDLE, Action.VERSION, Action.CONTAINER, Action.WEB)
"""Actions that change what a request costs."""
MODES: Final = {"enforce": "enforced", "shadow": "in shadow", "off": "off"}
BY_CLUSTERS: Final = (
    "Plain means differ by what was asked as well; a saving is measured by whole prefix-days, with bounds that hold in "
    "80 % of cases."
)
UNTESTED: Final = (
    "No policy of this action holds anything out (holdout: {percent: 5}): its saving is estimated, not tested."
)
GONE: Final = "not in force now"
BUDGET: Final = "a budget"


class Decided(msgspec.Struct, frozen=True):
    """What the sums have of one way in which an action ended on one day in one team, asked of one model.

    `reason` is empty without one, `model` where it is not known.
    """

    day: str
    team: str
    model: str
    outcome: str
    reason: str
    policy: str
    amounts: Amounts

    @property
    def acts(self) -> bool:
        """Whether requests were changed."""
        return acts(self.outcome, self.reason)


def requests(amounts: Mapping[str, int]) -> int:
    """How many."""
    return amounts.get("requests", 0)


def expected_nano(amounts: Mapping[str, int]) -> int | None:
    """What was expected to be saved when it was decided; None where no money was weighed."""
    if not amounts.get("expected_known", 0):
        return None
    return amounts.get("expected_untouched_nano", 0) - amounts.get("expected_planned_nano", 0)


def policies(
    action: Action,
    decided: Iterable[Decided],
    shadows: Mapping[ShadowModelKey, Amounts],
    book: Iterable[PolicyTold],
    holdouts: Mapping[str, Measured],
) -> Table:
    """Every policy that spoke of an action, and those in force that could have, live ones first."""
    told = {each.name: each for each in book}
    live: dict[str, list[Decided]] = {}
    for each in decided:
        if each.policy:
            live.setdefault(each.policy, []).append(each)
    tried: dict[str, list[ShadowModelKey]] = {}
    for key in shadows:
        tried.setdefault(key.policy, []).append(key)
    rows = [_live(action, name, each, told.get(name), holdouts.get(name)) for name, each in sorted(live.items())]
    rows += [_tried(name, [shadows[key] for key in keys], keys) for name, keys in sorted(tried.items())]
    rows += [
        Row((name, MODES[each.mode], 0, 0, None, None, None, 0, "no request of the period was a matter of it"))
        for name, each in told.items()
        if SAID_BY.get(action, action) in each.then and each.mode != "off" and name not in live | tried
    ]
    return Table(
        name="policies",
        title="What each policy is worth",
        columns=(
            Column("policy", "Policy", "word"),
            Column("mode", "Mode", "word"),
            Column("requests", "Requests", "count"),
            Column("acted", "Changed", "count"),
            Column("saved", "Saved, estimated", "usd"),
            Column("per_request", "A changed request", "usd", digits=6),
            Column("expected", "Expected to save", "usd"),
            Column("held_out", "Held out", "count"),
            Column("known", "How it is known", "long"),
        ),
        rows=tuple(rows),
        note="Saved is what its changed requests would have cost untouched, less what they cost. Where several actions"
        " changed a request, the saving stands under each of them, so those of different actions must not be added up.",
    )


def tried(action: Action, shadows: Mapping[ShadowModelKey, Amounts]) -> Table:
    """What policies in shadow would have done, by how it would have ended."""
    found: dict[tuple[str, str, str], list[Amounts]] = {}
    for key, amounts in shadows.items():
        found.setdefault((key.policy, key.outcome, key.reason), []).append(amounts)
    return Table(
        name="shadows",
        title="What policies in shadow would have done",
        columns=(
            Column("policy", "Policy", "word"),
            Column("outcome", "Would end", "word"),
            Column("reason", "Reason", "word"),
            Column("requests", "Requests", "count"),
            Column("weighed", "Money weighed of", "count"),
            Column("untouched", "Untouched, expected", "usd"),
            Column("planned", "With it, expected", "usd"),
            Column("saved", "Would save", "usd"),
            Column("means", "That is", "long"),
        ),
        rows=tuple(_would(*key, total(each)) for key, each in sorted(found.items())),
        note=f"No policy in shadow speaks of {action}: one with mode: shadow would be told here, beside what is done."
        if not found
        else "Expected of the conversation, when its request was decided; nothing of it was done.",
    )


def held_out(decided: Iterable[Decided], holdouts: Mapping[str, Measured], *, closed: bool) -> Table:
    """Requests that were left alone to test a saving, beside those of the same policy that were not."""
    arms: dict[str, tuple[list[Amounts], list[Amounts]]] = {}
    for each in decided:
        if each.policy and (each.outcome != Outcome.DECLINED or (each.reason or None) not in UNFIT):
            arms.setdefault(each.policy, ([], []))[each.reason == Reason.HOLDOUT].append(each.amounts)
    rows = []
    for policy, (treated, left) in sorted(arms.items()):
        if left:
            measured = _measured(holdouts.get(policy), closed=closed)
            rows.append(Row((policy, *_arm(total(left)), *_arm(total(treated)), *measured)))
    return Table(
        name="holdouts",
        title="Hold-outs",
        columns=(
            Column("policy", "Policy", "word"),
            Column("held_out", "Held out", "count"),
            Column("held_out_cost", "Each cost", "usd", digits=6),
            Column("treated", "Not held out", "count"),
            Column("treated_cost", "Each cost", "usd", digits=6),
            Column("saved", "A request saved", "usd", digits=6),
            Column("low", "At least", "usd", digits=6),
            Column("high", "At most", "usd", digits=6),
            Column("known", "How it is known", "long"),
        ),
        rows=tuple(rows),
        note=BY_CLUSTERS if rows else UNTESTED,
    )


def _live(action: Action, name: str, each: list[Decided], told: PolicyTold | None, measured: Measured | None) -> Row:
    """A policy that decides, by what came of it."""
    changed, every = total(one.amounts for one in each if one.acts), total(one.amounts for one in each)
    left = total(one.amounts for one in each if one.reason == Reason.HOLDOUT)
    mode = GONE if told is None else MODES[told.mode]
    if action is Action.BUDGET:
        mode = BUDGET
    number, known = requests(changed), changed.get("untouched_known", 0)
    saved = saved_nano(changed) if action in WORTH and known else None
    per = divided(saved, known) if saved is not None else None
    cells = (name, mode, requests(every), number, saved, per, expected_nano(changed), requests(left))
    return Row((*cells, _known(action, number, known, measured)))


def _known(action: Action, changed: int, known: int, measured: Measured | None) -> str:
    if action not in WORTH:
        return "counted: it changes no cost by itself"
    if not changed:
        return "it changed nothing"
    said = f"estimated: {known:,} of {several(changed, 'request')} priced without the change"
    if measured is None:
        return said
    if measured.saved_nano is None or measured.low is None or measured.high is None:
        return f"{said}; its hold-out is too small yet"
    low, high = (shown(round(value), "usd", 6) for value in (measured.low, measured.high))
    return f"{said}; held out, a request saved {low} to {high}"


def _tried(name: str, amounts: list[Amounts], keys: list[ShadowModelKey]) -> Row:
    """A policy in shadow, by what was expected."""
    would = [each for key, each in zip(keys, amounts, strict=True) if acts(key.outcome, key.reason)]
    every = total(amounts)
    weighed = every.get("expected_known", 0)
    known = f"expected: money was weighed of {several(weighed, 'request')}, nothing was done"
    if not weighed:
        known = "counted: no money was weighed, nothing was done"
    return Row(
        (name, MODES["shadow"], requests(every), requests(total(would)), None, None, expected_nano(every), 0, known)
    )


def _would(policy: str, outcome: str, reason: str, amounts: Amounts) -> Row:
    saved = expected_nano(amounts)
    weighed = amounts.get("expected_known", 0)
    sides: tuple[Cell, Cell] = (None, None)
    if weighed:
        sides = (amounts.get("expected_untouched_nano", 0), amounts.get("expected_planned_nano", 0))
    words = meaning(outcome, reason)
    return Row((policy, outcome, reason, requests(amounts), weighed, *sides, saved, words))


def _arm(amounts: Amounts) -> tuple[Cell, Cell]:
    number = requests(amounts)
    return number, divided(cost_nano(amounts), number) if number else None


def _measured(measured: Measured | None, *, closed: bool) -> Iterator[Cell]:
    if measured is None:
        yield from (None, None, None)
        yield "the closing has none of it" if closed else "measured by planner report, and when the month is closed"
        return
    arms = f"{measured.treated:,} prefix-days against {measured.held_out:,}"
    if measured.saved_nano is None or measured.low is None or measured.high is None:
        yield from (None, None, None)
        yield f"not yet measurable: {FEWEST} prefix-days each are needed ({arms})"
        return
    yield from (round(measured.saved_nano), round(measured.low), round(measured.high))
    yield f"measured when the month was closed: {arms}"
