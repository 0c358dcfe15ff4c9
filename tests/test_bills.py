"""The reports are asked for by the official SDK, paged, a call a minute, and never twice."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anthropic
import pytest

from planner.bills import ANALYTICS, COST, LIMITS, USAGE, BillError, Reports, span
from planner.clock import VirtualClock
from planner.core.reconcile.cells import CODE, SEARCH
from planner.core.reconcile.theirs import ReportError
from planner.simulator import Switches
from planner.stores.sqlite import SqliteStore
from tests.doubles.proxy import run
from tests.doubles.simulated import Attentive, simulating

ADMIN = "sk-ant-admin01-x"
BEGIN = datetime(2026, 11, 3, 9, tzinfo=UTC)
CODE_TOOL: Any = {"type": "code_execution_20250825", "name": "code_execution"}
SEARCH_TOOL: Any = {"type": "web_search_20250305", "name": "web_search"}


class Kept:
    """Pages in memory."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, str]] = {}

    async def bill_page(self, name: str) -> tuple[str, str] | None:
        """A kept page."""
        return self.pages.get(name)

    async def keep_bill_page(self, name: str, at: str, page: str) -> None:
        """Keep a page."""
        self.pages[name] = (at, page)

    async def last_bill_page(self) -> str | None:
        """When the last one was fetched."""
        return max((at for at, _ in self.pages.values()), default=None)


async def traffic(url: str, clock: VirtualClock, days: int = 3) -> None:
    """Some requests on each of some days."""
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant-team", max_retries=0) as client:
        for _ in range(days):
            for text, tools in (("[csv]", [CODE_TOOL]), ("[research]", [SEARCH_TOOL])):
                await client.messages.create(
                    model="claude-opus-5-5", max_tokens=4096, messages=[{"role": "user", "content": text}], tools=tools
                )
            clock.advance(86_400)


def asked(simulator: Attentive) -> list[str]:
    """Paths of the reports that were asked for."""
    return [each.path for each in simulator.heard if each.path.startswith("/v1/organizations/")]


def watched(
    work: Callable[[Attentive, str, VirtualClock], Awaitable[None]],
    *,
    switches: Switches | None = None,
    **changes: Any,
) -> None:
    """Run work against a simulator in which some days have passed."""

    async def main() -> None:
        clock = VirtualClock(BEGIN)
        chosen = {"switches": switches} if switches is not None else {}
        async with simulating(clock, **chosen, **changes) as (simulator, url):
            await traffic(url, clock)
            await work(simulator, url, clock)

    run(main())


def reports(url: str, clock: VirtualClock, kept: Any, said: list[str] | None = None, **changes: Any) -> Reports:
    """Reports on a virtual clock."""
    tell = (said if said is not None else []).append
    return Reports(ADMIN, url, clock=clock, pages=kept, tell=tell, **changes)


SMALL: Mapping[str, int] = {COST: 2, USAGE: 2, f"{USAGE} 1h": 7, ANALYTICS: 1}


def test_pages_add_up_to_the_bill_and_calls_keep_their_distance() -> None:
    """With one or two entries a page, each call at least a minute after the one before, the whole bill is read."""

    async def work(simulator: Attentive, url: str, clock: VirtualClock) -> None:
        kept, said = Kept(), list[str]()
        started = clock.now()
        async with reports(url, clock, kept, said, limits=SMALL) as asking:
            bill = await asking.bill("2026-11")
            assert asking.organization == simulator.state.config.organization
        calls = len(asked(simulator))
        assert calls > 10
        assert (clock.now() - started).total_seconds() == (calls - 1) * 60
        assert len([line for line in said if "in 60 s" in line]) == calls - 1
        assert bill.nano == simulator.state.bill.nano
        assert {cell.kind for cell in bill.costs} >= {CODE, SEARCH, "input", "output"}
        assert sum(cost.spans or 0 for cost in bill.code.values()) == 6
        assert sum(counts[5] for counts in bill.usage.values()) == 6
        assert bill.decimals == 7

    watched(work, switches=Switches(free_hours_limit=0))


