"""What is remembered is bounded and its own; what was forgotten, the store still knows."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from planner.core.containers import State
from planner.core.conversations import Scope, ToolEdit, Turn, turn_key
from planner.core.exchange import container_digest
from planner.core.lending import Ask
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.records import TurnRecord
from planner.core.settlement import Session, Sessions
from planner.proxy import memory as module
from planner.proxy.memory import AGAIN, LONGER, LONGEST_CACHE, REST, WAITS, Memory, Recent
from planner.proxy.planning import AWAITED_SECONDS
from planner.stores import StoreError
from tests.doubles.deciding import NOW, conversation, turn
from tests.doubles.stored import MemoryStore

EDIT = ToolEdit(append='{"type":"web_fetch_20260318","name":"web_fetch"}', name="web_fetch", free=True)
KEY = turn_key("key-1", "srvtoolu_1")


class SlowStore(MemoryStore):
    """Lets others run between a read and its answer."""

    async def turn(self, key: str) -> Turn | None:
        """The turn under a key."""
        found = await super().turn(key)
        await asyncio.sleep(0)
        return found


def test_the_oldest_goes_first() -> None:
    """Putting a value in again makes it the newest."""
    recent: Recent[int, str] = Recent(2)
    for key in (1, 2, 1, 3):
        recent.put(key, "x")
    assert list(recent) == [1, 3]


def test_ids_in_memory_need_no_store() -> None:
    """A turn is found under any of its ids, and by nobody else's."""

    async def scenario() -> None:
        store = MemoryStore()
        memory = Memory(store)
        memory.learn_turn(turn())
        store.broken = True
        for server_id in ("msg_1", "srvtoolu_1", "toolu_1"):
            lease = await memory.lease((turn_key("key-1", server_id),))
            assert lease is not None
            assert lease.turn == turn()
        with pytest.raises(StoreError):
            await memory.lease((turn_key("key-2", "msg_1"),))

    asyncio.run(scenario())


def test_memory_is_asked_first_about_every_id() -> None:
    """A store that is down does not hide what is known here: repeating must not fail where it need not."""

    async def scenario() -> None:
        store = MemoryStore()
        memory = Memory(store)
        memory.learn_turn(turn(call_ids=("srvtoolu_1",)))
        store.broken = True
        assert await memory.lease((turn_key("key-1", "srvtoolu_9"), KEY)) is not None
        assert store.reads == 0

    asyncio.run(scenario())


def test_what_was_forgotten_the_store_knows() -> None:
    """With the state of its container, and what was billed in it."""

    async def scenario() -> None:
        store = MemoryStore()
        went_on = turn(continued=True, used_ms=5_000, used_at=NOW, untouched_ms=7_000, untouched_at=NOW)
        await store.apply([TurnRecord("2026", went_on)])
        memory = Memory(store)
        lease = await memory.lease((KEY,))
        assert lease is not None
        assert (lease.turn, lease.state) == (went_on, State.CONTINUED)
        assert memory.sessions("container_1") == Sessions(Session(5_000, NOW), Session(7_000, NOW))
        reads = store.reads
        assert await memory.lease((KEY,)) is lease
        assert store.reads == reads

    asyncio.run(scenario())


def test_two_requests_that_look_up_one_turn_get_one_lease() -> None:
    """Two leases of one container would lend it twice."""

    async def scenario() -> None:
        store = SlowStore()
        await store.apply([TurnRecord("2026", turn())])
        memory = Memory(store)
        one, other = await asyncio.gather(memory.lease((KEY,)), memory.lease((KEY,)))
        assert one is not None
        assert one is other

    asyncio.run(scenario())


def test_a_later_turn_takes_the_place_of_a_session() -> None:
    """What a container has been billed is the newest that is known, whichever turn is looked up after it."""
    memory = Memory(MemoryStore())
    memory.learn_sessions("container_1", Sessions(Session(9_000, NOW)))
    memory.learn_turn(turn(used_ms=1_000, used_at=NOW))
    assert memory.sessions("container_1").billed == Session(9_000, NOW)
    assert memory.sessions("container_2") == Sessions()


