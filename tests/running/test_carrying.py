"""Plans carried out by the official SDK against the simulator: what is sent, what comes back, what survives a crash."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anthropic
import pytest

from planner.core.workflow.cost import Costing
from planner.core.workflow.problem import Plan, Problem, Request
from planner.core.workflow.steps import Context, Step, Workflow
from planner.running.carrying import Carrier, Job
from planner.running.state import Record, State, load
from planner.simulator.config import shipped_scenarios
from tests.doubles.deciding import BOOK
from tests.doubles.proxy import run
from tests.doubles.simulated import START, Attentive, simulated, simulating
from tests.endtoend.client import NO_TLS

SONNET: Final = "claude-sonnet-5-5"
CODE: Final = "code_execution_20250825"
HANDBOOK: Final = "The house rules. " * 300
SCRIPT: Final = """
scenarios:
  - name: counting
    match: {marker: "[count]"}
    after: repeat
    turns:
      - steps:
          - code: {command: wc, stdout: "42", seconds: 3}
          - say: There are 42 rows.
  - name: pausing
    match: {marker: "[long]"}
    turns:
      - steps:
          - code: {command: one, seconds: 1}
          - pause: true
          - code: {command: two, seconds: 1}
          - say: Both are done.
  - name: two
    match: {marker: "[both]"}
    after: repeat
    turns:
      - steps:
          - say: "## first\\nOne.\\n\\n## second\\nTwo.\\n"
  - name: asking
    match: {marker: "[tool]"}
    after: repeat
    turns:
      - steps:
          - call: {tool: get_weather}
"""
STEPS: Final = (
    Step(
        name="check",
        context="house",
        prompt=10,
        output=10,
        tools=(CODE,),
        code_seconds=3,
        attach=("sales.csv",),
        ask="[count] Check the rows.",
    ),
    Step(
        name="sum",
        context="house",
        prompt=10,
        output=10,
        tools=(CODE,),
        code_seconds=3,
        files_from=("check",),
        ask="[count] Sum up. Known: {{check}}",
    ),
    Step(name="first", prompt=10, output=10, after=("sum",), ask="[both] Say it of {{ sum }}"),
    Step(name="second", prompt=10, output=10, after=("first",), ask="Say it again of {{first}}", max_tokens=99),
    Step(name="late", prompt=10, output=10, after=("second",), ask="After {{second}}"),
)
PLAN: Final = Plan(
    (Request((0,)), Request((1,), web="inert"), Request((2, 3)), Request((4,), batch=True)), chains=((0, 1),)
)


class Silent:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []

    def begun(self, number: int) -> None:
        """A request was sent."""
        self.heard.append(("begun", number))

    def ended(self, number: int) -> None:
        """It came back."""
        self.heard.append(("ended", number))


def job(path: Path, steps: tuple[Step, ...] = STEPS, plan: Plan = PLAN) -> Job:
    """What is run, with a state that has just begun."""
    workflow = Workflow(workflow="w", model=SONNET, contexts={"house": Context(tokens=1_200)}, steps=steps)
    problem = Problem(workflow, BOOK, START, 0.0)
    outcome = Costing(problem, problem.likely).outcome(plan)
    assert outcome is not None
    records = [Record() for _ in plan.requests]
    state = State(workflow="w", plan=plan, lives=outcome.lives, marked=outcome.marked, records=records)
    files = {step.name: dict.fromkeys(step.attach, b"a,b\n1,2\n") for step in steps if step.attach}
    return Job(problem, {"house": HANDBOOK}, files, state, path / "w.run.json", 8)


@asynccontextmanager
async def api() -> AsyncIterator[tuple[Attentive, anthropic.AsyncAnthropic]]:
    """A simulator with these scripts, and a client of it."""
    async with simulating(scenarios=(SCRIPT, *shipped_scenarios())) as (simulator, url), client(url) as made:
        yield simulator, made


def client(url: str) -> anthropic.AsyncAnthropic:
    """The SDK's client of an address."""
    http = anthropic.DefaultAsyncHttpxClient(verify=NO_TLS)
    return anthropic.AsyncAnthropic(api_key="sk-test", base_url=url, http_client=http, max_retries=0)


