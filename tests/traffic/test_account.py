"""The account says why bill and ledger differ, and leaves nothing over."""

from typing import Any

import msgspec

from planner.core.ledger.entry import Code, Digests, Entry, Seconds
from planner.core.pricing.prices import Line
from planner.traffic.account import ESTIMATED, FREE_HOURS, LOST, ROUNDED, UNEXPLAINED, Account, amounts


def entry(hours_ms: int = 0, **kinds: int) -> Entry:
    """A request that cost so many nano-dollars by kind."""
    lines = tuple(Line(kind, 1, "unit", nano, "measured") for kind, nano in kinds.items())
    code = Code(1, Seconds(0.0, 1.0, 2.0), "billed", hours_ms, hours_ms) if hours_ms else None
    fields: dict[str, Any] = {"organization": "o", "workspace": "w", "team": "t"}
    return Entry(
        request_id="r",
        at="2026-10-03T12:00:00.000000+00:00",
        principal="p",
        endpoint="messages",
        method="POST",
        mode="plan",
        outcome="ok",
        lines=lines,
        code=code,
        digests=Digests("r", "p"),
        **fields,
    )


def caused(written: Entry, billed: dict[str, int], hours_ms: int = 0, cause: str | None = None) -> dict[str, int]:
    """What each cause explains of one request."""
    account = Account()
    account.add((written,), billed, hours_ms, cause)
    assert bool(account.unbalanced()) == (UNEXPLAINED in account.causes)
    return {each: account.explained(each) for each in account.causes}


def test_equal_amounts_need_no_cause() -> None:
    """Not even where one was at hand."""
    assert caused(entry(input=5, output=7), {"input": 5, "output": 7}) == {}
    assert caused(entry(input=5), {"input": 5}, cause=LOST) == {}


def test_a_difference_in_tokens_is_explained_by_nothing_but_the_end_of_its_request() -> None:
    """Else it is one that nobody can explain."""
    assert caused(entry(input=5), {"input": 6}) == {UNEXPLAINED: 1}
    assert caused(entry(input=5), {"input": 6}, cause=LOST) == {LOST: 1}
    assert caused(entry(), {"input": 6}) == {UNEXPLAINED: 6}
    assert caused(entry(web_search=6), {}) == {UNEXPLAINED: -6}


def test_container_time_differs_for_one_of_three_reasons() -> None:
    """Another time, the last free hour, a rounding."""
    assert caused(entry(300_000, code_execution=50), {"code_execution": 70}, 420_000) == {ESTIMATED: 20}
    assert caused(entry(300_000, code_execution=50), {"code_execution": 20}, 300_000) == {FREE_HOURS: -30}
    assert caused(entry(300_000, code_execution=50), {"code_execution": 52}, 300_000) == {ROUNDED: 2}


def test_credit_is_a_part_of_container_time_and_subscriptions_cost_nothing() -> None:
    """As the bill has both."""
    assert amounts(entry(code_execution=50, allowance_credit=-20)) == {"code_execution": 30}
    paid = Line("output", 1, "token", 9, "notional")
    assert amounts(msgspec.structs.replace(entry(), lines=(paid,))) == {}


def test_what_is_unexplained_unbalances_its_cell() -> None:
    """And the step that checks it fails."""
    account = Account()
    account.add((entry(input=5),), {"input": 6}, 0, None)
    (cell,) = account.unbalanced()
    assert (cell.workspace, cell.day, cell.kind) == ("w", "2026-10-03", "input")
    assert account.teams == {"t": 5}
