"""Batches whose results go past the planner, against the simulator's bill: reconciled through its reports, to the cent.

What the planner wrote down of a batch when it was made is all that it knows of it. The bill is counted by other code.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anthropic
import pytest

from planner.cli.reconcile import Asked, run
from planner.clock import VirtualClock
from planner.core.ledger.entry import Entry
from planner.core.reconcile.statement import Statement
from planner.settings import Settings
from planner.simulator import Key
from tests.agreement.mix import BASIC_SEARCH, CODE, SONNET
from tests.agreement.test_batches import asked
from tests.doubles import proxy
from tests.doubles.simulated import Simulated, rules, simulated

BEGIN: Final = datetime(2026, 11, 3, 9, tzinfo=UTC)
THROUGH, PAST, ADMIN = "sk-ant-through", "sk-ant-past", "sk-ant-admin01-past"
KEYS: Final = (
    Key(key=THROUGH, id="apikey_01Through"),
    Key(key=PAST, id="apikey_01Past"),
    Key(key=ADMIN, admin=True),
)
PLAIN: Final = tuple(asked(f"{'word ' * (300 + 70 * number)}") for number in range(4))
SEARCHED: Final = (asked("[research]", SONNET, tools=[BASIC_SEARCH]),)
RAN: Final = (asked("[short]", tools=[CODE]), asked("Hello."))

Scenario = Callable[["Company"], Awaitable[None]]


class Company:
    """Clients of the planner and of the API itself, on one clock."""

    def __init__(self, planner: Simulated, through: anthropic.AsyncAnthropic, past: anthropic.AsyncAnthropic) -> None:
        self.planner = planner
        self.through = through
        self.past = past
        self.sent = 0

    async def made(self, client: anthropic.AsyncAnthropic, requests: Iterable[Any] = PLAIN) -> str:
        """Make a batch and wait until it has been processed; return its id."""
        wanted: Any = [{"custom_id": f"r-{number}", "params": params} for number, params in enumerate(requests)]
        batch = await client.messages.batches.create(requests=wanted)
        self.planner.advance(61)
        self.sent += 2 * (client is self.through)
        assert (await client.messages.batches.retrieve(batch.id)).processing_status == "ended"
        return batch.id

    async def fetch(self, client: anthropic.AsyncAnthropic, batch_id: str) -> int:
        """Fetch the results where a client has its own address; return how many there were."""
        through = client is self.through
        self.sent += 2 * through
        self.planner.simulator.state.base_url = self.planner.address if through else self.planner.direct
        return len([item async for item in await client.messages.batches.results(batch_id)])

    async def talk(self, client: anthropic.AsyncAnthropic, **fields: Any) -> None:
        """A live request."""
        self.sent += client is self.through
        await client.messages.create(**asked("Hello there.", **fields))

    @property
    def billed(self) -> dict[str, int]:
        """The bill so far, by key."""
        found: dict[str, int] = {}
        for charge in self.planner.simulator.bill.charges:
            key = charge.work.api_key_id
            found[key] = found.get(key, 0) + (charge.nano or 0)
        return found


def reconciled(
    directory: Path, scenario: Scenario, *, month: str = "2026-11", begin: datetime = BEGIN, limit: int = 1550
) -> tuple[Statement, list[Entry]]:
    """Run a scenario, and hold its month against the simulator's bill a day later."""

    async def main() -> tuple[Statement, list[Entry]]:
        book = rules(settings={"free_hours.limit": str(limit)})
        simulator = {"clock": VirtualClock(begin), "keys": KEYS, "settings": {"free_hours.limit": limit}}
        async with simulated(directory, book=book, simulator=simulator) as planner:
            clients = [
                anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0)
                for url, key in ((planner.address, THROUGH), (planner.direct, PAST))
            ]
            async with clients[0] as through, clients[1] as past:
                company = Company(planner, through, past)
                await scenario(company)
            await planner.entries(company.sent)
            planner.advance(timedelta(days=1).total_seconds())
            flags = Asked(month=month, threshold="0.5%", organization=None, every=60.0, refresh=False, apply=False)
            settings = Settings(upstream=planner.direct, store=f"sqlite:///{planner.store}")
            statement = await run(flags, settings, book, ADMIN, planner.clock)
            return statement, await planner.entries(1)

    return proxy.run(main(), longest=60.0)


