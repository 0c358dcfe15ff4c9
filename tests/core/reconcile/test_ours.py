"""The ledger of a month, as it is held against a bill: what belongs to it, and where each line stands."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from planner.core.ledger.entry import Entry
from planner.core.ledger.shape import Shape, ToolShape
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.reconcile.cells import CODE, Cell
from planner.core.reconcile.ours import Ours, cell_of, is_notional
from tests.doubles.billed import KNOWN, MONTH, ORGANIZATION, START, asks, bill, book, ledger, read

FIRST = ledger(asks()[:6])


def changed(entry: Entry, **changes: Any) -> Entry:
    """An entry with other fields."""
    return msgspec.structs.replace(entry, **changes)


def ours(*entries: Entry) -> Ours:
    """The ledger with these entries."""
    return read(entries, bill([]))


def test_amounts_are_those_of_the_entries() -> None:
    """Every line stands in a cell; the credit stands with the time that it takes back."""
    found = ours(*FIRST)
    assert sum(found.nano.values()) == sum(entry.cost_nano or 0 for entry in FIRST)
    assert {cell.day for cell in found.nano} == {"2026-11-01"}
    assert not any(cell.kind == "allowance_credit" for cell in found.nano)
    assert found.requests == len(FIRST)


@pytest.mark.parametrize(
    "changes",
    [
        {"at": "2026-12-01T00:00:00.000000+00:00"},
        {"organization": "org-2"},
        {"decisions": (Decision(Action.BUNDLE, Outcome.DECLINED, Reason.SUBSCRIPTION),)},
    ],
)
def test_what_is_on_another_bill_is_left_out(changes: dict[str, Any]) -> None:
    """Another month, another organization, and subscriptions."""
    assert ours(changed(FIRST[0], **changes)).nano == {}


def test_an_unknown_organization_counts() -> None:
    """Before the first answer nobody knew it, and leaving it out would look like lost money."""
    assert ours(changed(FIRST[0], organization=None)).nano != {}


def test_notional_lines_are_on_no_bill() -> None:
    """Neither are their entries."""
    line = Line("input", 1, "token", 5, "notional")
    assert is_notional(changed(FIRST[0], lines=(line,)))
    assert not is_notional(FIRST[0])


def test_what_arrived_after_the_reports_is_late() -> None:
    """It is in the amounts and once more under lag; its tokens are not compared."""
    known = START + timedelta(hours=9)
    own = Ours(MONTH, book().prices, known, organization=ORGANIZATION, per_iteration=False)
    for entry in FIRST:
        own.add(entry)
    late = [entry for entry in FIRST if entry.at >= known.isoformat(timespec="microseconds")]
    assert late
    assert sum(own.lag.values()) == sum(entry.cost_nano or 0 for entry in late)
    assert len(own.tokens) == len({(e.workspace, e.model) for e in FIRST if e not in late})


def test_requests_whose_end_nobody_saw_are_counted() -> None:
    """Those that the reports know of by then."""
    intent = changed(FIRST[0], outcome="unknown", lines=(), tokens=None, cost_nano=None)
    assert ours(intent).open == {("2026-11-01", "wrkspc_1"): 1}
    assert ours(changed(intent, at="2026-11-30T23:59:00.000000+00:00")).open == {("2026-11-30", "wrkspc_1"): 1}
    own = Ours(MONTH, book().prices, START, organization=None, per_iteration=False)
    own.add(intent)
    assert own.open == {}


def test_an_advisors_tokens_stand_under_its_own_model() -> None:
    """Usage names it; the entry's lines do not."""
    usage = {
        "input_tokens": 100,
        "output_tokens": 10,
        "iterations": [
            {"type": "message", "input_tokens": 100, "output_tokens": 10},
            {"type": "advisor_message", "model": "claude-sonnet-5", "input_tokens": 1_000, "output_tokens": 20},
        ],
    }
    raw = msgspec.Raw(msgspec.json.encode(usage))
    entry = changed(FIRST[0], usage=raw, lines=(), code=None)
    lines = (
        Line("input", 100, "token", 400_000, "measured"),
        Line("output", 10, "token", 200_000, "measured"),
        Line("input", 1_000, "token", 2_000_000, "measured"),
        Line("output", 20, "token", 200_000, "measured"),
    )
    found = ours(changed(entry, lines=lines))
    place = ("2026-11-01", "wrkspc_1")
    assert found.nano[Cell(*place, "input", "claude-sonnet-5")] == 2_000_000
    assert found.nano[Cell(*place, "input", "claude-opus-5-5")] == 400_000
    assert sum(found.nano.values()) == sum(line.nano for line in lines)
    assert {group.model for group in found.tokens} == {"claude-opus-5-5", "claude-sonnet-5"}


def test_web_tools_that_may_not_free_code_are_told_apart() -> None:
    """Direct callers, and tools that are deferred: by settings that nobody has confirmed."""
    direct = Shape(
        conversation="c",
        prefix="p",
        prompt_tokens=1,
        tools=(ToolShape(type="web_search_20260209", callers=("direct",), deferred=True),),
    )
    used = next(entry for entry in FIRST if entry.code is not None)
    (use,) = ours(changed(used, shape=direct)).uses
    assert (use.direct, use.deferred) == (True, True)
    (use,) = ours(used).uses
    assert (use.direct, use.deferred, use.history) == (False, False, False)


def test_a_cell_of_each_kind() -> None:
    """Tools have no model on the bill."""
    credit = Line("allowance_credit", "1", "second", -5, "estimated")
    assert cell_of(credit, "d", "w", "m", batch=True) == Cell("d", "w", CODE)
    assert cell_of(Line("web_search", 1, "use", 5, "measured"), "d", "w", "m", batch=True) == Cell(
        "d", "w", "web_search"
    )
    assert cell_of(Line("input", 1, "token", 5, "measured"), "d", "w", "m", batch=True).batch
    assert KNOWN > START
