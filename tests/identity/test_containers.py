"""Clients that handle containers well, badly or not at all: the right id goes up, or none."""

from pathlib import Path

from tests.identity.agent import CODE, CODE_WEATHER, MODEL, World, bundled, contained, deciding, results, within
from tests.identity.test_conversations import BEGUN, REPEATED

THREADS = "message-threads-2026-08-12"


def test_a_thread_continuation_gets_no_tool_and_its_container(tmp_path: Path) -> None:
    """The tools stand in the thread already, ours among them; the code stays free, in the ledger as on the bill."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent(thread={"type": "create"})
        agent.headers["anthropic-beta"] = THREADS
        answer = first = await agent.say("[build]")
        assert first.plan == BEGUN
        for _ in range(2):
            thread = {"type": "continue", "previous_message_id": answer.message["id"]}
            messages = [{"role": "user", "content": "go on"}]
            answer = await agent.send({"model": MODEL, "max_tokens": 4096, "thread": thread, "messages": messages})
            assert answer.status == 200
            assert answer.plan["bundle"].endswith(":thread-continuation")
            assert answer.plan["container"] == "threaded"
            assert world.last.body == contained(answer.sent, first.container)
            assert answer.container == first.container
        entries = await world.planner.entries(4)
        charged = [entry.code.charge for entry in entries if entry.code is not None]
        assert charged == ["free"] * 3
        assert world.planner.simulator.bill.totals["code_execution"] == 0

    within(tmp_path, work)


def test_a_pending_call_of_a_client_that_forgets_the_container(tmp_path: Path) -> None:
    """Without the id the API would answer 400: it is put in; a client that keeps it is left to it."""

    async def work(world: World) -> None:
        await world.introduce()
        for keeps in (False, True):
            agent = world.agent(tools=[CODE, CODE_WEATHER], system=f"Be brief. {keeps}")
            first = await agent.say("[pending]")
            assert (first.status, first.plan) == (200, BEGUN)
            kept = {"container": first.container} if keeps else {}
            second = await agent.say(results(first), **kept)
            assert second.status == 200, second.message
            assert second.plan["bundle"] == "kept:repeated"
            assert second.plan["container"] == ("caller" if keeps else "threaded:pending-call")
            assert world.last.json()["container"] == first.container
            assert world.last.json()["tools"] == world.planner.heard[-2].json()["tools"]

    within(tmp_path, work)


def test_a_pending_call_from_elsewhere_is_the_callers(tmp_path: Path) -> None:
    """A history that this planner never saw gets no id, since it has none: the API's own error comes back."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent(tools=[CODE, CODE_WEATHER])
        agent.address, through_us = world.planner.direct, agent.address
        first = await agent.say("[pending]", stream=None)
        agent.address = through_us
        second = await agent.say(results(first))
        assert second.status == 400
        assert "container_id is required" in second.message["error"]["message"]
        assert world.last.body == second.sent

    within(tmp_path, work)


def test_a_callers_own_container_is_never_replaced(tmp_path: Path) -> None:
    """Whatever id the caller sends goes up, also one that the API then refuses."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent()
        await agent.say("[build]")
        wrong = await agent.say("go on", container="container_of_mine")
        assert wrong.status == 400
        assert wrong.plan == REPEATED | {"container": "caller"}
        assert world.last.body == bundled(wrong.sent)
        assert (await world.planner.entries(3))[-1].attempts == 1

    within(tmp_path, work)


def test_a_container_past_its_expiry_is_not_offered(tmp_path: Path) -> None:
    """After five idle minutes the id may be dead; the bundle stays."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent()
        first = await agent.say("[build]")
        world.planner.advance(301)
        second = await agent.say("go on")
        assert second.plan["bundle"] == "kept:repeated"
        assert second.plan["container"] == "declined:expired"
        assert world.last.body == bundled(second.sent)
        assert second.container != first.container

    within(tmp_path, work)


def test_planner_mode_off_is_off_for_one_request(tmp_path: Path) -> None:
    """The caller's own word counts, also in the middle; the next request goes on as before."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent()
        first = await agent.say("[build]")
        agent.headers["planner-mode"] = "off"
        second = await agent.say("go on")
        assert second.plan == {"version": "kept:off", "bundle": "declined:off", "container": "none:off"}
        assert world.last.body == second.sent
        assert world.last.values("planner-mode") == []
        del agent.headers["planner-mode"]
        third = await agent.say("go on")
        assert third.plan["bundle"] == "kept:repeated"
        assert third.container != first.container

    within(tmp_path, work)


def test_a_session_of_the_callers_own(tmp_path: Path) -> None:
    """Where a policy says so, `planner-session` carries a container over to the next conversation of its principal."""

    async def work(world: World) -> None:
        await world.introduce("sk-ant-one", "sk-ant-two")
        agent = world.agent()
        agent.headers["planner-session"] = "nightly"
        first = await agent.say("[build]")
        beginner = agent.fork()
        agent.messages = []
        second = await agent.say("[build] once more")
        assert second.plan["container"] == "threaded"
        assert second.container == first.container
        again = await beginner.say("go on")  # joining takes it from nobody
        assert (again.plan["container"], again.container) == ("threaded", first.container)
        other = world.agent("sk-ant-two")
        other.headers["planner-session"] = "nightly"
        third = await other.say("[build]")
        assert third.plan["container"] == "none"
        assert third.container != first.container
        assert all(heard.values("planner-session") == [] for heard in world.planner.heard)
        begun = [each.shape for each in await world.planner.entries(6) if each.shape and each.shape.begins]
        assert len(begun) >= 3
        assert all(shape.after is None for shape in begun)  # it joined a container, and continues nothing

    policy = "policies: [{name: s, why: Ours., mode: enforce, then: {container: session, bundle: when-cheaper}}]"
    within(tmp_path, work, book=deciding({"policies/shipped.yaml": policy}))


def test_a_session_goes_on_where_no_id_tells(tmp_path: Path) -> None:
    """A history whose ids were lost finds its container by the session; a conversation that begins does not."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent()
        agent.headers["planner-session"] = "nightly"
        first = await agent.say("[build]")
        new = agent.fork()
        agent.messages = [*agent.messages[:1], {"role": "assistant", "content": "It builds."}]
        second = await agent.say("go on")
        assert second.plan == REPEATED
        assert world.last.body == bundled(second.sent, first.container)
        new.messages = []
        third = await new.say("[build] another")
        assert third.plan == BEGUN
        assert third.container != first.container

    within(tmp_path, work)