def causes(statement: Statement) -> dict[str, int]:
    """What explains the difference, and that nothing is left of it."""
    assert [row for row in statement.rows if row.unexplained_nano] == []
    return {cause: nano for cause, nano in statement.explained.items() if nano}


@pytest.mark.parametrize("live", [0, 1])
def test_results_that_are_fetched_past_the_planner_are_told_as_that(tmp_path: Path, live: int) -> None:
    """To the nano-dollar, whether its key is known for other things or not."""
    spent: list[int] = []

    async def scenario(company: Company) -> None:
        batch = await company.made(company.through, (*PLAIN, *SEARCHED))
        spent.append(company.billed["apikey_01Through"])
        own = anthropic.AsyncAnthropic(base_url=company.planner.direct, api_key=THROUGH, max_retries=0)
        async with own:
            assert await company.fetch(own, batch) == 5
        for _ in range(live):
            await company.talk(company.through)

    statement, entries = reconciled(tmp_path, scenario)
    assert causes(statement) == {"batches_past": spent[0]}
    assert [(each.requests, each.passed, each.missing) for each in statement.batches] == [(5, 0, 5)]
    evidence = {words for row in statement.rows for words in row.evidence.values()}
    assert "up to 4 requests of a batch that was made on 2026-11-03" in evidence
    assert all(entry.cost_nano == 0 for entry in entries if entry.endpoint == "batches")


def test_results_that_pass_leave_nothing_to_explain(tmp_path: Path) -> None:
    """However often they are fetched, there and elsewhere."""

    async def scenario(company: Company) -> None:
        batch = await company.made(company.through)
        for client in (company.through, company.through, company.past):
            await company.fetch(client, batch)

    statement, _ = reconciled(tmp_path, scenario)
    assert causes(statement) == {}
    assert [(each.requests, each.passed, each.missing) for each in statement.batches] == [(4, 4, 0)]


def test_a_batch_that_was_made_past_the_planner_is_a_bypass(tmp_path: Path) -> None:
    """Neither a batch whose results passed makes it known, nor one of another model whose results did not."""
    spent: list[int] = []

    async def scenario(company: Company) -> None:
        await company.fetch(company.past, await company.made(company.past))
        spent.append(company.billed["apikey_01Past"])
        await company.fetch(company.through, await company.made(company.through))
        await company.made(company.through, SEARCHED)

    statement, _ = reconciled(tmp_path, scenario)
    found = causes(statement)
    assert found["bypass"] == spent[0]
    assert set(found) == {"bypass", "batches_past"}


def test_live_traffic_past_the_planner_is_no_batch(tmp_path: Path) -> None:
    """On the same day, with the same key and model: what is not at the price of batches is not theirs."""
    spent: list[int] = []

    async def scenario(company: Company) -> None:
        await company.made(company.through)
        spent.append(company.billed["apikey_01Through"])
        own = anthropic.AsyncAnthropic(base_url=company.planner.direct, api_key=THROUGH, max_retries=0)
        async with own:
            await company.talk(own)
        spent.append(company.billed["apikey_01Through"])

    statement, _ = reconciled(tmp_path, scenario)
    assert causes(statement) == {"batches_past": spent[0], "bypass": spent[1] - spent[0]}


def test_results_of_which_a_part_passed(tmp_path: Path) -> None:
    """A cancelled batch, or one of which some failed, is no loss once its results have passed whole."""

    async def scenario(company: Company) -> None:
        batch = await company.made(company.through, (*PLAIN, asked("Hello.", "claude-unheard-of")))
        await company.fetch(company.through, batch)

    statement, _ = reconciled(tmp_path, scenario)
    assert causes(statement) == {}
    assert [(each.requests, each.passed, each.missing) for each in statement.batches] == [(5, 4, 0)]


