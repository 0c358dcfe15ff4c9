"""Which rows of a store have a name, whatever else begins like it; what was done is told by what the rows are."""

import msgspec

from planner.core.conversations import Scope
from planner.core.records import EntryRecord, ScopeRecord
from planner.stores.forgetting import forget
from tests.doubles.databases import raw
from tests.doubles.outgoing import opened
from tests.doubles.proxy import run
from tests.doubles.reported import BEGIN, request


def test_names_that_begin_alike(address: str) -> None:
    """Only the whole word is a name, with whatever signs are in it."""
    odd = 'al"\\%_'

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            names = (odd, "al", odd + "x")
            await store.apply([EntryRecord(request(n, BEGIN, principal=who)) for n, who in enumerate(names)])
            known = (odd, f"{odd}@1", "al", "al@1", f"{odd}x@1")
            await store.apply([ScopeRecord("2026", who, Scope("o", "w")) for who in known])
            found = [step async for step in forget(retention, frozenset({odd}), write=True)]
            told = {step.kind: step.rows for step in found if step.rows}
            assert told == {"entries": 1, "hourly sums": 1, "scopes": 2}
            assert {each.principal async for each in store.entries()} == {"(forgotten)", "al", odd + "x"}
            assert set(await store.scopes()) == {"al", "al@1", f"{odd}x@1"}

    run(scenario())


def test_only_the_end_of_a_sentence_names_somebody(address: str) -> None:
    """A statement says at the end of a sentence whose keys have more; elsewhere the word is no name."""
    said = {"a": "on keys of al", "b": "al is here", "c": "on keys of alx"}
    statement = {"month": "2025-10", "rows": [{"evidence": said}]}

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            for at in ("2025-11-01", "2025-11-02"):
                await store.keep_reconciliation("2025-10", "o", at, msgspec.json.encode(statement).decode())
            found = [step async for step in forget(retention, frozenset({"al"}), write=True)]
            assert {step.kind: step.rows for step in found if step.rows} == {"statements against the bill": 2}
            texts = [text for (text,) in await raw(address, "SELECT statement FROM reconciliations")]
            for text in texts:
                (row,) = msgspec.json.decode(text)["rows"]
                assert row["evidence"] == {"a": "on keys of (forgotten)", "b": "al is here", "c": "on keys of alx"}

    run(scenario())
