"""Accounts: what is admitted fits into what is leased, nothing leaks, and what nobody settles frees itself."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from planner.core.budget import HOLD_LASTS, LEASE_LASTS, SHARES, Account, Ask, Granted, Lease, exchange

NOW = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
LIMIT = 1_000
AMOUNTS = st.integers(0, 400)
OWNERS = st.integers(0, 2)


def ask(**changes: object) -> Ask:
    """What a process asks that uses nothing yet."""
    return msgspec.structs.replace(Ask(owner="a", limit=LIMIT, now=NOW), **changes)


def leased(nano: int) -> Account:
    """An account with so much to hold from."""
    account = Account()
    account.granted(Granted(nano, NOW + LEASE_LASTS, 0, clipped=False), account.mark())
    return account


# ---------------------------------------------------------------- the shared side


def test_a_block_is_a_share_of_what_is_left_or_what_is_needed() -> None:
    """A sixteenth while there is plenty, what one request needs once that is more, and never more than there is."""
    assert exchange(0, {}, ask(spare=1, block=True)).nano == LIMIT // SHARES
    assert exchange(LIMIT - 160, {}, ask(spare=1, block=True)).nano == 160 // SHARES
    assert exchange(LIMIT - 160, {}, ask(spare=90, block=True)) == Granted(90, NOW + LEASE_LASTS, 840, clipped=False)
    assert exchange(LIMIT - 50, {}, ask(spare=90, block=True)) == Granted(50, NOW + LEASE_LASTS, 950, clipped=True)
    assert exchange(LIMIT + 50, {}, ask(spare=90)).nano == 0


def test_a_renewal_takes_no_block() -> None:
    """What is used and what is kept, no more; without either the lease is given back."""
    assert exchange(0, {}, ask(used=30, spare=5)).nano == 35
    assert exchange(0, {"a": Lease(500, NOW + LEASE_LASTS)}, ask()).nano == 0


def test_what_is_used_is_leased_though_nothing_is_left() -> None:
    """Else the others would lease what is spent already: one of a process that went beyond its holds."""
    beyond = {"other": Lease(800, NOW + LEASE_LASTS)}
    granted = exchange(150, beyond, ask(used=249, spare=1))
    assert (granted.nano, granted.clipped) == (249, True)
    assert exchange(150, {"p1": Lease(granted.nano, granted.until), **beyond}, ask(owner="p2", spare=1)).nano == 0


def test_leases_of_others_count_until_they_end() -> None:
    """One's own is replaced, one that was not renewed is free by itself."""
    late, soon = NOW + timedelta(seconds=1), NOW
    assert exchange(0, {"a": Lease(900, late), "b": Lease(700, late)}, ask(spare=400)).nano == 300
    assert exchange(0, {"b": Lease(700, soon)}, ask(spare=400)).nano == 400


# ---------------------------------------------------------------- the side of one process


def test_an_account_admits_what_fits() -> None:
    """What one holds another cannot; what was settled stays spent, what was held comes back."""
    account = leased(100)
    assert account.admits(60, NOW) == 60
    account.hold("r1", 60, NOW)
    assert account.admits(60, NOW) is None
    account.settle("r1", 10)
    assert (account.free(NOW), account.spent, account.held) == (90, 10, 0)
    account.stored(10)
    assert (account.free(NOW), account.spent, account.unstored) == (90, 10, 0)


def test_one_request_alone_may_have_what_is_left() -> None:
    """A budget that is smaller than one worst case is used all the same; beside another one, it must fit."""
    account = leased(100)
    assert account.admits(500, NOW) is None
    assert account.admits(500, NOW, alone=True) == 100
    account.hold("r1", 40, NOW)
    assert account.admits(500, NOW, alone=True) is None
    assert leased(0).admits(500, NOW, alone=True) is None


def test_a_request_without_a_price_needs_something_left() -> None:
    """It holds nothing, and goes while the budget is not exhausted."""
    assert leased(1).admits(0, NOW) == 0
    assert leased(0).admits(0, NOW) is None


