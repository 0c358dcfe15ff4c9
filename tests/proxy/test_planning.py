"""A planner that cannot decide forwards untouched and says why; what stops deciding never stops repeating."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.core.conversations import Scope, session_key
from planner.core.reasons import Reason, plan_header
from planner.core.rulebook.book import RuleBook
from planner.core.rulefile import load
from planner.proxy.callers import ANONYMOUS, Caller
from planner.proxy.gathering import LARGE
from planner.proxy.planning import BUDGET_SECONDS, Planned
from planner.rulesource import read_files
from tests.doubles.deciding import ANSWER, NEW_SEARCH, NEWER_CODE, PENDING, RAN, USER, body, turn
from tests.doubles.proxy import run
from tests.doubles.stored import START, MemoryStore, Mind

HERE = Scope("org-1", "workspace-1")
CALLER = Caller(principal="key-1", account="a")
BOOK = load(read_files(None), {"free_hours.limit": "0", "tool_tokens.web_fetch_20260318": "40"})
FRESH = body(tools=[NEWER_CODE])
ON = [USER, ANSWER, {"role": "user", "content": "And now?"}]


class Mindful:
    """One process after another on one store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = MemoryStore()
        self.store.known_scopes["a"] = HERE

    async def mind(self, *, stop: Reason | None = None, book: RuleBook = BOOK) -> Mind:
        """A process that has just started."""
        mind = Mind(self.directory, book, self.store, stop)
        await mind.memory.load()
        return mind


async def plan(mind: Mind, sent: bytes, **caller: Any) -> Planned:
    """What becomes of a request that is then sent."""
    found = await mind.planning.plan(sent, msgspec.structs.replace(CALLER, **caller), START, mind.book)
    mind.learning.sending(found, START)
    await mind.flush()
    return found


def outcomes(found: Planned) -> dict[str, str]:
    """Each action's outcome and reason."""
    return {each.action.value: f"{each.outcome}:{each.reason or ''}" for each in found.plan.decisions[:3]}


def test_a_conversation_that_begins_is_decided_on(tmp_path: Path) -> None:
    """And repeated byte for byte on its next request."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        first = await plan(mind, FRESH)
        assert outcomes(first)["bundle"] == "applied:"
        assert first.plan.free
        assert b"web_fetch_20260318" in first.body
        second = await plan(mind, body(tools=[NEWER_CODE], messages=ON))
        assert outcomes(second)["bundle"] == "kept:repeated"
        assert second.plan.tool_edit == first.plan.tool_edit

    run(scenario())


@pytest.mark.parametrize("cause", ["store", "time-budget", "bug"])
def test_what_cannot_be_decided_goes_as_it_came(tmp_path: Path, cause: str) -> None:
    """Counted by its cause and said in every decision; the next one that begins in the same words is decided."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        mind.store.broken, mind.store.hanging = cause == "store", cause == "time-budget"
        broken = Broken() if cause == "bug" else mind.hours
        mind.planning._gathering._hours = broken  # type: ignore[assignment]  # noqa: SLF001 - a bug, made for the test
        found = await plan(mind, FRESH)
        reason = "time-budget" if cause == "time-budget" else "error"
        assert set(outcomes(found).values()) == {f"failed-open:{reason}"}
        assert (found.body, found.plan.edits) == (FRESH, ())
        assert found.plan.conversation is not None
        assert found.plan.conversation.edit.empty
        assert mind.metrics.fail_open.values == {(cause,): 1}
        mind.store.broken = mind.store.hanging = False
        mind.planning._gathering._hours = mind.hours  # noqa: SLF001 - as above
        assert outcomes(await plan(mind, FRESH))["bundle"] == "applied:"
        assert "Add up the column" not in mind.said.getvalue()

    run(scenario())


