"""The demo from end to end: what a visitor sees, and whether it is true."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uvloop

from planner.clock import VirtualClock
from planner.core.reasons import Action, Outcome, Reason
from planner.demo import show, world
from planner.demo.account import Account, Row
from planner.demo.agents import AGENTS, SONNET, Agent
from planner.demo.conversation import Conversation, Desk
from planner.demo.show import Stage
from planner.stores import StoreError
from planner.stores.sqlite import SqliteStore
from tests.doubles.simulated import START

DOCS = Path(__file__).parents[2] / "docs"
ROUNDING = 10
"""Nano-dollars by which two bills of the same work may differ: each line is rounded by itself."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The account of one show in this process."""
    directory = tmp_path_factory.mktemp("show")

    async def work() -> Account:
        stage = Stage(seed="test", settings=world.BEYOND_THE_FREE_HOURS, on_step=lambda _name: None)
        async with stage.planned(directory) as planner:
            return await stage.perform(planner, directory)

    return uvloop.run(work())


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `planner demo --once` writes into a pipe of 80 columns, whatever the environment names as a proxy."""
    home = tmp_path_factory.mktemp("printed")
    done = subprocess.run(
        [sys.executable, "-m", "planner", "demo", "--once"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "COLUMNS": "80", "TMPDIR": str(home), "HTTP_PROXY": "http://127.0.0.1:1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def row_of(told: Account, name: str) -> Row:
    """One agent's row."""
    return next(row for row in told.rows if row.agent.name == name)


def reasons(row: Row, action: Action) -> set[Reason | None]:
    """The reasons of an agent's decisions on one action."""
    return {each.decision.reason for each in row.decisions if each.decision.action is action}


def outcomes(row: Row, action: Action) -> set[Outcome]:
    """The outcomes of an agent's decisions on one action."""
    return {each.decision.outcome for each in row.decisions if each.decision.action is action}


def test_every_agent_does_its_work_with_the_planner(told: Account) -> None:
    """None stops, and every request is decided in time."""
    assert [row.agent.name for row in told.rows] == [agent.name for agent in AGENTS]
    assert [row.stopped for row in told.rows] == [None] * len(AGENTS)
    assert not [row for row in told.rows if Outcome.FAILED_OPEN in outcomes(row, Action.BUNDLE)]


def test_the_ledger_equals_the_bill_to_the_nano_dollar(told: Account) -> None:
    """Tokens and searches, request by request, against a bill that is counted by other code."""
    check = told.check
    assert check.agrees
    assert check.ledger_exact == check.bill_exact > 0
    assert check.requests == sum(row.requests for row in told.rows)


def test_it_saves_overall_and_makes_nobody_dearer(told: Account) -> None:
    """The control is the bill of the same agents without the planner."""
    assert sum(row.saved for row in told.compared) > 0
    assert [row.agent.name for row in told.compared if row.saved < -ROUNDING] == []


def test_always_bundling_would_be_dearer_than_no_planner(told: Account) -> None:
    """Being right about when not to act is the product."""
    assert sum(row.anyway for row in told.compared) > sum(row.control for row in told.compared)
    assert [row.agent.name for row in told.rows if not row.bundled and row.anyway < row.billed - ROUNDING] == []


def test_short_runs_on_a_small_model_are_bundled(told: Account) -> None:
    """With the lift that the bundle needs."""
    row = row_of(told, "short-runs")
    assert row.bundled
    assert reasons(row, Action.VERSION) == {Reason.NEEDED_BY_BUNDLE}
    assert row.saved > row.control // 2


@pytest.mark.parametrize("name", ["csv-analyst", "build-and-test", "office-writer"])
def test_forgetful_clients_are_sent_on_in_their_container(told: Account, name: str) -> None:
    """One container instead of one a turn."""
    row = row_of(told, name)
    assert Outcome.THREADED in outcomes(row, Action.CONTAINER)
    assert row.saved > 0


def test_a_call_that_waits_gets_its_container(told: Account) -> None:
    """Without the planner the API refuses the request, so the two runs are not compared."""
    row = row_of(told, "orchestrator-forgets")
    assert row.control_stopped is not None
    assert "container_id is required" in row.control_stopped
    assert not row.comparable
    assert Reason.PENDING_CALL in reasons(row, Action.CONTAINER)