def test_conversations_by_their_root() -> None:
    """One that begins in the same words within the longest cache life is the same; after it, another one."""

    async def scenario() -> None:
        memory = Memory(MemoryStore())
        edited = conversation(edit=EDIT)
        assert memory.begin(edited, NOW)
        root = await memory.root("r")
        assert root.begun(NOW + LONGEST_CACHE - timedelta(seconds=1)) == edited
        assert root.begun(NOW + LONGEST_CACHE) is None
        assert root.middle(NOW + LONGEST_CACHE) == edited

    asyncio.run(scenario())


def test_what_began_in_a_batch_may_go_on_later() -> None:
    """A live one that begins in the same words with the same edit takes nothing away from it, in the store too."""

    async def scenario() -> None:
        memory = Memory(MemoryStore())
        later = NOW + AGAIN + timedelta(seconds=1)
        assert memory.begin(conversation(edit=EDIT, batched=True), NOW)
        assert memory.begin(conversation(edit=EDIT), later) == conversation(edit=EDIT, batched=True)
        assert (await memory.root("r")).edited == conversation(edit=EDIT, batched=True)
        other = conversation(edit=msgspec.structs.replace(EDIT, name="other"))
        assert memory.begin(other, later) == other, "another edit is another conversation"

    asyncio.run(scenario())


def test_words_that_never_change_are_decided_on_anew() -> None:
    """An hour after the decision, however often they come, unless a conversation is known by nothing else."""

    async def scenario() -> None:
        memory = Memory(MemoryStore())
        plain, hour = conversation(), LONGEST_CACHE
        for minutes in range(0, 70, 10):
            memory.begin(plain, NOW + timedelta(minutes=minutes), decided=minutes == 0)
        root = await memory.root("r")
        assert root.begun(NOW + hour - timedelta(seconds=1)) == plain
        assert root.begun(NOW + hour + timedelta(minutes=5)) is None
        memory.leaned("r", NOW + hour)
        assert root.begun(NOW + hour + timedelta(minutes=5)) == plain
        memory.leaned("r", NOW + timedelta(days=1))
        assert root.begun(NOW + timedelta(days=1)) is None, "not for ever"
        memory.begin(conversation(edit=EDIT), NOW + timedelta(days=1))
        assert root.begun(NOW + timedelta(days=1)) == conversation(edit=EDIT)
        memory.begin(plain, NOW + timedelta(days=1, minutes=5))
        assert root.begun(NOW + timedelta(days=1, minutes=6)) == plain, "what was decided last holds"

    asyncio.run(scenario())


def test_a_trial_holds_for_no_other() -> None:
    """It was weighed as one conversation; what was left alone for a moment holds for none either."""

    async def scenario() -> None:
        memory = Memory(MemoryStore())
        tried = Decision(Action.BUNDLE, Outcome.APPLIED, Reason.TRIAL)
        memory.begin(conversation(edit=EDIT, decisions=(tried,)), NOW)
        root = await memory.root("r")
        assert root.begun(NOW) is None
        assert root.middle(NOW) is not None
        moment = Decision(Action.BUNDLE, Outcome.DECLINED, Reason.TIME_BUDGET)
        memory.begin(conversation(decisions=(moment,)), NOW)
        assert root.begun(NOW) is None

    asyncio.run(scenario())


def test_the_rate_limit_is_known_for_a_minute() -> None:
    """Of each account by itself."""
    memory = Memory(MemoryStore())
    memory.learn_limit("a", 7_000, NOW)
    assert memory.input_tokens_left("a", NOW + timedelta(seconds=59)) == 7_000
    assert memory.input_tokens_left("a", NOW + timedelta(seconds=60)) is None
    assert memory.input_tokens_left("b", NOW) is None


