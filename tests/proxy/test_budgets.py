"""Budgets of one process and of several over one store: holds, refusals, leases, and a store that does not answer."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from planner.clock import VirtualClock
from planner.core.budget import Ask, Granted
from planner.core.decisions.holds import ENOUGH
from planner.core.rulebook.spending import Claim, For
from planner.proxy import budgets as module
from planner.proxy.budgets import Admission
from planner.stores import StoreError
from planner.stores.sqlitebudgets import SqliteBudgets
from tests.doubles.budgeting import running
from tests.doubles.budgets import WORST, arrived, budget, rules
from tests.doubles.proxy import run

LATE = datetime(2026, 11, 30, 23, 59, 58, tzinfo=UTC)


def test_a_hundred_at_once_against_a_budget_for_ten(tmp_path: Path) -> None:
    """Ten are admitted and none more, in few exchanges; when they are settled there is room for what they left."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(10 * WORST))) as (one,):
            asked = await asyncio.gather(*(one.admit(number) for number in range(100)))
            admitted = [request for request, admission in asked if admission.refused is None]
            assert len(admitted) == 10
            assert one.gauge("held") == pytest.approx(10 * WORST / 1e9)
            assert isinstance(one.store, SqliteBudgets)
            assert one.store.ran["leases"] <= 3
            for request in admitted:
                await one.settle(request, WORST // 2)
            again = await asyncio.gather(*(one.admit(number) for number in range(200, 300)))
            assert sum(admission.refused is None for _, admission in again) == 5
            assert one.metrics.budget_refusals.values == {("finance-month",): 90 + 95}

    run(scenario())


def test_overspending_is_at_most_what_was_in_flight(tmp_path: Path) -> None:
    """Requests that cost more than they held, which no body told, take the budget beyond once; it is counted."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(10 * WORST))) as (one,):
            asked = await asyncio.gather(*(one.admit(number) for number in range(100)))
            for request, admission in asked:
                if admission.refused is None:
                    await one.settle(request, 3 * WORST)
            later = [await one.admit(number) for number in range(200, 220)]
            assert all(admission.refused is not None for _, admission in later)
            assert one.gauge("spent") == pytest.approx(30 * WORST / 1e9)
            assert one.metrics.budget_overspend.values[()] == 20 * WORST

    run(scenario())


def test_a_new_period_begins_at_midnight(tmp_path: Path) -> None:
    """UTC; what was sent before it is settled in the month in which it came."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(WORST)), clock=VirtualClock(LATE)) as (one,):
            request, _ = await one.admit(1)
            _, admission = await one.admit(2)
            assert admission.refused is not None
            assert admission.refused.resets == datetime(2026, 12, 1, tzinfo=UTC)
            one.clock.advance(2)
            later, admission = await one.admit(3)
            assert admission.refused is None
            await one.settle(request, WORST)
            await one.settle(later, 5)
            assert one.gauge("spent") == pytest.approx(5e-9)
            await one.budgets.renew()
            assert len(one.budgets._accounts) == 1  # noqa: SLF001 - the old one is forgotten

    run(scenario())


def test_tags_spend_no_budget(tmp_path: Path) -> None:
    """Neither another team's nor, by naming another, less of one's own."""
    finance, each = budget(WORST), budget(WORST, name="each", spenders=For(team=("*",)), each=True)
    tagged = [(b"planner-tags", b"team=finance,project=finance-p")]

    async def scenario() -> None:
        async with running(tmp_path, rules(finance, each)) as (one,):
            for number, team in enumerate((None, None, "search")):
                assert (await one.admit(number, team, fields=tagged))[1].refused is None
            _, refused = await one.admit(10, "search", fields=tagged)
            assert refused.refused is not None
            assert (refused.refused.budget, refused.refused.value) == ("each", "search")
            assert (await one.admit(11))[1].refused is None

    run(scenario())


def test_a_refusal_by_one_budget_holds_in_no_other(tmp_path: Path) -> None:
    """What the first one held is free again."""
    roomy, tight = budget(100 * WORST, name="roomy"), budget(WORST, name="tight")

    async def scenario() -> None:
        async with running(tmp_path, rules(roomy, tight)) as (one,):
            request, _ = await one.admit(1)
            assert (await one.admit(2))[1].refused is not None
            assert one.gauge("held", "roomy") == pytest.approx(WORST / 1e9)
            await one.settle(request, 1)
            assert one.gauge("held", "roomy") == 0

    run(scenario())


def test_soft_budgets_tell(tmp_path: Path) -> None:
    """From each percent on; nothing is refused, however much is spent."""
    soft = budget(10 * WORST, hard=False, soft_at=(50, 90))

    async def scenario() -> None:
        async with running(tmp_path, rules(soft)) as (one,):
            told: list[int | None] = []
            for number in range(12):
                request, admission = await one.admit(number)
                assert admission.refused is None
                assert (admission.decisions, admission.shadows) == ((), ())
                told.append(admission.told[0].percent if admission.told else None)
                await one.settle(request, WORST)
            assert told == [None] * 5 + [50] * 4 + [90] * 3
            counted = {("finance-month", "50"): 4, ("finance-month", "90"): 3}
            assert one.metrics.budget_warnings.values == counted
            assert one.store.ran.get("put_lease", 0) == 0  # type: ignore[attr-defined]  # the double of a file

    run(scenario())


@pytest.mark.parametrize("observe", [True, False])
def test_what_would_have_been_refused_is_written_down(tmp_path: Path, observe: bool) -> None:  # noqa: FBT001 - a column
    """By a budget in shadow beside the decisions, by a process that observes among them; both go on."""
    rule = budget(WORST, mode="enforce" if observe else "shadow")

    async def scenario() -> None:
        async with running(tmp_path, rules(rule), observe=observe) as (one,):
            await one.admit(1)
            _, admission = await one.admit(2)
            assert admission.refused is None
            (said,) = admission.decisions if observe else admission.shadows
            outcome, reason = ("shadow", "observe") if observe else ("applied", "exhausted")
            assert (said.action, said.outcome, said.reason, said.policy) == ("budget", outcome, reason, "finance-month")
            assert set(one.metrics.budget_refusals.values.values()) <= {0}

    run(scenario())


def test_a_budget_smaller_than_one_worst_case_is_used(tmp_path: Path) -> None:
    """By one request at a time, until nothing is left."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(WORST // 2))) as (one,):
            request, admission = await one.admit(1)
            assert admission.refused is None
            assert (await one.admit(2))[1].refused is not None
            await one.settle(request, WORST // 4)
            one.clock.advance(2)
            request, admission = await one.admit(3)
            assert admission.refused is None
            await one.settle(request, WORST // 4)
            one.clock.advance(2)
            assert (await one.admit(4))[1].refused is not None

    run(scenario())


def test_what_requests_cost_makes_their_holds_smaller(tmp_path: Path) -> None:
    """So that a budget is used to its end by many at once."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(10 * WORST))) as (one,):
            for number in range(ENOUGH):
                request, _ = await one.admit(number)
                await one.settle(request, WORST // 20)
            asked = await asyncio.gather(*(one.admit(number) for number in range(100, 200)))
            assert 90 <= sum(admission.refused is None for _, admission in asked) <= 98

    run(scenario())


def test_a_request_without_a_price_goes_while_anything_is_left(tmp_path: Path) -> None:
    """It holds nothing; an exhausted budget refuses it too."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(WORST))) as (one,):
            unread = arrived(1, one.rules.book)
            assert (await one.budgets.admit(unread, None)).refused is None
            await one.settle(unread, None)
            request, _ = await one.admit(2)
            await one.settle(request, WORST)
            one.clock.advance(2)
            assert (await one.budgets.admit(arrived(3, one.rules.book), None)).refused is not None

    run(scenario())


def test_new_rules_hold_from_the_next_request_on(tmp_path: Path) -> None:
    """A higher limit at once, and what was spent stays spent."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(WORST))) as (one,):
            request, _ = await one.admit(1)
            await one.settle(request, WORST)
            assert (await one.admit(2))[1].refused is not None
            one.rules.take(rules(budget(2 * WORST)))
            request, admission = await one.admit(3)
            assert admission.refused is None
            assert (await one.admit(4))[1].refused is not None
            await one.settle(request, 0)
            one.rules.take(rules())
            assert (await one.admit(5))[1] == Admission()

    run(scenario())


class Broken:
    """A store that fails, or never answers."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs

    async def exchange(self, claim: Claim, ask: Ask) -> Granted:
        """Fail."""
        del claim, ask
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        raise StoreError("gone")

    async def forget(self, before: datetime) -> None:
        """Fail."""
        raise StoreError(f"gone before {before}")

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("hangs", [True, False])
def test_without_a_store_requests_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool) -> None:  # noqa: FBT001 - a column
    """Counted each time, said once; what they spend is known when the store is back."""
    monkeypatch.setattr(module, "PATIENCE", 0.05)

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(WORST))) as (one,):
            usual, one.budgets._store = one.store, Broken(hangs=hangs)  # noqa: SLF001 - it breaks
            for number in range(3):
                request, admission = await one.admit(number)
                assert admission.refused is None
                await one.settle(request, WORST, stored=False)
            assert one.metrics.fail_open.values == {("budget",): 3}
            assert one.said.getvalue().count("budgets cannot be asked") == (0 if hangs else 1)
            one.budgets._store = usual  # noqa: SLF001 - and is mended
            if hangs:
                return
            assert (await one.admit(5))[1].refused is not None
            assert "budgets can be asked again" in one.said.getvalue()

    run(scenario())


def test_what_was_not_held_is_spent_all_the_same(tmp_path: Path) -> None:
    """Results of a batch, which cost when they are fetched."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(2 * WORST))) as (one,):
            await one.settle(arrived(1, one.rules.book), 2 * WORST)
            assert (await one.admit(2))[1].refused is not None
            await one.budgets.renew()
            assert one.gauge("spent") == pytest.approx(2 * WORST / 1e9)

    run(scenario())
