"""Asking what would be done: the answer is what would be, and nothing is the other for having been asked."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.clock import VirtualClock
from planner.core.agents import profile_key
from planner.core.conversations import Scope, root_key
from planner.core.preview.told import Asker, Explanation
from planner.core.reasons import Reason
from planner.core.rulebook.book import CallerRow, Callers
from planner.core.wire import MessagesRequest, WireError
from planner.proxy.asking import Asking
from planner.proxy.inforce import InForce
from planner.proxy.memory import Glance
from planner.stores import StoreError
from tests.core.learning.test_profile_laws import SEEN
from tests.doubles.deciding import NEW_SEARCH, NEWER_CODE, PENDING, RAN, USER, body, conversation, turn
from tests.doubles.stored import START, Mind
from tests.proxy.test_planning import BOOK, FRESH, ON, Mindful, outcomes, plan

KEY1 = Asker(principal="key-1", scope=Scope("org-1", "workspace-1"))
BODIES = (
    FRESH,
    body(tools=[NEWER_CODE], messages=ON),
    body(tools=[NEWER_CODE, NEW_SEARCH]),
    body(tools=[]),
    body(messages=RAN),
    body(messages=PENDING),
    body(tools=[NEWER_CODE], messages=[USER, *ON]),
)


def asking(mind: Mind, mindful: Mindful, *, stop: Reason | None = None) -> Asking:
    """What may be asked of a process."""
    clock = VirtualClock(START)
    glance = Glance(mind.memory, mindful.store)
    return Asking(glance, mind.hours, mind.experience, stop=stop, rules=InForce(mind.book, clock), clock=clock)


def told(found: Explanation) -> dict[str, str]:
    """Each action's outcome and reason."""
    return {each.action: f"{each.outcome}:{each.reason or ''}" for each in found.decisions[:3]}


def state(mind: Mind) -> dict[str, Any]:
    """All that a process holds, in its order."""
    kept = {name: repr(value) for name, value in vars(mind.memory).items() if name not in {"_store", "lent"}}
    learnt = mind.experience
    return kept | {
        "lent": repr(vars(mind.memory.lent)),
        "hours": repr(sorted(mind.hours._counted)),  # noqa: SLF001 - what nobody else tells
        "epochs": repr(vars(learnt.epochs)),
        "profiles": repr({name: str(value) for name, value in vars(learnt.profiles).items()}),
        "sizes": repr(learnt.sizes.snapshot()),
        "metrics": mind.metrics.text(mind.metrics.gauges()),
        "store": repr((mindful_rows(mind), mind.said.getvalue())),
    }


def mindful_rows(mind: Mind) -> tuple[Any, ...]:
    """What its store holds."""
    store = mind.store
    return store.settled, sorted(store.turns), sorted(store.conversations), store.known_scopes, sorted(store.kept)


def with_mind(tmp_path: Path, scenario: Callable[[Mindful, Mind], Awaitable[None]]) -> None:
    """Run something in a process that has just started."""

    async def whole() -> None:
        mindful = Mindful(tmp_path)
        await scenario(mindful, await mindful.mind())

    asyncio.run(whole())


@pytest.mark.parametrize("sent", BODIES)
def test_what_is_told_is_what_is_done(tmp_path: Path, sent: bytes) -> None:
    """Before the conversation began, and after it."""

    async def scenario(mindful: Mindful, mind: Mind) -> None:
        for _ in range(2):
            asked = told(await asking(mind, mindful).request(sent, KEY1))
            assert asked == outcomes(await plan(mind, sent))

    with_mind(tmp_path, scenario)


def experienced(mind: Mind) -> None:
    """Let a process know an agent's habits, two turns, and a conversation that only the store knows with an edit."""
    request = MessagesRequest.parse(FRESH)
    for _ in range(50):
        mind.experience.profiles.observe(profile_key(request, "key-1"), SEEN, START)
    for number in (1, 2):
        mind.memory.learn_turn(turn(message_id=f"msg_{number}", call_ids=(f"srvtoolu_{number}",)))
    root = root_key(request, "key-1")
    mind.memory.begin(conversation(root=root), START, decided=False)


def test_asking_leaves_no_trace(tmp_path: Path) -> None:
    """Neither in memory nor in what is learnt, counted or stored; also by a process that knows nothing yet."""

    async def scenario(mindful: Mindful, mind: Mind) -> None:
        await plan(mind, FRESH)
        new, other = await mindful.mind(), await mindful.mind()
        experienced(other)
        for process in (mind, new, other):
            before = state(process)
            for sent in (*BODIES, *BODIES):
                await asking(process, mindful).request(sent, KEY1)
                await asking(process, mindful).request(sent, Asker(principal="new", scope=Scope("new", "w")))
            after = state(process)
            assert {name for name in before if before[name] != after[name]} == set()

    with_mind(tmp_path, scenario)


