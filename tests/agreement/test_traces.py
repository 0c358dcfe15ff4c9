"""Traffic through the planner to the simulator, exported and played again: the same decisions, nearly the same bill.

A trace has no latencies and, of answers that tell only sums, estimates: tokens may be off by one for each iteration.
"""

from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner

from planner.cli import main
from planner.core.ledger.entry import Entry
from planner.core.metering.usage import TokenClasses
from planner.core.reasons import Decision
from planner.core.replay.player import Played, Player
from planner.core.replay.recorded import Transcript
from planner.core.replay.staging import stage
from planner.core.rulebook.book import RuleBook
from tests.doubles.proxy import read_ledger, run
from tests.identity.agent import CODE, CODE_WEATHER, NO_FREE_HOURS, OLD_CODE, Agent, World, deciding, results, within

HAIKU, OLD_HAIKU, SONNET = "claude-haiku-5-5", "claude-haiku-4-5", "claude-sonnet-5-5"
ONE, TWO = "sk-ant-one", "sk-ant-two"
POLICY = """
policies:
  - name: containers
    why: Conversations go on in their container.
    mode: enforce
    then: {container: conversation}
  - name: small-models
    why: Of the small models nothing is edited, so that their code bills.
    mode: enforce
    match: {model: ["claude-haiku-*"]}
    then: {bundle: never}
  - name: others
    why: The others are bundled where that is cheaper.
    mode: enforce
    then: {bundle: when-cheaper}
"""
BOUND = 0.001
"""How far the bill of a replay may be from the ledger's, as a share of it: measured 0.00003."""


async def traffic(world: World) -> int:
    """Agents of every kind; return how many requests were sent."""
    sent = 2
    await world.introduce(ONE, TWO)

    async def talk(agent: Agent, *said: Any, keeps: bool = False, **extra: Any) -> None:
        nonlocal sent
        container: str | None = None
        for words in said:
            named = {"container": container} if keeps and container else {}
            answer = await agent.say(words, **(extra | named))
            assert answer.status == 200, answer.message
            sent, container = sent + 1, answer.container or container
            while calls := results(answer):
                world.planner.advance(2)
                answer = await agent.say(calls, **named)
                sent += 1
            world.planner.advance(20)

    await talk(world.agent(ONE), "[build] it", "Now test it.", "And the other half.")
    await talk(world.agent(ONE, system="Short."), "[config] first", "And again.")
    await talk(world.agent(TWO, model=OLD_HAIKU, tools=[OLD_CODE]), "[build] small", "Now test it.", "And more.")
    world.planner.advance(400)
    await talk(world.agent(TWO, model=OLD_HAIKU, tools=[OLD_CODE], system="Kept."), "[build] mine", "Test.", keeps=True)
    await talk(world.agent(TWO, tools=[CODE, CODE_WEATHER], system="Brief."), "[pending] go on")
    await talk(world.agent(ONE, model=SONNET, tools=[], system="None."), "Hello.", "Again.")
    for number in range(3):
        world.planner.advance(100)
        await talk(world.agent(TWO, model=HAIKU, tools=[OLD_CODE]), f"[short] number {number}")
    return sent


def recorded(directory: Path, book: RuleBook) -> list[Entry]:
    """The ledger of that traffic."""
    found: list[Entry] = []

    async def work(world: World) -> None:
        found.extend(await world.planner.entries(await traffic(world)))

    within(directory, work, book=book)
    return found


def replayed(entries: list[Entry], book: RuleBook) -> list[tuple[Entry, Played]]:
    """Every entry that is in the trace, beside what a replay makes of it."""
    transcript, player, found = Transcript(), Player(book, stage(book)), []
    for entry in entries:
        line = transcript.trace_line(entry)
        if line is not None:
            found.append((entry, player.play(line)))
    return found


def ended(decisions: tuple[Decision, ...]) -> list[tuple[str, str | None, str | None]]:
    """How they ended, why, and by which policy."""
    return [(each.outcome.value, each.reason, each.policy) for each in decisions]