def test_an_expired_hold_frees_itself_and_still_pays() -> None:
    """Once, and what it did cost counts when it comes at last."""
    account = leased(100)
    account.hold("r1", 60, NOW)
    assert account.expire(NOW + HOLD_LASTS - timedelta(seconds=1)) == 0
    assert account.expire(NOW + HOLD_LASTS) == 1
    assert account.expire(NOW + HOLD_LASTS) == 0
    assert account.free(NOW) == 100
    assert not account.idle
    account.settle("r1", 70)
    assert (account.free(NOW), account.held, account.spent) == (30, 0, 70)


def test_a_lease_that_ended_admits_nothing() -> None:
    """Others may have it by then."""
    account = leased(100)
    assert account.free(NOW + LEASE_LASTS) == 0
    account.hold("r1", 60, NOW)
    assert account.free(NOW + LEASE_LASTS) == -60


def test_what_is_asked_back_is_not_held_from_meanwhile() -> None:
    """A process that gives its block back may hold nothing of it while the store answers."""
    account = leased(100)
    account.hold("r1", 30, NOW)
    assert account.ask("a", LIMIT, NOW).used == 30
    assert account.free(NOW) == 0


def test_what_is_stored_while_the_store_answers_is_no_part_of_the_lease() -> None:
    """The ledger has taken it over, whether the store saw that before it answered or after."""
    account = leased(100)
    account.hold("r1", 60, NOW)
    account.settle("r1", 60)
    mark, asked = account.mark(), account.ask("a", LIMIT, NOW, spare=40)
    account.stored(60)
    for ledger in (0, 60):
        account.granted(exchange(ledger, {}, asked), mark)
        assert (account.free(NOW), account.spent) == (40, 60)


def test_a_request_holds_once() -> None:
    """Two holds of one request are a mistake of ours; letting go of none is none."""
    account = leased(100)
    account.hold("r1", 1, NOW)
    with pytest.raises(ValueError, match="holds already"):
        account.hold("r1", 1, NOW)
    account.release("r2")
    account.release("r1")
    assert account.idle


# ---------------------------------------------------------------- all interleavings