def bodies(simulator: Attentive) -> list[Any]:
    """What was sent to `POST /v1/messages`."""
    return [each.json() for each in simulator.messages()]


def test_a_plan_is_carried_out_as_it_says(tmp_path: Path) -> None:
    """Files, contexts, one container, our tool, headings, results that are handed on, a batch."""

    async def scenario() -> None:
        made, watcher = job(tmp_path), Silent()
        async with api() as (simulator, sdk):
            await Carrier(made, sdk, simulator.state.clock, watcher).run()
            check, total, both = bodies(simulator)
            assert check["system"][0]["text"] == HANDBOOK
            assert check["messages"][0]["content"][0]["type"] == "container_upload"
            assert check["tools"] == [{"type": CODE, "name": "code_execution"}]
            assert "container" not in check
            container = next(iter(simulator.state.containers)).id
            assert total["container"] == container
            assert [tool["type"] for tool in total["tools"]] == ["code_execution_20260120", "web_fetch_20260318"]
            assert total["tools"][1]["max_uses"] == 1
            text = total["messages"][0]["content"][0]["text"]
            assert text == "[count] Sum up. Known: There are 42 rows."
            asked = both["messages"][0]["content"][0]["text"]
            assert "## first\n[both] Say it of There are 42 rows." in asked
            assert '## second\nSay it again of (see your answer under "## first")' in asked
            assert both["max_tokens"] == 1_024 + 99
            (batch,) = [each.json() for each in simulator.heard if each.path == "/v1/messages/batches"]
            assert batch["requests"][0]["params"]["messages"][0]["content"][0]["text"] == "After Two."
        assert made.state.whole
        results = made.state.results
        assert (results["first"], results["second"]) == ("One.", "Two.")
        assert watcher.heard == [(what, number) for number in range(4) for what in ("begun", "ended")]
        kept = load(made.path, "w")
        assert kept is not None
        assert kept.results == results

    run(scenario())


def test_what_is_measured_is_what_is_billed(tmp_path: Path) -> None:
    """Tokens to the nano-dollar, batches at half price; container time is an estimate, and free beside our tool."""

    async def scenario() -> None:
        made = job(tmp_path)
        async with api() as (simulator, sdk):
            await Carrier(made, sdk, simulator.state.clock, Silent()).run()
            lines = [line for charge in simulator.bill.charges for line in charge.lines]
        tokens = sum(line.nano or 0 for line in lines if line.kind not in {"code_execution", "allowance_credit"})
        minimum = sum(line.nano or 0 for line in lines if line.kind == "code_execution")
        measured = [record.answer.nano for record in made.state.records if record.answer]
        assert sum(nano or 0 for nano in measured) == tokens + minimum
        assert made.state.records[0].answer is not None
        assert made.state.records[0].answer.used["code_runs"] == 1

    run(scenario())


def test_a_broken_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """What is done is not sent again, an accepted batch is only waited for, what was on its way is sent again."""

    async def scenario() -> None:
        first = job(tmp_path)
        async with api() as (simulator, sdk):
            await Carrier(first, sdk, simulator.state.clock, Silent()).run()
            before = len(simulator.heard)
            state = load(first.path, "w")
            assert state is not None
            state.records[2] = Record(status="sent", sends=1)
            state.records[3] = Record(status="batched", sends=1, batch=state.records[3].batch)
            again = Job(first.problem, first.contexts, first.files, state, first.path, 8)
            assert state.again == [2]
            await Carrier(again, sdk, simulator.state.clock, Silent()).run()
            sent = [(each.method, each.path) for each in simulator.heard[before:]]
        assert sent.count(("POST", "/v1/messages")) == 1
        assert ("POST", "/v1/messages/batches") not in sent
        assert ("POST", "/v1/files") not in sent
        assert again.state.whole
        assert [record.sends for record in again.state.records] == [1, 1, 2, 1]

    run(scenario())


