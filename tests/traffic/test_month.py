"""A month of traffic: the same bytes for the same seed, a ledger that adds up, a bill that agrees, and no text."""

import re
from collections import Counter
from datetime import UTC, datetime

import msgspec
import pytest

from planner.core.pricing.prices import CODE
from planner.core.replay.player import Player
from planner.core.replay.recorded import UNUSABLE, Transcript
from planner.core.replay.staging import stage
from planner.core.replay.trace import TraceLine, read_trace
from planner.traffic import Month
from planner.traffic.account import CAUSES, ESTIMATED, FREE_HOURS, ROUNDED, UNEXPLAINED, Key, amounts
from planner.traffic.bill import lines
from planner.traffic.script import SAID
from planner.traffic.teams import AGENTS, TEAMS, UNPRICED
from tests.doubles.months import ENTRIES, Made, again, book_of, made

OF_CONTAINERS = {ESTIMATED, FREE_HOURS, ROUNDED}


@pytest.fixture(params=["list price", "contract"])
def month(request: pytest.FixtureRequest) -> Made:
    """A month at list price, and one with a contract."""
    return made() if request.param == "list price" else made(1_500, discounts=True)


def test_the_same_seed_makes_the_same_bytes() -> None:
    """Trace, ledger and bill; another seed makes others."""
    first, second, other = again(700), again(700), again(700, "other")
    for one, two, alike in ((first, second, True), (first, other, False)):
        assert (one.lines == two.lines) is alike
        assert (one.ledger == two.ledger) is alike
        assert (list(lines(one.month.bill.items)) == list(lines(two.month.bill.items))) is alike


@pytest.mark.parametrize("entries", [1, 97, 700, ENTRIES])
def test_it_has_as_many_requests_as_were_wanted(entries: int) -> None:
    """Each once, all of them within the month; corrections come on top."""
    ledger = made(entries).entries
    requests = [entry for entry in ledger if entry.corrects is None]
    assert len(requests) == entries == made(entries).month.account.entries
    assert len({entry.request_id for entry in ledger}) == len(ledger)
    assert {entry.at[:7] for entry in ledger} == {"2026-10"}


def test_everything_that_a_company_meets_is_in_it() -> None:
    """Teams, days, endpoints, endings, discounts, subscriptions, batches, corrections, edits and what is free."""
    ledger = made().entries
    assert {entry.team for entry in ledger} == set(TEAMS)
    assert len({entry.at[:10] for entry in ledger}) == 31
    assert {entry.workspace for entry in ledger} == {agent.workspace for agent in AGENTS}
    assert {entry.outcome for entry in ledger} == {"ok", "error", "cancelled", "refused", "unknown"}
    assert {entry.status for entry in ledger} == {200, 400, 403, 429, 529, None}
    assert {entry.endpoint for entry in ledger} == {
        "messages",
        "batches",
        "batch_results",
        "count_tokens",
        "correction",
    }
    charges = {entry.code.charge for entry in ledger if entry.code is not None}
    assert charges == {"free", "billed", "covered"}
    assert {line.basis for entry in ledger for line in entry.lines} == {"measured", "estimated", "notional"}
    assert {entry.unpriced for entry in ledger} == {None, "unknown-model"}
    assert any(entry.shadows for entry in ledger)
    outcomes = Counter(decision.outcome.value for entry in ledger for decision in entry.decisions)
    assert {"applied", "declined", "threaded", "caller", "kept", "none"} <= set(outcomes)
    assert any(entry.shape is not None and entry.shape.pending for entry in ledger)
    assert any(entry.list_nano != entry.cost_nano for entry in made(1_500, discounts=True).entries)


def test_the_entries_add_up_to_the_account(month: Made) -> None:
    """By workspace, day and kind, and by team, to the nano-dollar; the lines of each entry are its cost."""
    cells: Counter[Key] = Counter()
    teams: Counter[str] = Counter()
    for entry in month.entries:
        assert entry.cost_nano is None or entry.cost_nano == sum(line.nano for line in entry.lines)
        for kind, nano in amounts(entry).items():
            cells[Key(entry.organization or "", entry.workspace or "", entry.at[:10], kind)] += nano
            teams[entry.team or ""] += nano
    account = month.month.account
    assert {cell: nano for cell, nano in cells.items() if nano} == {c: n for c, n in account.ledger.items() if n}
    assert {team: nano for team, nano in account.teams.items() if nano} == {t: n for t, n in teams.items() if n}


