"""A principal is forgotten in both stores and in a journal: no byte of its names is left, and no amount has moved."""

import shutil
from collections import Counter
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from planner.core.ledger.entry import Entry
from planner.core.ledger.nameless import FORGOTTEN, nameless
from planner.core.ledger.rollup import Amounts, Rollup, add, rollup
from planner.core.records import EntryRecord, encode
from planner.core.reports.closing import Closing, verify
from planner.core.rulebook.book import CallerRow, Callers
from planner.forgetting import forget_in_journal, forget_in_store, names_of
from planner.opening import is_shared, open_retention, read_store
from planner.pruning import prune, prunings
from planner.settings import sqlite_path
from planner.stores import Store, StoreError
from planner.stores.journal import ASIDE
from planner.stores.retention import BusyError
from tests.doubles.outgoing import (
    ALICE,
    KEY,
    NAMES,
    NOW,
    beside,
    day,
    dump,
    filled,
    hers,
    nothing,
    on_disk,
    opened,
    remembered,
)
from tests.doubles.proxy import run
from tests.doubles.reported import MONTH, request
from tests.stores.test_reading import ledger, sums


async def forgotten(address: str, *, write: bool = True, steps: int | None = None) -> Counter[str]:
    """Forget her, or only so many steps of it; and write a file anew."""
    found: Counter[str] = Counter()
    store = await read_store(address)
    try:
        async with beside(address) as retention:
            async with aclosing(forget_in_store(store, retention, NAMES, now=NOW, write=write)) as work:
                async for step in work:
                    found[step.kind] += step.rows
                    if steps is not None and (steps := steps - 1) == 0:
                        return found
            if write:
                assert await retention.vacuum()
    finally:
        await store.close()
    return +found


def apart(told: Rollup) -> dict[tuple[str, ...], Amounts]:
    """Sums by all but who it was."""
    cells: dict[tuple[str, ...], Amounts] = {}
    for key, amounts in told.requests.items():
        add(cells.setdefault((*key._replace(principal=""),), {}), amounts)
    return cells


async def verified(store: Store) -> tuple[bool, int]:
    """Whether the closed month is as it was closed, and how many entries lost a name."""
    told = msgspec.json.decode(await store.closing(MONTH) or "", type=Closing)
    found = verify(told, [each for each in await ledger(store) if each.at.startswith(MONTH)])
    return found.same, found.nameless


def test_no_byte_is_left_and_no_amount_has_moved(address: str) -> None:
    """In no table and no place of the file; by team, model, day and tag all is as it was; others are untouched."""

    async def scenario() -> None:
        await filled(address)
        store = await read_store(address)
        before, entries = await sums(store), await ledger(store)
        looked = await forgotten(address, write=False)
        assert await sums(store) == before
        done = await forgotten(address)
        assert looked == done
        assert {kind for kind, rows in done.items() if rows} == {
            "closed months",
            "entries",
            "open requests",
            "hourly sums",
            "hourly sums by tag",
            "days of budgets",
            "leases of budgets",
            "scopes",
            "conversations",
            "turns",
            "habits of agents",
            "statements against the bill",
        }
        text = str(await dump(address)).replace(f"{ALICE}-team", "")
        assert not [name for name in (*NAMES, "req_hers") if name in text]
        if not is_shared(address):
            raw = on_disk(sqlite_path(address)).replace(f"{ALICE}-team".encode(), b"")
            assert not [name for name in NAMES if name.encode() in raw]
        after = await sums(store)
        assert apart(after) == apart(before)
        kept: list[Entry] = [nameless(each, NAMES) for each in entries]
        assert await ledger(store) == kept
        assert after.requests == rollup(kept).requests
        assert after.tags == rollup(kept).tags
        assert FORGOTTEN in {key.value for key in after.tags}
        assert await verified(store) == (True, sum(nameless(each, NAMES) is not each for each in hers()) - 1)
        assert await store.scopes() == {"somebody": (await store.scopes())["somebody"]} | {
            f"somebody@{KEY[:0]}0123456789abcdef": (await store.scopes())["somebody@0123456789abcdef"]
        }
        assert [each.name for each in (await store.learnt()).learnt] == ["of-nobody", "own3"]
        assert await store.conversation("root3") is not None
        assert await forgotten(address) == Counter()
        await store.close()

    run(scenario())


def test_what_was_spent_stays_spent(address: str) -> None:
    """Day by day, by nobody."""

    async def scenario() -> None:
        await filled(address)
        spent = [each for each in (await dump(address))["spending"] if "'principal'" in each]
        await forgotten(address)
        after = [each for each in (await dump(address))["spending"] if "'principal'" in each]
        total = [sum(int(row.strip("()").rsplit(", ", 1)[1]) for row in rows) for rows in (spent, after)]
        assert total[0] == total[1] > 0
        assert any(FORGOTTEN in row for row in after)

    run(scenario())