def test_a_refused_request_holds_up_what_follows_it_alone(tmp_path: Path) -> None:
    """An unknown model is refused; its follower waits, another goes on, and a second run tries again."""

    async def scenario() -> None:
        steps = (
            Step(name="a", model="claude-haiku-4-5", prompt=1, output=1, ask="[refuse] me"),
            Step(name="b", prompt=1, output=1, after=("a",), ask="{{a}}"),
            Step(name="c", prompt=1, output=1, ask="Hello"),
        )
        made = job(tmp_path, steps, Plan((Request((0,)), Request((1,)), Request((2,)))))
        async with api() as (simulator, sdk):
            await Carrier(made, sdk, simulator.state.clock, Silent()).run()
            assert [record.status for record in made.state.records] == ["failed", "waiting", "done"]
            assert made.state.records[0].error == "the model ended its turn with refusal"
            await Carrier(made, sdk, simulator.state.clock, Silent()).run()
        assert [record.sends for record in made.state.records] == [2, 0, 1]

    run(scenario())


def test_what_the_api_refuses_is_told(tmp_path: Path) -> None:
    """With the SDK's own words."""

    async def scenario() -> None:
        steps = (Step(name="a", model="claude-haiku-4-5", prompt=1, output=1, max_tokens=1_000_000, ask="Hello"),)
        made = job(tmp_path, steps, Plan((Request((0,)),)))
        async with api() as (simulator, sdk):
            await Carrier(made, sdk, simulator.state.clock, Silent()).run()
        (record,) = made.state.records
        assert record.status == "failed"
        assert (record.error or "").startswith("BadRequestError 400: ")

    run(scenario())


def test_a_paused_turn_is_gone_on_with(tmp_path: Path) -> None:
    """With the same tools, in the same container, until it ends; every part is paid for."""

    async def scenario() -> None:
        steps = (Step(name="a", prompt=1, output=1, tools=(CODE,), code_seconds=1, ask="[long] Both steps."),)
        made = job(tmp_path, steps, Plan((Request((0,)),)))
        async with api() as (simulator, sdk):
            await Carrier(made, sdk, simulator.state.clock, Silent()).run()
            one, two = bodies(simulator)
            assert two["messages"][:1] == one["messages"]
            assert two["messages"][1]["role"] == "assistant"
            assert (two["tools"], two["container"]) == (one["tools"], next(iter(simulator.state.containers)).id)
            charges = len(simulator.bill.charges)
        answer = made.state.records[0].answer
        assert answer is not None
        assert "Both are done." in answer.results["a"]
        assert (answer.used["code_runs"], charges) == (2, 2)

    run(scenario())


@pytest.mark.parametrize("at_once", [1, 2])
def test_so_many_are_under_way_at_once(tmp_path: Path, at_once: int) -> None:
    """Independent requests, with room for so many."""

    async def scenario() -> None:
        steps = tuple(Step(name=f"s{number}", prompt=1, output=1, ask="Hello") for number in range(4))
        made = job(tmp_path, steps, Plan(tuple(Request((number,)) for number in range(4))))
        made = Job(made.problem, made.contexts, made.files, made.state, made.path, at_once)
        watcher = Silent()
        async with api() as (simulator, sdk):
            await Carrier(made, sdk, simulator.state.clock, watcher).run()
        running = most = 0
        for what, _ in watcher.heard:
            running += 1 if what == "begun" else -1
            most = max(most, running)
        assert most == at_once

    run(scenario())


def test_a_planner_on_the_way_meters_and_plans_nothing_more(tmp_path: Path) -> None:
    """The plan is made; the ledger has every request with its cost."""

    async def scenario() -> None:
        made = job(tmp_path, STEPS[:2], Plan(PLAN.requests[:2], PLAN.chains))
        async with simulated(tmp_path, simulator={"scenarios": (SCRIPT, *shipped_scenarios())}) as system:
            async with client(system.address) as sdk:
                await Carrier(made, sdk, system.clock, Silent()).run()
            entries = [entry for entry in await system.entries(3) if entry.endpoint == "messages"]
        assert [entry.mode for entry in entries] == ["off", "off"]
        costs = [record.answer.nano or 0 for record in made.state.records if record.answer]
        listed = [sum(line.nano for line in entry.lines if line.kind != "allowance_credit") for entry in entries]
        assert sorted(costs) == sorted(listed)  # the run was told that no hours are free

    run(scenario())