def test_who_cannot_be_known_again_is_not_edited(tmp_path: Path) -> None:
    """Without a key everyone is the same caller; a session of its own makes one of them."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        assert outcomes(await plan(mind, FRESH, principal=ANONYMOUS))["bundle"] == "declined:rotating-token"
        other = body(tools=[NEWER_CODE], system="other")
        assert outcomes(await plan(mind, other, principal=ANONYMOUS, session="s"))["bundle"] == "applied:"

    run(scenario())


class Broken:
    """A bug."""

    def pool(self, *_: object) -> None:
        """Fail as bugs do."""
        raise ZeroDivisionError("Add up the column")


def test_code_of_the_callers_own_is_free_whatever_fails(tmp_path: Path) -> None:
    """The bill does not ask why a request was not planned."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        mind.store.broken = True
        assert (await plan(mind, body(tools=[NEWER_CODE, NEW_SEARCH]))).plan.free
        assert not (await plan(mind, FRESH)).plan.free

    run(scenario())


def test_a_conversation_is_repeated_while_the_store_is_down(tmp_path: Path) -> None:
    """What is in memory needs no store."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        await plan(mind, FRESH)
        mind.store.broken = True
        assert outcomes(await plan(mind, body(tools=[NEWER_CODE], messages=ON)))["bundle"] == "kept:repeated"

    run(scenario())


def test_a_slow_store_stops_deciding_and_not_repeating(tmp_path: Path) -> None:
    """Taking an edit away breaks a conversation, so its middle is waited for longer than its beginning."""

    async def scenario() -> None:
        world = Mindful(tmp_path)
        await plan(await world.mind(), FRESH)
        world.store = Slow(world.store)
        mind = await world.mind()
        assert outcomes(await plan(mind, body(tools=[NEWER_CODE], messages=ON)))["bundle"] == "kept:repeated"
        new = body(tools=[NEWER_CODE], system="Another one.")
        assert outcomes(await plan(mind, new))["bundle"] == "failed-open:time-budget"

    run(scenario())


class Slow(MemoryStore):
    """Knows what another store knows, but takes longer than deciding may."""

    def __init__(self, other: MemoryStore) -> None:
        super().__init__()
        self.turns, self.conversations, self.known_scopes = other.turns, other.conversations, other.known_scopes

    async def conversation(self, root: str) -> Any:
        """The conversation with a root, once the shorter of the two budgets is surely spent."""
        budget = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(2 * BUDGET_SECONDS, budget.set_result, None)
        await budget
        return await super().conversation(root)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", Reason.UNPARSABLE),
        (b"{", Reason.UNPARSABLE),
        (b"[]", Reason.UNPARSABLE),
        (b'{"model": "\xff"}', Reason.UNPARSABLE),
        (b"[" * 100_000, Reason.UNPARSABLE),
        (b"{}", Reason.NO_CODE_EXECUTION),
        (body(tools=None), Reason.NO_CODE_EXECUTION),
        (FRESH.replace(b'"tools"', b'"tools": [], "tools"', 1), Reason.EDIT_REFUSED),
    ],
    ids=["empty", "cut", "list", "latin", "deep", "bare", "no tools", "tools twice"],
)
def test_bodies_that_are_left_alone(tmp_path: Path, sent: bytes, reason: Reason) -> None:
    """They go up as they came, and the API says what is wrong with them."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        found = await plan(mind, sent)
        assert found.body == sent
        assert plan_header(found.plan.decisions) == (
            f"version=kept;reason={reason}, bundle=declined;reason={reason}, container=none;reason={reason}"
        )
        assert mind.metrics.fail_open.values == {}

    run(scenario())


