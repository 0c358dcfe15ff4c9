"""What an answer teaches: leases come back, turns are found again, and what was refused is not done twice."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from planner.core.breaker import Blame, retreat
from planner.core.containers import State
from planner.core.conversations import Scope, ToolEdit, turn_key
from planner.core.exchange import Exchange
from planner.core.ledger.entry import Digests, Ending, Entry, Latency, Mode
from planner.core.reasons import Outcome, Reason
from planner.core.rulebook.book import FreeHoursSettings
from planner.core.settlement import Session, Terms
from planner.proxy.callers import Caller
from planner.proxy.learning import Answered
from planner.proxy.planning import Planned
from planner.proxy.relay import Relay, marked
from tests.doubles.deciding import ANSWER, NEW_SEARCH, NEWER_CODE, RAN, USER, body, turn
from tests.doubles.messages import message
from tests.doubles.proxy import run
from tests.doubles.stored import START, MemoryStore, Mind
from tests.proxy.test_planning import BOOK, CALLER, HERE


def ran(call: str = "srvtoolu_9") -> list[dict[str, Any]]:
    """A message in which code ran."""
    result = {"type": "bash_code_execution_tool_result", "tool_use_id": call, "content": {"type": "x"}}
    return [{"type": "server_tool_use", "id": call, "name": "bash_code_execution", "input": {}}, result]


RUNS = ran()
WHERE = [
    (b"content-type", b"application/json"),
    (b"anthropic-organization-id", HERE.organization.encode()),
    (b"anthropic-workspace-id", HERE.workspace.encode()),
]
CONTAINER = {"id": "container_1", "expires_at": "2026-11-22T13:00:00Z"}
ANEW = CONTAINER | {"id": "container_2"}
FRESH = body(tools=[NEWER_CODE])
GOING_ON = body(tools=[NEWER_CODE], messages=RAN)


def intent(at: datetime) -> Entry:
    """A request as it is written down before it is sent."""
    return Entry(
        request_id="1",
        at=at.isoformat(timespec="microseconds"),
        principal="key-1",
        organization="declared",
        workspace="declared",
        endpoint="messages",
        method="POST",
        mode="plan",
        digests=Digests("r", "p"),
    )


class Told(msgspec.Struct):
    """A process that is told of answers, and the time of the next request."""

    mind: Mind
    at: datetime = START

    async def send(self, sent: bytes, caller: Caller = CALLER) -> Planned:
        """Plan a request, and send it."""
        found = await self.mind.planning.plan(sent, caller, self.at, self.mind.book)
        self.mind.learning.sending(found, self.at)
        return found

    def answer(
        self,
        planned: Planned,
        *,
        status: int = 200,
        ending: Ending = "ok",
        blamed: Blame | None = None,
        where: list[tuple[bytes, bytes]] = WHERE,
        stream: list[tuple[float, bytes]] | None = None,
        **members: Any,
    ) -> Entry:
        """Let a request be answered after two seconds, with a message of these members, and learn from it.

        A `stream` is fed instead, each chunk at its moment.
        """
        request = planned.request
        assert request is not None
        plan = planned.plan if blamed is None else retreat(planned.plan, request, blamed, BOOK)
        assert plan is not None
        sent = msgspec.structs.replace(planned, plan=plan)
        asked = msgspec.structs.replace(intent(self.at), decisions=plan.decisions)
        terms = Terms(at=self.at, model="")
        exchange = Exchange(asked, terms, BOOK, billing="message", trail=planned.trail)
        exchange.begin(status, where)
        for at, chunk in stream or [(0.0, message(**({"container": CONTAINER} | members)))]:
            exchange.feed(chunk, at)
        sessions = self.mind.learning.sessions(sent.container)
        terms = Terms(
            at=self.at, model="", edit=plan.tool_edit, free=plan.free, threaded=plan.threaded, sessions=sessions
        )
        entry = exchange.settle(ending, Latency(total=2.0, first_byte=1.0, overhead=0.0), terms)
        progress = Relay(plan=plan, blamed=blamed, refused=blamed is Blame.CONTAINER)
        entry = marked(entry, progress, planned, exchange.told)
        self.mind.learning.settled(
            Answered(planned=planned, sent=sent, blamed=blamed, entry=entry, exchange=exchange, account="a")
        )
        return entry

    async def restarted(self, directory: Path) -> "Told":
        """Another process on what this one wrote down."""
        await self.mind.flush()
        mind = Mind(directory / "again", BOOK, self.mind.store)
        await mind.memory.load()
        return Told(mind, self.at)


async def told(directory: Path, **known: Any) -> Told:
    """A process that knows where its caller is answered, and, with members of a turn, that turn."""
    mind = Mind(directory, BOOK, MemoryStore())
    mind.store.known_scopes["a"] = HERE
    await mind.memory.load()
    if known:
        mind.memory.learn_turn(turn(**({"opened_at": START, "expires_at": START + timedelta(hours=1)} | known)))
    return Told(mind)


def test_a_caller_that_goes_on_before_the_answer_was_read(tmp_path: Path) -> None:
    """It has the last event of a stream before its end: thinking that is not known yet is no stranger's."""

    async def scenario() -> None:
        here = await told(tmp_path)
        thought = [{"type": "thinking", "thinking": "Hm.", "signature": "c2VhbGVk"}]
        history = [USER, {"role": "assistant", "content": thought}, {"role": "user", "content": "Go on."}]
        first = await here.send(FRESH)
        early = await here.send(body(tools=[NEWER_CODE], messages=history))
        assert early.plan.tool_edit == first.plan.tool_edit
        here.answer(first, content=thought, container=None)
        here.answer(early, content=ran(), container=None)
        assert not (await here.send(body(tools=[NEWER_CODE], messages=history))).plan.tool_edit.empty
        history[1] = {"role": "assistant", "content": [thought[0] | {"signature": "c3RyYW5nZQ=="}]}
        here.mind.learning.abandoned(await here.send(FRESH))
        last = await here.restarted(tmp_path)
        assert (await last.send(body(tools=[NEWER_CODE], messages=history))).plan.tool_edit.empty

    run(scenario())


