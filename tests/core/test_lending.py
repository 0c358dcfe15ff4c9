"""Leases of containers: one holder where it is lent, all who must have it, and nobody but a holder ends anything."""

from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.containers import State
from planner.core.lending import Ask, End, Held, Leases, Stand, Way, give_back, take
from tests.doubles.deciding import NOW

SOON: Final = NOW + timedelta(minutes=1)
OTHERS: Final = {"x": Held("t9", SOON)}
SIBLINGS: Final = {"x": Held("t1", SOON)}
WAYS: Final[tuple[Way, ...]] = ("lent", "named", "pending")
ENDS: Final[tuple[End, ...]] = ("answered", "failed", "lost")


def ask(holder: str = "a", turn: str | None = "t1", way: Way = "lent", **changes: Any) -> Ask:
    """A request that is to go on from a turn in the container `c`."""
    usual: dict[str, Any] = {"container": "c", "turn": turn, "holder": holder, "way": way, "until": SOON}
    return Ask(**(usual | changes))


@pytest.mark.parametrize(
    ("stand", "state", "passing"),
    [
        (Stand(held=SIBLINGS), State.BUSY, False),
        (Stand(held=OTHERS), State.BUSY, True),
        (Stand(held=OTHERS | {"y": Held("t1", SOON)}), State.BUSY, False),
        (Stand(continued=True), State.CONTINUED, False),
        (Stand(continued=True, held=OTHERS), State.CONTINUED, False),
        (Stand(lost=True, continued=True, held=OTHERS), State.DEAD, False),
    ],
)
def test_who_is_lent_a_container_has_it_alone(stand: Stand, state: State, *, passing: bool) -> None:
    """Where anybody has a lease, from this turn or another, it is refused; and so is a fork, and what is lost."""
    answer = take(stand, ask())
    assert (answer.taken, answer.state, answer.passing) == (False, state, passing)


@pytest.mark.parametrize("stand", [Stand(), Stand(held=SIBLINGS), Stand(continued=True), Stand(lost=True)])
def test_who_must_have_it_has_it(stand: Stand) -> None:
    """Whatever stands against it; of an idle turn, a caller that names its container is one like any other."""
    pending, named = take(stand, ask(way="pending")), take(stand, ask(way="named"))
    assert pending.taken
    assert named.taken
    assert pending.claimed
    assert named.claimed == (stand != Stand())
    assert pending.state is (State.DEAD if stand.lost else State.CONTINUED)


def test_what_comes_from_no_holder_counts_for_nothing() -> None:
    """Its lease has ended, and perhaps somebody else has one: only that it claimed the turn stands."""
    for end in ENDS:
        late = give_back(Stand(held=SIBLINGS), ask("late"), end, claimed=False)
        assert (late.counts, late.state) == (False, State.BUSY)
        claimed = give_back(Stand(held=SIBLINGS), ask("late"), end, claimed=True)
        assert (claimed.counts, claimed.state) == (True, State.CONTINUED)


def test_a_lease_that_is_not_renewed_ends() -> None:
    """At its very moment; others in the container are not touched."""
    leases = Leases()
    leases.take(ask("a", way="named"))
    leases.take(ask("b", "t2", way="named", until=SOON + timedelta(seconds=1)))
    assert leases.renew({"a", "z"}, SOON) == {"a"}
    leases.expire("c", SOON - timedelta(seconds=1))
    assert set(leases.stand("c", None).held) == {"a", "b"}
    leases.expire("c", SOON)
    assert set(leases.stand("c", None).held) == {"b"}
    assert not leases.give_back(ask("a"), "answered", claimed=False).counts
    assert leases.stand("c", "t1").state is State.BUSY
    leases.expire("c", SOON + timedelta(seconds=1))
    assert leases.stand("c", "t1").state is State.IDLE


def test_what_is_remembered_is_bounded() -> None:
    """The oldest goes first; a lease that runs is none of it."""
    leases = Leases(bound=2)
    leases.take(ask("running"))
    for number in range(5):
        leases.heard(str(number), str(number), State.CONTINUED)
        leases.heard(str(number), str(number), State.DEAD)
        leases.heard("c", None, State.CONTINUED)
    states = [leases.stand(str(number), None).state for number in range(5)]
    assert states == [State.IDLE] * 3 + [State.DEAD] * 2
    assert [leases.stand("x", str(number)).continued for number in range(5)] == [False] * 3 + [True] * 2
    assert leases.stand("c", "t1").state is State.BUSY


@given(st.data())
def test_never_lent_beside_anybody(data: st.DataObject) -> None:
    """Whatever comes and goes in three turns of one container, and however late ends come."""
    leases, running, ended, gone_on_from = Leases(), dict[str, tuple[Ask, bool]](), list[tuple[Ask, bool]](), set[str]()
    lost = False
    for number in range(data.draw(st.integers(1, 25))):
        event = data.draw(st.sampled_from(["take", "take", "end", "expire", "late"]))
        if event == "take":
            asked = ask(str(number), data.draw(st.sampled_from(["t1", "t2", "t3"])), data.draw(st.sampled_from(WAYS)))
            answer = leases.take(asked)
            if asked.way == "lent":
                assert answer.taken == (not running and asked.turn not in gone_on_from and not lost)
            if answer.taken:
                running[asked.holder] = asked, answer.claimed
            if answer.claimed:
                gone_on_from.add(asked.turn or "")
        elif event == "late" and ended:
            asked, claimed = data.draw(st.sampled_from(ended))
            assert leases.give_back(asked, "lost", claimed=claimed).counts == claimed
        elif event in {"end", "expire"} and running:
            asked, claimed = running.pop(data.draw(st.sampled_from(sorted(running))))
            ended.append((asked, claimed))
            if event == "expire":
                leases.renew([asked.holder], NOW)
                leases.expire("c", NOW)
                continue
            end = data.draw(st.sampled_from(ENDS))
            assert leases.give_back(asked, end, claimed=claimed).counts
            lost = lost or end == "lost"
            if end == "answered":
                gone_on_from.add(asked.turn or "")
        assert set(leases.stand("c", None).held) == set(running)