@pytest.mark.parametrize("others", [0, 1])
def test_code_of_such_batches(tmp_path: Path, others: int) -> None:
    """It is theirs to the nano-dollar where nobody else ran code, and where analytics tells who did."""
    spent: list[int] = []

    async def scenario(company: Company) -> None:
        await company.made(company.through, RAN)
        spent.append(company.billed["apikey_01Through"])
        for _ in range(others):
            company.planner.advance(3_600)
            await company.talk(company.past, tools=[CODE])

    statement, _ = reconciled(tmp_path, scenario, limit=0)
    found = causes(statement)
    assert found.pop("batches_past") == spent[0]
    assert set(found) == ({"bypass"} if others else set())


@pytest.mark.parametrize("past", [0, 1])
def test_code_of_such_batches_beside_that_of_the_ledger(tmp_path: Path, past: int) -> None:
    """Where their key ran other code on that day, they get what its uses cannot have cost."""
    spent: list[int] = []

    async def scenario(company: Company) -> None:
        await company.talk(company.through, tools=[CODE])
        spent.append(company.billed["apikey_01Through"])
        for _ in range(past):
            await company.made(company.through, RAN)
        spent.append(company.billed["apikey_01Through"])

    statement, _ = reconciled(tmp_path, scenario, limit=0)
    assert causes(statement).get("batches_past", 0) == spent[1] - spent[0]


def test_results_of_several_models_have_rows_of_their_own(tmp_path: Path) -> None:
    """The ledger has them in one sum; what the bill has of the models that the batch names is that sum."""

    async def scenario(company: Company) -> None:
        await company.fetch(company.through, await company.made(company.through, (*PLAIN, *SEARCHED, *RAN)))

    statement, _ = reconciled(tmp_path, scenario, limit=0)
    assert causes(statement) == {}
    assert statement.theirs_nano == statement.ours_nano > 0
    assert {cause for row in statement.rows for cause in row.explained} == {"other_day"}


@pytest.mark.parametrize("days", [1, 3, 20])
def test_code_of_results_that_are_fetched_later(tmp_path: Path, days: int) -> None:
    """Container time goes with the tokens to the day of processing."""

    async def scenario(company: Company) -> None:
        batch = await company.made(company.through, RAN)
        company.planner.advance(timedelta(days=days).total_seconds())
        await company.fetch(company.through, batch)

    statement, _ = reconciled(tmp_path, scenario, limit=0)
    assert causes(statement) == {}
    assert statement.theirs_nano == statement.ours_nano > 0


@pytest.mark.parametrize("days", [1, 3, 20])
def test_results_that_are_fetched_later(tmp_path: Path, days: int) -> None:
    """The bill has the day of processing and the ledger that of the fetch: both rows say so, and add up to nothing."""

    async def scenario(company: Company) -> None:
        batch = await company.made(company.through)
        company.planner.advance(timedelta(days=days).total_seconds())
        await company.fetch(company.through, batch)

    statement, _ = reconciled(tmp_path, scenario)
    assert causes(statement) == {}
    assert statement.theirs_nano == statement.ours_nano > 0
    assert {row.day for row in statement.rows if row.explained} == {"2026-11-03", f"2026-11-{3 + days:02}"}
    assert all(set(row.explained) == {"other_day"} for row in statement.rows)


@pytest.mark.parametrize("month", ["2026-10", "2026-11"])
def test_results_that_are_fetched_in_the_next_month(tmp_path: Path, month: str) -> None:
    """Made on the last day, fetched on the second: the one month has the bill, the other the ledger, and both know."""

    async def scenario(company: Company) -> None:
        batch = await company.made(company.through)
        company.planner.advance(timedelta(days=2).total_seconds())
        await company.fetch(company.through, batch)

    statement, _ = reconciled(tmp_path, scenario, month=month, begin=datetime(2026, 10, 31, 9, tzinfo=UTC))
    found = causes(statement)
    assert set(found) == {"other_day"}
    assert (found["other_day"] > 0) == (month == "2026-10")
    assert found["other_day"] == statement.theirs_nano - statement.ours_nano
    assert statement.missing_results == 0
