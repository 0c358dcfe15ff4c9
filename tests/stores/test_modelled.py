"""A store of a version that told decisions without models gets these from its entries, in both kinds of store."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from planner.core.ledger.entry import Entry
from planner.core.ledger.modelled import decisions_by_model, without_models
from planner.core.ledger.rollup import KINDS, DecisionKey, Rollup, rollup
from planner.opening import is_shared, open_store, read_store, upgrade
from planner.stores import StoreError
from planner.stores.rows import VIEWS
from tests.doubles.databases import raw
from tests.doubles.entries import ledgers
from tests.doubles.proxy import run
from tests.stores.test_reading import entry, ledger, nonempty, records, sums


async def before_models(address: str) -> None:
    """Take a store back to the schema of the version that told decisions without models."""
    number = 8 if is_shared(address) else 11
    for statement in (
        "DROP TABLE cells_by_decision_and_model",
        "DROP TABLE cells_by_shadow_and_model",
        f"DELETE FROM migrations WHERE number = {number}",  # noqa: S608 - one of two numbers
        *(() if is_shared(address) else (f"PRAGMA user_version = {number - 1}",)),
    ):
        await raw(address, statement)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ledgers(20))
def test_sums_by_model_are_filled_in(address: str, made: Sequence[Entry]) -> None:
    """From the entries that are there when a store is brought up to date; where these are gone, no model is known."""

    async def scenario() -> None:
        store = await open_store(address)
        everything = [msgspec.structs.replace(each, request_id=f"{n:024x}") for n, each in enumerate(made)]
        await store.apply(records(*everything))
        await store.close()
        for each in everything[::3]:
            await raw(address, f"DELETE FROM entries WHERE request_id = '{each.request_id}'")  # noqa: S608 - hex
        await before_models(address)
        await upgrade(address)
        store = await open_store(address)
        try:
            found, kept = await sums(store), rollup(await ledger(store))
            assert (found.decision_models, found.shadow_models) == (kept.decision_models, kept.shadow_models)
            decided = decisions_by_model(found)
            assert nonempty(Rollup(decisions=without_models(DecisionKey, decided))) == nonempty(
                Rollup(decisions=found.decisions)
            )
            assert {key.model for key in decided if key not in kept.decision_models} <= {""}
            late = msgspec.structs.replace(entry(1, "ok"), request_id="late")
            await store.apply(records(late))
            assert await sums(store) == found + rollup([late])
        finally:
            for kind in KINDS:
                await raw(address, f"DELETE FROM {VIEWS[kind]}")  # noqa: S608 - our own tables
            await raw(address, "DELETE FROM entries")
            await raw(address, "DELETE FROM intents")
            await store.close()

    run(scenario())


def test_an_entry_that_cannot_be_read_keeps_a_store_as_it_was(address: str) -> None:
    """Bringing it up to date ends with a sentence, and nothing of the new schema is there."""

    async def scenario() -> None:
        store = await open_store(address)
        await store.apply(records(entry(1, "ok")))
        await store.close()
        await before_models(address)
        await raw(address, "UPDATE entries SET entry = 'no JSON'")
        with pytest.raises(StoreError, match="cannot be brought up to date"):
            await upgrade(address)
        with pytest.raises(StoreError, match="planner store upgrade"):
            await read_store(address)

    run(scenario())