def test_the_items_add_up_to_the_bill(month: Made) -> None:
    """Charged items are the bill of the account, in other boxes."""
    cells: Counter[Key] = Counter()
    for item in month.month.bill.items:
        for line in item.lines:
            cells[Key(item.organization, item.workspace, item.day, line.kind)] += line.nano
    assert {c: n for c, n in cells.items() if n} == {c: n for c, n in month.month.account.bill.items() if n}


def test_ledger_and_bill_agree_but_for_stated_causes(month: Made) -> None:
    """In every workspace, on every day, of every kind: two codes that share no counting come to the same money.

    Where nothing is stated, they are equal to the nano-dollar. What was answered whole and has a price can differ in
    container time alone.
    """
    account = month.month.account
    assert account.unbalanced() == []
    assert UNEXPLAINED not in account.causes
    touched = {cell for cells in account.causes.values() for cell in cells}
    equal = [cell for cell in account.bill if cell not in touched]
    assert len(equal) > len(account.bill) / 2
    assert all(account.bill[cell] == account.ledger.get(cell, 0) for cell in equal)
    for cause in OF_CONTAINERS & account.causes.keys():
        assert {cell.kind for cell in account.causes[cause]} == {CODE}
    assert set(account.causes) <= set(CAUSES)


def test_container_time_costs_something_on_both_sides() -> None:
    """One organization uses up its free hours within the month, the other does not; both sides see both.

    They differ by what is stated, which is far less than container time costs.
    """
    account = made().month.account
    for cells in (account.ledger, account.bill):
        spent = Counter({cell.organization: 0 for cell in cells})
        for cell, nano in cells.items():
            spent[cell.organization] += nano if cell.kind == CODE else 0
        assert sorted(nano > 0 for nano in spent.values()) == [False, True]
    ours, theirs = (sum(n for c, n in cells.items() if c.kind == CODE) for cells in (account.ledger, account.bill))
    stated = sum(nano for cells in account.causes.values() for cell, nano in cells.items() if cell.kind == CODE)
    assert theirs - ours == stated
    assert 0 < abs(stated) < theirs / 4


def test_its_trace_is_read_and_replays_to_the_same_bill() -> None:
    """`planner replay` reads each line, and bills under the month's rules what the month billed, batches aside."""
    month = made()
    read = [line for line in read_trace(month.lines) if isinstance(line, TraceLine)]
    assert len(read) == len(month.lines) > ENTRIES * 0.95
    book = book_of()
    player, replayed = Player(book, stage(book)), Counter[str]()
    for line in read:
        replayed.update(player.play(line).response.bill or {})
    billed: Counter[str] = Counter()
    for item in month.month.bill.items:
        if item.service_tier == "standard" and item.model != UNPRICED:
            billed.update({line.kind: line.nano for line in item.lines})
    assert replayed == billed


def test_its_ledger_can_be_exported_as_a_trace() -> None:
    """Every shape is one that a replay reads."""
    transcript = Transcript()
    written = sum(transcript.trace_line(entry) is not None for entry in made().entries)
    assert written > ENTRIES / 2
    assert not transcript.left_out[UNUSABLE]
    assert not transcript.left_out["no-shape"]


def test_nothing_that_was_said_is_kept() -> None:
    """No text of a request, no id of a file, a container, a message or a conversation is in the ledger or the bill."""
    month = made()
    bill = b"".join(lines(month.month.bill.items))
    assert all(SAID.encode() in line for line in month.lines)
    names = {msgspec.json.decode(line)["conversation"] for line in month.lines}
    for kept in (month.ledger, bill):
        assert not re.search(rb"said by|file_\d|container_\d|msg_01|srvtoolu_|\.\.\.\.|msgbatch_", kept)
        assert not names & set(re.findall(r"[\w-]+-\d{4}-\d+", kept.decode()))


def test_any_month_will_do() -> None:
    """A short one in another year, and none at all."""
    month = Month(book_of(300), entries=300, start=datetime(2027, 2, 14, tzinfo=UTC))
    ledger = [entry for happening in month.happenings() for entry in happening.entries]
    assert {entry.at[:7] for entry in ledger} == {"2027-02"}
    assert list(Month(book_of(1), entries=0).happenings()) == []
    with pytest.raises(ValueError, match="no -1 entries"):
        Month(book_of(1), entries=-1)
