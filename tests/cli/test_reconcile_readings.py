"""Readings of settings end to end: real traffic, the simulator's own bill under another setting, the proposal."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import anthropic
import pytest

from planner.cli.reconcile import run
from planner.clock import VirtualClock
from planner.core.reconcile.statement import Statement
from planner.settings import Settings
from planner.simulator import Switches
from tests.cli.test_reconcile import ADMIN, BEGIN, CODE_TOOL, asked
from tests.doubles import proxy
from tests.doubles.simulated import Simulated, rules, simulated

DAYS: Final = 3
MODEL: Final = "claude-opus-5-5"


async def say(client: anthropic.AsyncAnthropic, messages: list[Any], container: str | None) -> Any:
    """One request; where the container is known, the client names it itself."""
    named: Any = {} if container is None else {"container": container}
    return await client.beta.messages.create(
        model=MODEL, max_tokens=4096, messages=messages, tools=[CODE_TOOL], betas=["files-api-2025-04-14"], **named
    )


async def talk(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
    """Code runs at once, and again four and eight minutes later in the same container."""
    container = None
    for _ in range(3):
        answer = await say(client, [{"role": "user", "content": "[csv]"}], container)
        container = answer.container.id
        planner.advance(timedelta(minutes=4).total_seconds())


async def upload(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
    """A file on which code runs, and two words about it hours later, for which none does."""
    sent = await client.beta.files.upload(file=("a.csv", b"1,2\n", "text/csv"))
    first: Any = [{"type": "text", "text": "[csv]"}, {"type": "container_upload", "file_id": sent.id}]
    messages: list[Any] = [{"role": "user", "content": first}]
    await say(client, messages, None)
    for word in ("thanks", "bye"):
        planner.advance(timedelta(hours=2).total_seconds())
        messages += [{"role": "assistant", "content": "Done."}, {"role": "user", "content": word}]
        await say(client, messages, None)


TRAFFIC: Final = {"code.idle_bills": (talk, 3), "code.history_uploads_bill": (upload, 4)}
"""What shows a setting, and how many requests that takes."""


def reconciled(directory: Path, key: str, *, believed: bool, true: bool) -> Statement:
    """What a month is found to be whose bill has a setting so, and whose ledger believes it to be so."""
    traffic, requests = TRAFFIC[key]

    async def scenario() -> Statement:
        book = rules(settings={"free_hours.limit": "0", key: str(believed).lower()})
        switches = Switches(free_hours_limit=0).with_settings({key: true})
        simulator: Any = {"clock": VirtualClock(BEGIN), "switches": switches}
        async with simulated(directory, book=book, simulator=simulator, observe=True) as planner:
            async with anthropic.AsyncAnthropic(
                base_url=planner.address, api_key="sk-ant-team", max_retries=0
            ) as client:
                for _ in range(DAYS):
                    await traffic(client, planner)
                    planner.advance(86_400)
            settings = Settings(upstream=planner.direct, store=f"sqlite:///{planner.store}")
            await planner.entries(requests * DAYS)
            return await run(asked(), settings, book, ADMIN, planner.clock)

    return proxy.run(scenario(), longest=60.0)


@pytest.mark.parametrize("key", TRAFFIC)
@pytest.mark.parametrize("believed", [True, False])
def test_the_bill_shows_which_it_is(tmp_path: Path, key: str, *, believed: bool) -> None:
    """Whichever of the two is believed, the other is proposed, and no other setting."""
    statement = reconciled(tmp_path, key, believed=believed, true=not believed)
    assert abs(statement.difference_nano) > 1_000_000
    (proposal,) = statement.settings
    assert (proposal.key, proposal.better) == (key, str(not believed).lower())
    assert proposal.days == DAYS
    assert statement.unexplained_nano == 0


@pytest.mark.parametrize("key", TRAFFIC)
@pytest.mark.parametrize("believed", [True, False])
def test_where_both_agree_nothing_is_proposed(tmp_path: Path, key: str, *, believed: bool) -> None:
    """Whichever it is."""
    statement = reconciled(tmp_path, key, believed=believed, true=believed)
    assert statement.settings == ()
    assert statement.unexplained_nano == 0