def test_a_second_run_asks_for_nothing_and_a_torn_one_goes_on() -> None:
    """Pages that were fetched are kept; a run that ended in the middle asks for the rest, in its minute."""

    async def work(simulator: Attentive, url: str, clock: VirtualClock) -> None:
        kept = Kept()
        async with reports(url, clock, kept) as asking:
            first = await asking.bill("2026-11")
        calls = len(asked(simulator))
        async with reports(url, clock, kept) as asking:
            again = await asking.bill("2026-11")
        assert len(asked(simulator)) == calls
        assert (again.costs, again.usage, again.code) == (first.costs, first.usage, first.code)
        last = max(kept.pages, key=lambda name: kept.pages[name][0])
        del kept.pages[last]
        now = clock.now()
        async with reports(url, clock, kept) as asking:
            await asking.bill("2026-11")
        assert len(asked(simulator)) == calls + 1
        assert clock.now() - now <= timedelta(seconds=60)
        async with reports(url, clock, kept, refresh=True) as asking:
            await asking.bill("2026-11")
        assert len(asked(simulator)) == 2 * calls + 1

    watched(work)


def test_pages_of_an_open_month_grow_old_and_those_of_a_closed_one_do_not() -> None:
    """An hour later an open month is asked for again; long after its end nothing changes any more."""

    async def work(simulator: Attentive, url: str, clock: VirtualClock) -> None:
        kept = Kept()
        async with reports(url, clock, kept) as asking:
            await asking.bill("2026-11")
            calls = len(asked(simulator))
            clock.advance(3_700)
            await asking.bill("2026-11")
            assert len(asked(simulator)) > calls
            clock.advance(40 * 86_400)
            await asking.bill("2026-11")
            calls = len(asked(simulator))
            clock.advance(40 * 86_400)
            await asking.bill("2026-11")
            assert len(asked(simulator)) == calls

    watched(work)


def test_the_key_is_in_no_page_and_in_no_word(tmp_path: Path) -> None:
    """What is kept in the store and what is said hold nothing of the admin key."""

    async def work(_: Attentive, url: str, clock: VirtualClock) -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        said: list[str] = []
        async with reports(url, clock, store, said) as asking:
            await asking.bill("2026-11")
        await store.close()
        assert said
        assert not any(ADMIN in line for line in said)

    watched(work)
    for path in tmp_path.iterdir():
        assert ADMIN.encode() not in path.read_bytes()


def test_a_refused_key_is_told_plainly() -> None:
    """A key that is no admin key ends at once, without a second call."""

    async def work(simulator: Attentive, url: str, clock: VirtualClock) -> None:
        asking = Reports("sk-ant-team", url, clock=clock, pages=Kept(), tell=lambda _: None)
        with pytest.raises(BillError, match="PLANNER_ADMIN_KEY"):
            async with asking:
                await asking.bill("2026-11")
        assert len(asked(simulator)) == 1

    watched(work)


def test_nobody_there_is_tried_some_times_and_told() -> None:
    """An address at which nothing answers is given up after five calls, a minute apart."""

    async def main() -> None:
        clock, said = VirtualClock(BEGIN), list[str]()
        with pytest.raises(BillError, match="no answer"):
            async with reports("http://127.0.0.1:9", clock, Kept(), said) as asking:
                await asking.bill("2026-11")
        assert len(said) == 5
        assert clock.now() == BEGIN + timedelta(seconds=240)

    run(main())


def test_a_month_to_come_is_refused() -> None:
    """There is no bill of a month that has not begun."""

    async def main() -> None:
        async with reports("http://127.0.0.1:9", VirtualClock(BEGIN), Kept()) as asking:
            with pytest.raises(BillError, match="has not begun"):
                await asking.bill("2026-12")

    run(main())


def test_the_last_hours_that_are_not_there_yet_are_known_to_be_late() -> None:
    """An open month is known up to the end of the last hour of which the usage report has anything."""

    async def work(_: Attentive, url: str, clock: VirtualClock) -> None:
        async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant-team", max_retries=0) as client:
            await client.messages.create(
                model="claude-opus-5-5", max_tokens=64, messages=[{"role": "user", "content": "hello"}]
            )
        asked_at = clock.now()
        clock.advance(7_200)
        async with reports(url, clock, Kept()) as asking:
            bill = await asking.bill("2026-11")
        hour = asked_at.replace(minute=0, second=0, microsecond=0)
        assert bill.known_until == hour + timedelta(hours=1)

    watched(work)


@pytest.mark.parametrize("month", ["2026-13", "november", ""])
def test_what_is_no_month(month: str) -> None:
    """A month is a year and a month."""
    with pytest.raises(ValueError, match="data"):
        span(month)


def test_limits_are_those_of_the_api() -> None:
    """The pages are as long as they may be."""
    assert dict(LIMITS) == {COST: 31, USAGE: 31, f"{USAGE} 1h": 168, ANALYTICS: 1_000}
    assert issubclass(ReportError, Exception)