def distance(entry: Entry, played: Played) -> int:
    """By how many tokens the class that differs most is off."""
    settled, whole = entry.tokens or TokenClasses(), played.response.whole
    names = TokenClasses.__struct_fields__
    return max(abs(int(getattr(settled, name)) - int(getattr(whole, name))) for name in names)


def test_a_ledger_played_again_decides_and_bills_the_same(tmp_path: Path) -> None:
    """Of requests that may run code every decision is the same; tokens are, to one an iteration, and the bill is."""
    book = deciding({"policies/shipped.yaml": POLICY})
    pairs = replayed(recorded(tmp_path, book), book)
    assert len(pairs) >= 16
    with_code = [(entry, played) for entry, played in pairs if entry.prefix is not None]
    assert len(with_code) == len(pairs) - 2
    outcomes = set()
    for entry, played in with_code:
        assert ended(played.plan.decisions) == ended(entry.decisions), played.line
        outcomes |= {each.outcome.value for each in entry.decisions}
    assert outcomes >= {"applied", "kept", "declined", "threaded", "caller", "none"}
    charges = {entry.code.charge for entry, _ in with_code if entry.code is not None}
    assert charges >= {"free", "billed", "covered"}
    for entry, played in pairs:
        assert entry.shape is not None
        assert distance(entry, played) <= entry.shape.iterations, played.line
        assert played.response.first.prompt - entry.shape.added_tokens == entry.shape.prompt_tokens
    costs = [(entry.cost_nano or 0, sum((played.response.bill or {}).values())) for entry, played in pairs]
    ledger, replay = sum(cost for cost, _ in costs), sum(bill for _, bill in costs)
    assert abs(replay - ledger) <= BOUND * ledger, (replay, ledger)


def test_the_exported_trace_can_be_played(tmp_path: Path) -> None:
    """By the commands, as a person would: export, replay, and a comparison with rules that never bundle."""
    book = deciding({"policies/shipped.yaml": POLICY})
    entries = recorded(tmp_path, book)
    store = ("--store", f"sqlite:///{tmp_path}/ledger.db")
    exported = CliRunner().invoke(main, ["export", "--format", "trace", *store])
    assert exported.exit_code == 0
    assert exported.stderr == "planner: left out: 2 of other endpoints\n"
    rules = tmp_path / "rules"
    (rules / "policies").mkdir(parents=True)
    (rules / "policies/ours.yaml").write_text(POLICY)
    trace = tmp_path / "trace.jsonl"
    trace.write_bytes(exported.stdout_bytes)
    chosen = [word for key, value in NO_FREE_HOURS.items() for word in ("--set", f"{key}={value}")]
    result = CliRunner().invoke(main, ["replay", str(trace), "--rules", str(rules), "--json", *chosen])
    assert result.exit_code == 0, result.output
    sides = {side["name"]: side["total_nano"] for side in msgspec.json.decode(result.stdout)["sides"]}
    told = sum((played.response.bill or {}).get(kind, 0) for _, played in replayed(entries, book) for kind in ALL)
    assert sides["rules"] == told
    never = tmp_path / "never"
    (never / "policies").mkdir(parents=True)
    (never / "policies/ours.yaml").write_text(POLICY.replace("when-cheaper", "never"))
    diffs = [
        msgspec.json.decode(
            CliRunner().invoke(main, ["rules", "diff", str(rules), str(never), *how, *chosen, "--json"]).stdout
        )
        for how in (store, ("--trace", str(trace)))
    ]
    for name in ("traffic", "decisions", "money"):
        assert diffs[0][name] == diffs[1][name]
    assert diffs[0]["money"]["before_nano"] == sides["rules"]
    assert diffs[0]["money"]["moved_nano"] == diffs[0]["money"]["after_nano"] - sides["rules"] != 0
    assert run(read_ledger(tmp_path / "ledger.db")) == entries


ALL = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output", "web_search", "code_execution")