class Process:
    """One process: its account, the costs it has not stored, and by how much it went beyond since it last admitted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.account = Account()
        self.holds: dict[str, int] = {}
        self.unstored: list[int] = []
        self.in_flight: dict[str, int] = {}
        self.beyond = 0
        self.asked: tuple[Ask, int] | None = None
        self.answer: tuple[Granted, int] | None = None


class Shared(RuleBasedStateMachine):
    """Three processes on one account; each step of an exchange with the store may be overtaken by anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.ledger = 0
        self.leases: dict[str, Lease] = {}
        self.hidden: list[int] = []
        self.hid = 0
        self.lost_beyond = 0
        self.number = 0
        self.processes: list[Process] = []

    @initialize()
    def start(self) -> None:
        """Three processes."""
        self.processes = [Process(f"p{i}") for i in range(3)]

    @rule(at=OWNERS, nano=AMOUNTS, alone=st.booleans())
    def admit(self, at: int, nano: int, alone: bool) -> None:  # noqa: FBT001 - drawn
        """A request comes; where it does not fit the store is asked, and it goes if it fits then."""
        process = self.processes[at]
        if process.account.admits(nano, self.now) is None:
            self.whole(process, nano, block=True)
        amount = process.account.admits(nano, self.now, alone=alone)
        if amount is not None:
            self.number += 1
            request = f"r{self.number}"
            process.account.hold(request, amount, self.now)
            process.holds[request] = amount
            process.in_flight, process.beyond = dict(process.holds), 0

    @precondition(lambda self: any(process.holds for process in self.processes))
    @rule(data=st.data(), cost=AMOUNTS)
    def settle(self, data: st.DataObject, cost: int) -> None:
        """A request ends; it may have cost less or more than it held."""
        process = data.draw(st.sampled_from([each for each in self.processes if each.holds]))
        request = data.draw(st.sampled_from(sorted(process.holds)))
        process.account.settle(request, cost)
        hold = process.holds.pop(request)
        process.beyond += max(cost - hold, 0)
        process.unstored.append(cost)

    @rule(at=OWNERS)
    def store(self, at: int) -> None:
        """The writer brings what was settled into the ledger."""
        process = self.processes[at]
        for cost in process.unstored:
            self.ledger += cost
            process.account.stored(cost)
        process.unstored.clear()

    @rule(at=OWNERS, spare=AMOUNTS, block=st.booleans())
    def ask(self, at: int, spare: int, block: bool) -> None:  # noqa: FBT001 - drawn
        """A process asks for a lease."""
        process = self.processes[at]
        if process.asked is None and process.answer is None:
            mark = process.account.mark()
            process.asked = process.account.ask(process.name, LIMIT, self.now, spare=spare, block=block), mark

    @precondition(lambda self: any(process.asked for process in self.processes))
    @rule(at=OWNERS)
    def answer(self, at: int) -> None:
        """The store answers."""
        process = self.processes[at]
        if process.asked is not None:
            asked, mark = process.asked
            granted = exchange(self.ledger, self.leases, asked)
            self.leases[process.name] = Lease(granted.nano, granted.until)
            process.asked, process.answer = None, (granted, mark)

    @precondition(lambda self: any(process.answer for process in self.processes))
    @rule(at=OWNERS)
    def take(self, at: int) -> None:
        """The answer arrives."""
        process = self.processes[at]
        if process.answer is not None:
            process.account.granted(*process.answer)
            process.answer = None

    def whole(self, process: Process, spare: int = 0, *, block: bool = False) -> None:
        """A whole exchange."""
        at = self.processes.index(process)
        self.answer(at)
        self.take(at)
        self.ask(at, spare, block)
        self.answer(at)
        self.take(at)

    @rule()
    def tick(self) -> None:
        """Time passes, and everybody renews."""
        self.now += LEASE_LASTS / 4
        for process in self.processes:
            self.whole(process, max(process.account.free(self.now), 0))

    @rule(at=OWNERS)
    def crash(self, at: int) -> None:
        """A process dies; another takes its place. What it had not stored is in its journal."""
        process = self.processes[at]
        self.hidden += process.unstored
        self.hid += sum(process.unstored)
        self.lost_beyond += process.beyond
        self.processes[at] = Process(f"p{at}-{self.number}-{len(self.hidden)}-{self.now.isoformat()}")

    @precondition(lambda self: self.hidden)
    @rule()
    def replay(self) -> None:
        """The journals of the dead are read."""
        self.ledger += sum(self.hidden)
        self.hidden.clear()

    @invariant()
    def within_the_bound(self) -> None:
        """The law: what is seen is within the limit, what is beyond the holds, and what the dead had hidden."""
        seen = self.ledger + sum(process.account.unstored for process in self.processes)
        beyond = self.lost_beyond + sum(process.beyond for process in self.processes)
        assert seen <= LIMIT + beyond + self.hid

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        """An account's sums are those of its requests."""
        for process in self.processes:
            assert process.account.held == sum(process.holds.values())
            assert process.account.unstored == sum(process.unstored)

    def teardown(self) -> None:
        """When all is settled and the dead are gone, everything that was not spent can be held again."""
        for process in self.processes:
            for request in tuple(process.holds):
                process.account.settle(request, 0)
            process.holds.clear()
        for at in range(len(self.processes)):
            self.store(at)
        self.now += LEASE_LASTS
        for process in self.processes:
            self.whole(process)
        left = max(LIMIT - self.ledger, 0)
        assert exchange(self.ledger, self.leases, ask(owner="new", spare=LIMIT, now=self.now)).nano == left


TestShared = Shared.TestCase
TestShared.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