def test_a_conversation_that_is_known_goes_on(tmp_path: Path) -> None:
    """What was done to its first request is told again, and that it is not the first."""

    async def scenario(mindful: Mindful, mind: Mind) -> None:
        on = body(tools=[NEWER_CODE], messages=ON)
        first = await asking(mind, mindful).request(FRESH, KEY1)
        assert (told(first)["bundle"], first.assumed["first_request"]) == ("applied:", True)
        assert told(await asking(mind, mindful).request(on, KEY1))["bundle"] == "declined:mid-conversation"
        await plan(mind, FRESH)
        again = await asking(mind, mindful).request(on, KEY1)
        assert (told(again)["bundle"], again.body, again.assumed["first_request"]) == ("kept:repeated", "edited", False)

    with_mind(tmp_path, scenario)


@pytest.mark.parametrize(
    ("stop", "mode", "bundle"),
    [
        (None, None, "applied:"),
        (None, "observe", "shadow:observe"),
        (None, "off", "declined:off"),
        (Reason.OBSERVE, None, "shadow:observe"),
        (Reason.OBSERVE, "plan", "applied:"),
        (Reason.DRAINING, None, "shadow:draining"),
    ],
)
def test_the_mode_is_the_processs_unless_one_is_said(
    tmp_path: Path, stop: Reason | None, mode: Any, bundle: str
) -> None:
    """`plan` tells what a process that observes would do."""

    async def scenario(mindful: Mindful, mind: Mind) -> None:
        asker = msgspec.structs.replace(KEY1, mode=mode)
        assert told(await asking(mind, mindful, stop=stop).request(FRESH, asker))["bundle"] == bundle

    with_mind(tmp_path, scenario)


def test_who_asks(tmp_path: Path) -> None:
    """By name or key, answered where its key was, unless the question says otherwise."""
    row = CallerRow(name="reports", keys=("b", "a"), team="finance", flags=("zdr",))

    async def scenario(mindful: Mindful, mind: Mind) -> None:
        mind.book = msgspec_book(Callers((row,)))
        for principal in ("reports", "a"):
            found = (await asking(mind, mindful).request(FRESH, Asker(principal=principal))).assumed
            assert (found["principal"], found["team"], found["flags"]) == ("reports", "finance", ("zdr",))
            assert (found["organization"], found["workspace"]) == ("org-1", "workspace-1")
        other = Asker(
            principal="reports", scope=Scope("o", "w"), team="web", tags="project=alpha", billing="subscription"
        )
        found = (await asking(mind, mindful).request(FRESH, other)).assumed
        assert (found["organization"], found["team"], found["project"]) == ("o", "web", "alpha")
        assert found["subscription"]
        stranger = await asking(mind, mindful).request(FRESH, Asker())
        assert told(stranger)["bundle"] == "declined:unknown-scope"

    with_mind(tmp_path, scenario)


def msgspec_book(callers: Callers) -> Any:
    """The book of these tests with callers."""
    parts = {name: getattr(BOOK, name) for name in ("prices", "catalog", "policies", "settings")}
    return type(BOOK)(**parts, callers=callers)


def test_what_cannot_be_answered(tmp_path: Path) -> None:
    """A body that is none, and a store that is gone."""

    async def scenario(mindful: Mindful, mind: Mind) -> None:
        with pytest.raises(WireError):
            await asking(mind, mindful).request(b"[", KEY1)
        mindful.store.broken = True
        with pytest.raises(StoreError):
            await asking(mind, mindful).request(FRESH, KEY1)

    with_mind(tmp_path, scenario)


def test_a_workflow_is_planned_with_the_hours_that_are_left(tmp_path: Path) -> None:
    """Those of the organization of whoever asks, under the rules in force."""
    text = b"workflow: w\nmodel: claude-haiku-5-5\nsteps:\n  - {name: a, prompt: 10, output: 10, live: true}\n"

    async def scenario(mindful: Mindful, mind: Mind) -> None:
        found = await asking(mind, mindful).workflow(text, KEY1)
        assert found.plan is not None
        assert (found.plan.file, found.plan.free_hours_left) == ("workflow.yaml", 0.0)
        assert found.plan.digests["rules"] == BOOK.digest
        assert sorted(mind.hours._counted) == []  # noqa: SLF001 - as above

    with_mind(tmp_path, scenario)