def test_the_minimum_is_charged_once_where_planning_failed(tmp_path: Path) -> None:
    """What a request bills in a container does not depend on whether it was planned."""

    async def scenario() -> None:
        here = await told(tmp_path)
        here.mind.store.broken = True
        first = await here.send(FRESH)
        assert first.plan.decisions[0].outcome is Outcome.FAILED_OPEN
        first = msgspec.structs.replace(first, plan=msgspec.structs.replace(first.plan, conversation=None))
        here.mind.store.broken = False
        own = body(tools=[NEWER_CODE], messages=RAN, container="container_1", model="claude-haiku-4-5")
        entries = [here.answer(first, content=RUNS), here.answer(await here.send(own), content=RUNS)]
        assert [entry.code and entry.code.charge for entry in entries] == ["billed", "covered"]

    run(scenario())


def test_a_scope_that_was_only_declared_is_not_learnt(tmp_path: Path) -> None:
    """Else a mistake in `callers.yaml` would outlive its correction."""

    async def scenario() -> None:
        here = Told(Mind(tmp_path, BOOK, MemoryStore()))
        declared = msgspec.structs.replace(CALLER, organization="declared", workspace="declared")
        entry = here.answer(await here.send(FRESH, declared), content=RUNS, where=WHERE[:1])
        assert entry.organization == "declared"
        assert here.mind.memory.scope("a") is None
        lease = await here.mind.memory.lease((turn_key("key-1", "srvtoolu_9"),))
        assert lease is not None
        assert lease.turn.scope == Scope("declared", "declared")
        here.answer(await here.send(FRESH, declared), content=RUNS)
        assert here.mind.memory.scope("a") == HERE

    run(scenario())


def test_a_container_that_is_gone(tmp_path: Path) -> None:
    """It is never offered again, in the next process neither; the conversation goes on in the new one."""

    async def scenario() -> None:
        here = await told(tmp_path, call_ids=("srvtoolu_1",))
        planned = await here.send(GOING_ON)
        here.answer(planned, blamed=Blame.CONTAINER, container=ANEW, content=RUNS)
        again = await here.send(GOING_ON)
        assert again.plan.decisions[2].reason is Reason.CONTAINER_GONE
        history = [*RAN, {"role": "assistant", "content": RUNS}, {"role": "user", "content": "Go on."}]
        later = await here.restarted(tmp_path)
        assert not (await later.send(GOING_ON)).plan.threaded
        assert (await later.send(body(tools=[NEWER_CODE], messages=history))).container == "container_2"

    run(scenario())