def test_what_begins_alike_with_an_edit_and_without() -> None:
    """The one does not hide the other; while both may live, a middle that only its beginning tells gets no edit."""

    async def scenario() -> None:
        memory = Memory(MemoryStore())
        edited, plain = conversation(edit=EDIT), conversation()
        memory.begin(edited, NOW)
        assert not memory.begin(plain, NOW, decided=False), "the store keeps the edit"
        root = await memory.root("r")
        assert (root.begun(NOW), root.middle(NOW)) == (edited, plain)
        assert root.middle(NOW + LONGEST_CACHE) == edited
        memory.forget_edit(plain, NOW)
        root = await memory.root("r")
        assert (root.begun(NOW), root.middle(NOW)) == (plain, plain)

    asyncio.run(scenario())


def test_an_edit_that_only_the_store_knows_joins_what_began_without() -> None:
    """A conversation that began while the store could not be asked hides nothing."""

    async def scenario() -> None:
        store = MemoryStore()
        edited, plain = conversation(edit=EDIT), conversation()
        store.conversations["r"] = edited, NOW.isoformat()
        memory = Memory(store)
        memory.begin(plain, NOW, decided=False)
        root = await memory.root("r")
        assert (root.begun(NOW), root.middle(NOW)) == (edited, plain)
        reads = store.reads
        assert await memory.root("r") is root
        assert store.reads == reads

    asyncio.run(scenario())


def test_a_lent_container_is_not_forgotten() -> None:
    """However many turns come after its own: else the store would give it back as idle, and it be lent twice."""

    async def scenario() -> None:
        store = MemoryStore()
        memory, old = Memory(store, bound=3), turn(call_ids=("srvtoolu_1",), message_id=None)
        await store.apply([TurnRecord("2026", old)])
        ask = Ask(container=container_digest("container_1"), turn=old.key, holder="h", way="lent", until=NOW)
        assert memory.lent.take(ask).taken

        async def state() -> State:
            for number in range(9):
                memory.learn_turn(turn(call_ids=(), message_id=str(number), container=str(number)))
            lease = await memory.lease((KEY,))
            assert lease is not None
            return lease.state

        assert await state() is State.BUSY
        memory.lent.give_back(ask, "failed", claimed=False)
        assert await state() is State.IDLE
        assert memory.lent.take(ask).taken
        memory.lent.give_back(ask, "answered", claimed=False)
        assert await state() is State.CONTINUED

    asyncio.run(scenario())


def test_a_container_is_busy_for_all_of_its_turns() -> None:
    """And lost for all of them; what is counted is the newest turn of each."""

    async def scenario() -> None:
        memory = Memory(MemoryStore())
        memory.learn_turn(turn(message_id="msg_1", call_ids=()))
        memory.learn_turn(turn(message_id="msg_2", call_ids=()))
        one, other = [await memory.lease((turn_key("key-1", name),)) for name in ("msg_1", "msg_2")]
        assert one is not None
        assert other is not None
        ask = Ask(container=container_digest("container_1"), turn=one.turn.key, holder="h", way="lent", until=NOW)
        memory.lent.take(ask)
        assert memory.containers() == {"idle": 0, "busy": 1, "continued": 0, "dead": 0}
        assert await memory.lease((turn_key("key-1", "msg_2"),)) is other
        assert other.state is State.BUSY
        memory.lent.give_back(ask, "lost", claimed=False)
        assert memory.containers() == {"idle": 0, "busy": 0, "continued": 0, "dead": 1}

    asyncio.run(scenario())


def test_what_is_asked_for_is_not_the_oldest() -> None:
    """A conversation that goes on outlives those that only began."""
    recent: Recent[int, str] = Recent(2)
    recent.put(1, "x")
    recent.put(2, "x")
    assert recent.find(1) == "x"
    assert recent.find(9) is None
    recent.put(3, "x")
    assert list(recent) == [1, 3]


def test_the_store_hears_again_of_what_goes_on_for_long() -> None:
    """Else it would forget a conversation that is alive."""
    memory = Memory(MemoryStore())
    memory.begin(conversation(edit=EDIT), NOW)
    assert not memory.begin(conversation(edit=EDIT), NOW + AGAIN)
    assert memory.begin(conversation(edit=EDIT), NOW + AGAIN + timedelta(seconds=1))


