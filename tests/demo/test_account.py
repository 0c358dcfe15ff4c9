"""The account joins ledger and bills by request and by agent, and judges them without mercy."""

import pytest

from planner.demo.account import Counted, Run, account, check
from planner.demo.agents import AGENTS
from tests.demo.rows import AGENT, BUNDLED, FRESH, KEPT, NOT_WORTH, THREADED, charge, entry, row

OTHER = AGENTS[1]


def test_ledger_and_bill_that_agree() -> None:
    """What responses tell is compared kind by kind; container time is added up apart."""
    entries = [
        entry("r1", lines={"input": 10, "output": 5, "code_execution": 400}),
        entry("r2", lines={"web_search": 7}),
        entry("file", lines={}),
    ]
    bill = [
        charge("r1", lines={"output": 5, "input": 10, "code_execution": 380}),
        charge("r2", lines={"web_search": 7, "allowance_credit": -1}),
    ]
    found = check(entries, bill)
    assert found.agrees
    assert (found.requests, found.differing) == (2, 0)
    assert (found.ledger_exact, found.bill_exact) == (22, 22)
    assert (found.ledger_time, found.bill_time) == (400, 379)


@pytest.mark.parametrize(
    ("ledger", "bill"),
    [
        ({"input": 10}, {"input": 11}),
        ({"input": 10, "output": 5}, {"input": 5, "output": 10}),
        ({"input": 10}, {"cache_read": 10}),
    ],
)
def test_one_kind_that_differs_is_seen(ledger: dict[str, int], bill: dict[str, int]) -> None:
    """Also where the sums are the same."""
    found = check([entry("r1", lines=ledger)], [charge("r1", lines=bill)])
    assert found.differing == 1
    assert not found.agrees


def test_a_request_that_one_side_lacks_differs() -> None:
    """A lost request is no agreement."""
    one = {"input": 10}
    assert check([entry("r1", lines=one)], []).differing == 1
    assert check([], [charge("r1", lines=one)]).differing == 1


def test_each_agent_gets_its_own_requests_and_bills() -> None:
    """By its name in the ledger, by its key on the bill; what is no message is left out."""
    entries = [
        entry("r1", lines={"input": 10}, decisions=(KEPT, NOT_WORTH, FRESH)),
        entry("r2", lines={"input": 20}, decisions=(KEPT, NOT_WORTH, THREADED), untouched_nano=50),
        entry("f1", lines={}, endpoint="files"),
        entry("r3", lines={"input": 5}, agent=OTHER, decisions=(KEPT, BUNDLED, FRESH), untouched_nano=None),
    ]
    bill = (
        charge("r1", lines={"input": 10}),
        charge("r2", lines={"input": 20}),
        charge("r3", lines={"input": 5}, agent=OTHER),
    )
    control = (charge("c1", lines={"input": 60}), charge("c2", lines={"input": 9}, agent=OTHER))
    anyway = (charge("a1", lines={"input": 70}),)
    told = account((AGENT, OTHER), entries, Run(bill, {}), Run(control, {OTHER.name: "No."}), Run(anyway, {}))
    first, second = told.rows
    assert (first.requests, first.billed, first.control, first.anyway, first.untouched) == (2, 30, 60, 70, 60)
    assert first.decisions == (Counted(KEPT, 2), Counted(NOT_WORTH, 2), Counted(FRESH, 1), Counted(THREADED, 1))
    assert (second.requests, second.billed, second.control, second.untouched) == (1, 5, 9, None)
    assert told.compared == (first,)
    assert told.check.agrees


def test_what_a_row_tells_of_itself() -> None:
    """Saved, bundled, edited, comparable."""
    assert row(KEPT, BUNDLED).bundled
    assert row(KEPT, BUNDLED).edited
    assert not row(KEPT, NOT_WORTH, THREADED).bundled
    assert row(KEPT, NOT_WORTH, THREADED).edited
    assert not row(KEPT, NOT_WORTH, FRESH).edited
    assert row(control=3, billed=5).saved == -2
    assert not row(stopped="No.").comparable