def test_a_500_without_our_container_kills_nothing(tmp_path: Path) -> None:
    """The replay of the caller's own bytes carried no id of ours."""

    async def scenario() -> None:
        here = await told(tmp_path)
        here.answer(await here.send(FRESH), content=RUNS)
        history = [USER, {"role": "assistant", "content": RUNS}, {"role": "user", "content": "Go on."}]
        planned = await here.send(body(tools=[NEWER_CODE], messages=history))
        assert planned.plan.threaded
        assert not planned.plan.tool_edit.empty
        here.answer(planned, blamed=Blame.TOOLS, status=500)
        assert planned.lease is not None
        assert planned.lease.state is State.IDLE

    run(scenario())


def test_a_refused_edit(tmp_path: Path) -> None:
    """The conversation goes on as one that was never edited, here and after a restart, and the rule rests a while."""

    async def scenario() -> None:
        here = await told(tmp_path)
        planned = await here.send(FRESH)
        assert not planned.plan.tool_edit.empty
        entry = here.answer(planned, blamed=Blame.TOOLS, content=RUNS)
        assert entry.code is not None
        assert entry.code.charge == "billed"
        history = [USER, {"role": "assistant", "content": RUNS}, {"role": "user", "content": "Go on."}]
        rootless = [USER, ANSWER, {"role": "user", "content": "Go on."}]
        for there in (here, await here.restarted(tmp_path)):
            for messages in (history, rootless):
                later = await there.send(body(tools=[NEWER_CODE], messages=messages))
                assert later.plan.tool_edit.empty
                assert later.plan.decisions[1].reason is Reason.BREAKER
        new = body(tools=[NEWER_CODE], messages=[{"role": "user", "content": "Another."}])
        assert (await here.send(new)).plan.decisions[1].reason is Reason.BREAKER
        here.at += timedelta(hours=1)
        assert not (await here.send(new)).plan.tool_edit.empty

    run(scenario())


def test_a_refusal_that_the_callers_own_bytes_get_too(tmp_path: Path) -> None:
    """Then it was not the edit: the conversation keeps it, since taking it away would break it."""

    async def scenario() -> None:
        here = await told(tmp_path)
        here.answer(await here.send(FRESH), content=RUNS)
        history = [USER, {"role": "assistant", "content": RUNS}, {"role": "user", "content": "Go on."}]
        sent = body(tools=[NEWER_CODE], messages=history)
        here.answer(await here.send(sent), blamed=Blame.TOOLS, status=400)
        again = await here.send(sent)
        assert again.plan.decisions[1].reason is Reason.REPEATED
        assert again.plan.threaded

    run(scenario())


def test_conversation_and_container_outlive_the_process(tmp_path: Path) -> None:
    """The edit is repeated and the container lent, once; what was gone on from stays a fork."""

    async def scenario() -> None:
        here = await told(tmp_path)
        first = await here.send(FRESH)
        here.answer(first, content=RUNS)
        history = [USER, {"role": "assistant", "content": RUNS}, {"role": "user", "content": "Go on."}]
        sent = body(tools=[NEWER_CODE], messages=history)
        here = await here.restarted(tmp_path)
        second = await here.send(sent)
        assert (second.container, second.plan.tool_edit) == ("container_1", first.plan.tool_edit)
        here.answer(second, content=ran("srvtoolu_10"))
        here = await here.restarted(tmp_path)
        third = await here.send(sent)
        assert (third.container, third.plan.tool_edit) == (None, first.plan.tool_edit)

    run(scenario())


def test_one_session_however_it_is_found(tmp_path: Path) -> None:
    """Threaded, kept by the client or after a restart: one minimum, until it lapses."""

    async def scenario() -> None:
        here = await told(tmp_path)
        free = NEW_SEARCH
        entries = [here.answer(await here.send(body(tools=[NEWER_CODE, free], messages=RAN)), content=RUNS)]
        own = body(tools=[NEWER_CODE], messages=RAN, container="container_1", model="claude-haiku-4-5")
        for seconds in (1, 1, 200, 302, 1, 303):
            here.at += timedelta(seconds=seconds)
            entries.append(here.answer(await here.send(own), content=RUNS))
            if seconds == 200:
                here = await here.restarted(tmp_path)
                await here.mind.memory.lease((turn_key("key-1", "srvtoolu_9"),))
        charges = [None if entry.code is None else entry.code.charge for entry in entries]
        assert charges == ["free", "billed", "covered", "covered", "covered", "covered", "billed"]

    run(scenario())