def test_a_large_body_is_planned_like_a_small_one(tmp_path: Path) -> None:
    """Off the event loop, with the same end."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        text = "x" * (LARGE + 1)
        large = [{"role": "user", "content": text}]
        first = await plan(mind, body(tools=[NEWER_CODE], messages=large, model="claude-opus-5-5"))
        again = [*large, *ON[1:]]
        second = await plan(mind, body(tools=[NEWER_CODE], messages=again, model="claude-opus-5-5"))
        known = first.plan.conversation
        assert known is not None
        assert second.plan.conversation == known
        assert second.plan.decisions[0].reason is not Reason.MID_CONVERSATION

    run(scenario())


@pytest.mark.parametrize(
    ("stop", "mode", "bundle"),
    [
        (Reason.OBSERVE, "plan", "shadow:observe"),
        (Reason.DRAINING, "plan", "shadow:draining"),
        (None, "observe", "shadow:observe"),
        (Reason.DRAINING, "observe", "shadow:draining"),
        (None, "off", "declined:off"),
        (Reason.OBSERVE, "off", "declined:off"),
    ],
)
def test_flags_and_modes(tmp_path: Path, stop: Reason | None, mode: str, bundle: str) -> None:
    """The process and the caller can each stop deciding; only the caller's `off` stops repeating too."""

    async def scenario() -> None:
        world = Mindful(tmp_path)
        await plan(await world.mind(), FRESH)
        mind = await world.mind(stop=stop)
        new = body(tools=[NEWER_CODE], system="Another one.")
        fresh = await plan(mind, new, mode=mode)
        assert (fresh.body, outcomes(fresh)["bundle"]) == (new, bundle)
        later = await plan(mind, body(tools=[NEWER_CODE], messages=ON), mode=mode)
        assert outcomes(later)["bundle"] == ("declined:off" if mode == "off" else "kept:repeated")
        assert later.edited == (mode != "off")
        lifted = await plan(await world.mind(), new)
        assert outcomes(lifted)["bundle"] == "applied:", "what was left alone for the moment is decided on later"

    run(scenario())


def policies(container: str) -> RuleBook:
    """The rule book with one policy."""
    text = f"policies: [{{name: p, why: A test., mode: enforce, then: {{container: {container}}}}}]"
    return load(read_files(None) | {"policies/shipped.yaml": text.encode()})


@pytest.mark.parametrize(
    ("policy", "principal", "scope", "expected"),
    [
        ("session", "key-1", HERE, "threaded"),
        ("conversation", "key-1", HERE, "none"),
        ("never", "key-1", HERE, "none"),
        ("session", "key-2", HERE, "none"),
        ("session", "key-1", Scope("org-1", "workspace-2"), "none"),
    ],
)
def test_a_session_of_the_callers_own(tmp_path: Path, policy: str, principal: str, scope: Scope, expected: str) -> None:
    """A conversation that begins goes on in it where a policy says so, within principal and scope."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind(book=policies(policy))
        key = session_key("key-1", HERE, "nightly")
        mind.memory.learn_turn(turn(session=key, opened_at=START, expires_at=START.replace(hour=13)))
        mind.memory.learn_scope("a", scope)
        found = await plan(mind, FRESH, principal=principal, session="nightly")
        assert outcomes(found)["container"].split(":")[0] == expected

    run(scenario())


def test_one_request_at_a_time(tmp_path: Path) -> None:
    """A busy container is not lent; the first to go on has it, a fork never."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        mind.memory.learn_turn(turn(opened_at=START, expires_at=START.replace(hour=13)))
        sent = body(tools=[NEWER_CODE], messages=RAN)
        first = await plan(mind, sent)
        assert outcomes(first)["container"] == "threaded:"
        assert outcomes(await plan(mind, sent))["container"] == "declined:busy"
        assert first.lease is not None
        first.lease.apply("answered")
        assert outcomes(await plan(mind, sent))["container"] == "none:fork"
        own = await plan(mind, body(tools=[NEWER_CODE], messages=RAN, container="container_9"))
        assert (outcomes(own)["container"], own.lease, own.container) == ("caller:", None, "container_9")

    run(scenario())


def test_a_pending_call_always_gets_its_container(tmp_path: Path) -> None:
    """Busy, gone on from or lost, and twice at once."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        mind.memory.learn_turn(turn(opened_at=START, expires_at=START.replace(hour=13)))
        sent = body(tools=[NEWER_CODE], messages=PENDING)
        for event in ("claim", "lost"):
            found = await plan(mind, sent)
            assert outcomes(found)["container"] == "threaded:pending-call"
            assert found.container == "container_1"
            assert found.lease is not None
            found.lease.apply(event)

    run(scenario())


def test_tools_that_free_code_by_themselves(tmp_path: Path) -> None:
    """A web tool newer than the catalog frees code by "or later", also where no code execution is declared."""

    async def scenario() -> None:
        mind = await Mindful(tmp_path).mind()
        newest = {"type": "web_search_20990101", "name": "web_search"}
        found = await plan(mind, body(tools=[newest]))
        assert (found.plan.free, outcomes(found)["bundle"]) == (True, "declined:no-code-execution")

    run(scenario())
