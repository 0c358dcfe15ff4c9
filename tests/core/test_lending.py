"""Leases of containers: one holder where it is lent, all who must have it, and nobody but a holder ends anything."""

from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.containers import State
from planner.core.lending import TURNS, Ask, End, Held, Leases, Standing, Way, give_back, take
from tests.doubles.deciding import NOW

SOON: Final = NOW + timedelta(minutes=1)
OTHERS: Final = {"x": Held(SOON, "t9")}
SIBLINGS: Final = {"x": Held(SOON, "t1")}
WAYS: Final[tuple[Way, ...]] = ("lent", "named", "pending")
ENDS: Final[tuple[End, ...]] = ("answered", "failed", "lost")


def ask(holder: str = "a", turn: str | None = "t1", way: Way = "lent", **changes: Any) -> Ask:
    """A request that is to go on from a turn in the container `c`."""
    usual: dict[str, Any] = {"container": "c", "turn": turn, "holder": holder, "way": way, "until": SOON}
    return Ask(**(usual | changes))


@pytest.mark.parametrize(
    ("standing", "state", "passing"),
    [
        (Standing(held=SIBLINGS), State.BUSY, False),
        (Standing(held=OTHERS), State.BUSY, True),
        (Standing(held=OTHERS | {"y": Held(SOON, "t1")}), State.BUSY, False),
        (Standing(continued=("t1",)), State.CONTINUED, False),
        (Standing(continued=("t1",), held=OTHERS), State.CONTINUED, False),
        (Standing(lost=True, continued=("t1",), held=OTHERS), State.DEAD, False),
    ],
)
def test_who_is_lent_a_container_has_it_alone(standing: Standing, state: State, *, passing: bool) -> None:
    """Where anybody has a lease, from this turn or another, it is refused; and so is a fork, and what is lost."""
    answer, after = take(standing, ask())
    assert after == standing
    assert (answer.taken, answer.state, answer.passing) == (False, state, passing)


@pytest.mark.parametrize(
    "standing", [Standing(), Standing(held=SIBLINGS), Standing(continued=("t1",)), Standing(lost=True)]
)
def test_who_must_have_it_has_it(standing: Standing) -> None:
    """Whatever stands against it; of an idle turn, a caller that names its container is one like any other."""
    (pending, after), (named, _) = take(standing, ask(way="pending")), take(standing, ask(way="named"))
    assert pending.taken
    assert named.taken
    assert pending.claimed
    assert named.claimed == (standing != Standing())
    assert pending.state is after.state("t1") is (State.DEAD if standing.lost else State.CONTINUED)
    assert after.held == {**standing.held, "a": Held(SOON, "t1")}


def test_what_comes_from_no_holder_counts_for_nothing() -> None:
    """Its lease has ended, and perhaps somebody else has one: only that it claimed the turn stands."""
    for end in ENDS:
        late, after = give_back(Standing(held=SIBLINGS), ask("late"), end, claimed=False)
        assert (late.counts, late.state, after) == (False, State.BUSY, Standing(held=SIBLINGS))
        claimed, after = give_back(Standing(held=SIBLINGS), ask("late"), end, claimed=True)
        assert (claimed.counts, claimed.state, after.lost) == (True, State.CONTINUED, False)


def test_a_lease_that_is_not_renewed_ends() -> None:
    """At its very moment; others in the container are not touched."""
    leases = Leases()
    leases.take(ask("a", way="named"))
    leases.take(ask("b", "t2", way="named", until=SOON + timedelta(seconds=1)))
    leases.renew("c", {"a", "z"}, SOON)
    assert "z" not in leases.standing("c").held
    leases.expire("c", SOON - timedelta(seconds=1))
    assert set(leases.standing("c").held) == {"a", "b"}
    leases.expire("c", SOON)
    assert set(leases.standing("c").held) == {"b"}
    assert not leases.give_back(ask("a"), "answered", claimed=False).counts
    assert leases.standing("c").state("t1") is State.BUSY
    leases.expire("c", SOON + timedelta(seconds=1))
    assert leases.standing("c").state("t1") is State.IDLE


def test_what_is_remembered_is_bounded() -> None:
    """The oldest container goes first, but none in which a request runs; of one, the oldest turns."""
    leases = Leases(bound=3)
    leases.take(ask("running"))
    for number in range(5):
        leases.heard(str(number), None, State.DEAD)
        leases.heard("nothing", None, State.CONTINUED)
        leases.heard("nothing", "t", State.IDLE)
    states = [leases.standing(str(number)).state(None) for number in range(5)]
    assert states == [State.IDLE] * 3 + [State.DEAD] * 2
    assert leases.standing("c").state("t1") is State.BUSY
    for number in range(TURNS + 1):
        leases.heard("c", str(number), State.CONTINUED)
        leases.heard("c", str(number), State.CONTINUED)
    assert leases.standing("c").continued == tuple(map(str, range(1, TURNS + 1)))


def test_running_requests_are_never_forgotten() -> None:
    """However many there are."""
    leases = Leases(bound=1)
    for number in range(4):
        assert leases.take(ask(container=str(number))).taken
    assert [leases.standing(str(number)).state("t1") for number in range(4)] == [State.BUSY] * 4


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
                leases.renew("c", [asked.holder], NOW)
                leases.expire("c", NOW)
                continue
            end = data.draw(st.sampled_from(ENDS))
            assert leases.give_back(asked, end, claimed=claimed).counts
            lost = lost or end == "lost"
            if end == "answered":
                gone_on_from.add(asked.turn or "")
        assert set(leases.standing("c").held) == set(running)