def test_a_response_may_leave_its_container_out(tmp_path: Path) -> None:
    """Later ones of a turn do; the id that was sent is still the one it ran in."""

    async def scenario() -> None:
        here = await told(tmp_path, call_ids=("srvtoolu_1",))
        here.answer(await here.send(GOING_ON), container=None, content=RUNS)
        lease = await here.mind.memory.lease((turn_key("key-1", "srvtoolu_9"),))
        assert lease is not None
        assert (lease.turn.container, lease.turn.expires_at) == ("container_1", START + timedelta(hours=1))
        assert lease.turn.used_at == here.at + timedelta(seconds=2)
        assert here.mind.memory.sessions("container_1").billed == Session(2_000, here.at + timedelta(seconds=2))

    run(scenario())


def test_a_prefix_is_as_warm_as_one_iteration_of_it(tmp_path: Path) -> None:
    """Usage sums over iterations; the cache holds the prefix once."""

    async def scenario() -> None:
        here = await told(tmp_path)
        planned = await here.send(FRESH)
        used = {
            "input_tokens": 9,
            "output_tokens": 9,
            "cache_creation_input_tokens": 500,
            "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 0},
            "cache_read_input_tokens": 500,
        }
        here.answer(planned, content=RUNS, usage=used)
        assert planned.plan.conversation is not None
        epoch = here.mind.experience.epochs.find(planned.plan.conversation.prefix, here.at)
        assert epoch is not None
        assert epoch.bundled is not None
        assert (epoch.bundled.tokens, epoch.edited, epoch.plain) == (500, True, None)

    run(scenario())


def test_a_cache_that_an_edit_of_ours_broke(tmp_path: Path) -> None:
    """Only where tools changed since the turn before, and it was we who changed them."""

    async def scenario() -> None:
        here = await told(tmp_path)
        begun = await here.send(FRESH)
        here.answer(begun, content=RUNS)
        went_on = await here.send(
            body(tools=[NEWER_CODE], messages=[USER, {"role": "assistant", "content": RUNS}, USER])
        )
        assert went_on.lease is not None
        dropped = msgspec.structs.replace(went_on, plan=msgspec.structs.replace(went_on.plan, tool_edit=ToolEdit()))

        def broke(sent: Planned, reason: str, mode: Mode = "plan") -> bool:
            exchange = Exchange(intent(here.at), Terms(at=here.at, model=""), BOOK, billing="message")
            exchange.begin(200, WHERE)
            exchange.feed(message(diagnostics={"cache_miss_reason": {"type": reason}}))
            entry = exchange.settle("ok", Latency(total=2.0, first_byte=1.0, overhead=0.0))
            entry = msgspec.structs.replace(entry, mode=mode)
            answered = Answered(planned=went_on, sent=sent, blamed=None, entry=entry, exchange=exchange, account="a")
            return here.mind.learning.broke_cache(answered)

        assert broke(dropped, "tools_changed")
        assert not broke(went_on, "tools_changed"), "the caller changed them"
        assert not broke(dropped, "system_changed")
        assert not broke(dropped, "tools_changed", "off"), "as the caller asked"

    run(scenario())


def test_hours_and_scopes_are_learnt_from_every_answer(tmp_path: Path) -> None:
    """The hours are the organization's; without our edits it would have used more of them."""

    async def scenario() -> None:
        here = await told(tmp_path)
        sent = await here.send(FRESH)
        pool = here.mind.hours.pool("org-1", FreeHoursSettings(limit=10))
        here.answer(sent, content=RUNS)
        assert pool.left(here.at) == (10, 10 - 300 / 3600)
        here.mind.store.known_scopes.clear()
        await here.mind.flush()
        assert here.mind.store.known_scopes == {}, "no news"
        here.mind.memory.learn_scope("a", Scope("elsewhere", "w"))
        here.answer(await here.send(FRESH))
        await here.mind.flush()
        assert here.mind.store.known_scopes == {"a": HERE}

    run(scenario())