def test_a_container_of_the_callers_own_is_left_alone(told: Account) -> None:
    """The orchestrator that keeps it is billed what it was billed before."""
    row = row_of(told, "orchestrator-keeps")
    assert Outcome.CALLER in outcomes(row, Action.CONTAINER)
    assert not row.edited
    assert row.saved == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("config-writer", Reason.NOT_WORTH_IT),
        ("web-researcher", Reason.NOT_WORTH_IT),
        ("legacy-client", Reason.OLD_BLOCKS),
    ],
)
def test_others_are_left_alone_for_the_right_reason(told: Account, name: str, reason: Reason) -> None:
    """And their bill is the same to the nano-dollar."""
    row = row_of(told, name)
    assert not row.edited
    assert reason in reasons(row, Action.BUNDLE)
    assert row.saved == 0


def test_the_page_shows_it_all(printed: str) -> None:
    """Every agent, what was saved, the comparison with the bill, and where to look."""
    assert [agent.name for agent in AGENTS if agent.name not in printed] == []
    words = " ".join(printed.split())
    for sentence in (
        "equal to the nano-dollar",
        "free_hours.limit=0: as for an organization beyond its 1,550 free container hours",
        "A planner that always bundles would have been billed",
        "Container time is an estimate",
        "orchestrator-forgets is not compared",
    ):
        assert sentence in words


def test_a_pipe_gets_plain_text(printed: str) -> None:
    """No colours, no progress bar, no line beyond the width but those with an address or a path."""
    assert "\x1b" not in printed
    assert "\r" not in printed
    assert [line for line in printed.splitlines() if len(line) > 80 and not line.startswith("  ")] == []


def test_the_documented_page_is_what_it_prints(printed: str) -> None:
    """To the last figure: after a change of rules, prices or words, put what it prints into docs/demo.md."""
    documented = (DOCS / "demo.md").read_text(encoding="utf-8").partition("```text\n")[2].partition("\n```")[0]
    there = re.compile(r"(?:(?<=sqlite:///)|(?<=\s))/\S*planner-demo-[^/\s]+")
    lines = [there.sub("FOLDER", line).rstrip() for line in printed.strip().splitlines()]
    assert lines == [there.sub("FOLDER", line) for line in documented.splitlines()]


def test_the_ledger_is_kept(printed: str) -> None:
    """The command that the page names reads it, and finds the agents with their teams."""
    _, _, command = next(line for line in printed.splitlines() if "planner export" in line).partition("planner ")
    done = subprocess.run(
        [sys.executable, "-m", "planner", *command.split()], capture_output=True, text=True, check=True
    )
    entries: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert {entry["principal"]: entry["team"] for entry in entries} == {agent.name: agent.team for agent in AGENTS}
    assert {entry["outcome"] for entry in entries} == {"ok"}


def test_an_agent_that_fails_is_told_with_the_words_of_the_api() -> None:
    """The others go on."""

    async def ask_for_nothing(desk: Desk, agent: Agent) -> None:
        await Conversation(desk, model=agent.model, max_tokens=0).say("Hello.")

    async def greet(desk: Desk, agent: Agent) -> None:
        await Conversation(desk, model=agent.model).say("Hello.")

    agents = [
        Agent(name=name, team="t", model=SONNET, does="", client="", work=work)
        for name, work in (("fails", ask_for_nothing), ("works", greet))
    ]
    steps: list[str] = []

    async def work() -> dict[str, str]:
        clock = VirtualClock(START)
        async with world.simulated(world.simulator_config(agents, "test", clock, {})) as (_, address):
            return await show.play(agents, address, clock, steps.append)

    stopped = uvloop.run(work())
    assert list(stopped) == ["fails"]
    assert stopped["fails"].startswith("max_tokens: ")
    assert steps == ["fails", "works"]


def test_a_ledger_that_stays_behind_is_an_error(tmp_path: Path) -> None:
    """Rather than a table that lacks requests."""

    async def work() -> None:
        store = await SqliteStore.open(tmp_path / "planner.db")
        await store.close()
        await show.settled_entries(tmp_path / "planner.db", 1, VirtualClock(START))

    with pytest.raises(StoreError, match="0 of 1 requests after 10 seconds"):
        uvloop.run(work())