def test_killed_anywhere_and_run_again(tmp_path: Path) -> None:
    """The end is the same as without having been killed, seals included."""

    async def scenario() -> None:
        full, path = tmp_path / "full.db", tmp_path / "l.db"
        await filled(f"sqlite:///{full}")
        async with opened(f"sqlite:///{full}") as (store, retention):
            work = forget_in_store(store, retention, NAMES, now=NOW, write=False)
            number = len([step async for step in work])
        ends = []
        for steps in range(1, number + 4, 4):
            shutil.copy(full, path)
            await forgotten(f"sqlite:///{path}", steps=steps)
            await forgotten(f"sqlite:///{path}")
            ends.append(await dump(f"sqlite:///{path}"))
        assert all(end == ends[0] for end in ends)
        assert len(ends) > 5

    run(scenario(), longest=60)


def test_who_comes_back_is_somebody_new(address: str) -> None:
    """Requests that come later have the name again, and nothing else has."""

    async def scenario() -> None:
        await filled(address)
        await forgotten(address)
        again = request(9_500, NOW, principal=ALICE)
        async with opened(address) as (store, _):
            await store.apply([EntryRecord(again)])
            assert [each for each in await ledger(store) if each.principal == ALICE] == [again]
            assert (await verified(store))[0]

    run(scenario())


def test_a_pruned_month_is_nameless_too(address: str) -> None:
    """Its entries have gone; its closing, its sums and what is kept of it lose the name."""

    async def scenario() -> None:
        await filled(address)
        async with opened(address) as (store, retention):
            late = [*hers(), request(9_600, day(2025, 10, 5), principal=KEY)]
            await store.apply([EntryRecord(each) for each in late])
            work = prune(store, retention, before=day(2025, 12), now=NOW, pause=nothing)
            assert [each.kept is None async for each in work] == [True, False]
        found = await forgotten(address)
        assert (found["closed months"], found["pruned months"]) == (1, 1)
        text = str(await dump(address)).replace(f"{ALICE}-team", "")
        assert not [name for name in NAMES if name in text]
        async with opened(address) as (store, _):
            assert (await prunings(store))[MONTH].later == 1

    run(scenario())


def test_not_while_something_else_goes_out(address: str) -> None:
    """Seals are made of entries that stay as they are meanwhile."""

    async def scenario() -> None:
        await filled(address)
        other = await open_retention(address)
        async with other.alone():
            with pytest.raises(BusyError, match="try again"):
                await forgotten(address)
        await other.close()

    run(scenario())


def test_what_one_principal_is_called() -> None:
    """By its name for all of its keys, by a key for all of them, and by what nobody has named."""
    callers = Callers((CallerRow(name="alice", keys=(KEY, "1" * 16)),))
    everything = {"alice", KEY, "1" * 16}
    assert names_of("alice", callers) == names_of(KEY, callers) == everything
    assert names_of("2" * 16, callers) == {"2" * 16}


def test_a_journal_without_her(tmp_path: Path) -> None:
    """Entries lose the name, what is only remembered goes, what was torn in the middle of it too; others stay."""
    hers_ = [EntryRecord(request(1, NOW, principal=KEY)), *remembered(ALICE, 1)]
    others = [EntryRecord(request(2, NOW, principal="alice")), *remembered("somebody", 2)]
    lines = [encode(each) for each in (*hers_, *others)]
    torn = lines[0][:-20]
    (tmp_path / "0000000001.jsonl").write_bytes(b"".join(line + b"\n" for line in lines) + torn)
    (tmp_path / ASIDE).write_bytes(lines[0] + b"\n")
    found = forget_in_journal(tmp_path, NAMES, write=False)
    assert found == forget_in_journal(tmp_path, NAMES, write=True) == 8
    assert forget_in_journal(tmp_path, NAMES, write=True) == 0
    content = (tmp_path / "0000000001.jsonl").read_bytes()
    assert not [name for name in NAMES if name.encode() in content + (tmp_path / ASIDE).read_bytes()]
    kept = content.splitlines()
    assert set(map(encode, others)) < set(kept)
    assert content.endswith(b"\n")
    assert kept[0] == encode(EntryRecord(nameless(request(1, NOW, principal=KEY), NAMES)))


def test_no_journal_is_none_to_change(tmp_path: Path) -> None:
    """Where a process has left nothing behind; a place that cannot be read is told."""
    assert forget_in_journal(tmp_path / "none", NAMES, write=True) == 0
    (tmp_path / "0000000001.jsonl").mkdir()
    with pytest.raises(StoreError, match="cannot be rewritten"):
        forget_in_journal(tmp_path, NAMES, write=True)