def test_edited_conversations_are_counted_while_they_live() -> None:
    """The gauge says when it is safe to leave."""
    memory = Memory(MemoryStore())
    memory.begin(conversation(edit=EDIT), NOW)
    memory.begin(conversation(root="other"), NOW)
    assert memory.edited_conversations(NOW) == 1
    assert memory.edited_conversations(NOW + LONGEST_CACHE) == 0


def test_a_rule_rests_for_an_hour() -> None:
    """Under that key alone."""
    memory = Memory(MemoryStore())
    memory.rest("p", NOW)
    assert memory.rests("p", NOW + REST - timedelta(seconds=1))
    assert not memory.rests("p", NOW + REST)
    assert not memory.rests("q", NOW)


def test_scopes_are_loaded_before_the_first_request() -> None:
    """And news only when they change."""

    async def scenario() -> None:
        store = MemoryStore()
        store.known_scopes["a"] = Scope("o", "w")
        memory = Memory(store)
        assert memory.scope("a") is None
        await memory.load()
        assert memory.scope("a") == Scope("o", "w")
        assert not memory.learn_scope("a", Scope("o", "w"))
        assert memory.learn_scope("a", Scope("o", "v"))

    asyncio.run(scenario())


def test_containers_are_counted_by_state() -> None:
    """Each once, by the newest turn that ran in it."""
    memory = Memory(MemoryStore())
    memory.learn_turn(turn(message_id="msg_1"))
    memory.learn_turn(turn(message_id="msg_2", continued=True))
    memory.learn_turn(turn(message_id="msg_3", container=None))
    assert memory.containers() == {"idle": 0, "busy": 0, "continued": 1, "dead": 0}


def test_memory_is_bounded() -> None:
    """Whatever comes, no kind of thing is kept more often than it may."""
    memory = Memory(MemoryStore(), bound=3)
    for number in range(10):
        name = str(number)
        memory.learn_turn(turn(message_id=name, call_ids=(), container=name))
        memory.learn_sessions(name, Sessions())
        memory.begin(conversation(root=name, edit=EDIT), NOW)
        memory.learn_scope(name, Scope("o", "w"))
        memory.learn_limit(name, 1, NOW)
        memory.rest(name, NOW)
        memory.prove(name, NOW)
    kept = {name: len(each) for name, each in vars(memory).items() if isinstance(each, Recent)}
    assert len(kept) == 9
    assert set(kept.values()) == {3}


@pytest.mark.parametrize("must", [True, False])
def test_a_turn_that_is_on_its_way_is_waited_for(*, must: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer where a request fails without it; and not at all where no other process could have it."""
    assert sum(WAITS) < sum(LONGER) < AWAITED_SECONDS
    monkeypatch.setattr(module, "WAITS", (0.0,) * len(WAITS))
    monkeypatch.setattr(module, "LONGER", (0.0,) * len(LONGER))

    async def scenario() -> None:
        store = MemoryStore()
        assert await Memory(store).lease_to_come((KEY,), must=must) is None
        assert store.reads == 0
        assert await Memory(store, shared=True).lease_to_come((KEY,), must=must) is None
        assert store.reads == len(LONGER if must else WAITS)
        await store.apply([TurnRecord("2026", turn())])
        assert await Memory(store, shared=True).lease_to_come((KEY,), must=must) is not None

    asyncio.run(scenario())


def test_what_is_proven_is_so_for_days() -> None:
    """Until the API refuses it, or is not seen to take it for so long."""
    memory = Memory(MemoryStore())
    memory.prove("edit", NOW)
    assert memory.proven("edit", NOW + timedelta(days=6, hours=23), 7)
    assert not memory.proven("edit", NOW + timedelta(days=7), 7)
    assert not memory.proven("another", NOW, 7)
    memory.disprove("edit")
    memory.disprove("another")
    assert not memory.proven("edit", NOW, 7)
