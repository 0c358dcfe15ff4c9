"""Tokens of one side alone find their cause by who used them, and tokens of nobody find none."""

import msgspec

from planner.core.reconcile.cells import NOTHING, Cause
from planner.core.reconcile.surplus import Place, Surplus
from planner.core.reconcile.theirs import Variant
from tests.doubles.billed import (
    HAIKU,
    OPUS,
    OWNERS,
    STRANGER,
    asks,
    bill,
    charges,
    ledger,
    read,
    stranger,
)


def surplus(*, strangers: int = 0, gone: frozenset[int] = frozenset(), owners: dict[str, str] | None = None) -> Surplus:
    """A month with requests of a stranger, and without some entries."""
    extra = [stranger(ask, number) for number, ask in enumerate(asks()[:strangers])]
    theirs = bill([*charges(asks()), *extra])
    kept = [entry for entry in ledger(asks()) if int(entry.request_id, 16) not in gone]
    return Surplus(read(kept, theirs), theirs, OWNERS if owners is None else owners)


def causes(found: Surplus) -> set[Cause]:
    """Every cause that was found."""
    return {used.cause for listed in found.found.values() for used in listed}


def test_a_month_that_agrees_has_no_surplus() -> None:
    """Nothing is left anywhere, whether keys are declared or not."""
    for owners in (OWNERS, {}):
        found = surplus(owners=owners)
        assert set(found.rest.values()) == {NOTHING}
        assert not found.found
        assert not found.foreign


def test_a_key_that_nobody_declared_and_the_ledger_never_saw_is_a_stranger() -> None:
    """The whole of it, by key, declared or not."""
    for owners in (OWNERS, {}):
        found = surplus(strangers=5, owners=owners)
        assert {key for _, key in found.foreign} == {STRANGER}
        assert causes(found) == {Cause.BYPASS}
        assert set(found.rest.values()) == {NOTHING}


def test_a_declared_key_has_lost_entries_and_another_one_went_past() -> None:
    """The same tokens: who says that a key is used through the planner alone says what they are."""
    assert causes(surplus(gone=frozenset({2}))) == {Cause.LOST_ENTRIES}
    assert causes(surplus(gone=frozenset({2}), owners={})) == {Cause.BYPASS}


def test_an_intent_without_an_end_makes_it_lost() -> None:
    """Of a key that nobody declared, where no more is missing than such requests take."""
    theirs = bill(charges(asks()))
    entries = ledger(asks())
    open_entry = msgspec.structs.replace(entries[2], outcome="unknown", lines=(), tokens=None, cost_nano=None)
    found = Surplus(read([*entries[:2], open_entry, *entries[3:]], theirs), theirs, {})
    assert causes(found) == {Cause.LOST_ENTRIES}


def test_tokens_that_the_ledger_has_alone_have_no_cause() -> None:
    """Neither bypass nor loss can make the bill less."""
    theirs = bill(charges(asks()[1:]))
    found = Surplus(read(ledger(asks()), theirs), theirs, OWNERS)
    assert causes(found) == set()
    assert any(min(counts) < 0 for counts in found.rest.values())


def test_a_day_without_a_usage_report_says_nothing() -> None:
    """Its tokens are not taken for lost ones of the bill."""
    theirs = bill(charges(asks()))
    theirs.usage = {variant: counts for variant, counts in theirs.usage.items() if variant.day != "2026-11-02"}
    theirs.usage_days.discard("2026-11-02")
    found = Surplus(read(ledger(asks()), theirs), theirs, OWNERS)
    assert not found.found
    assert all(place.day != "2026-11-02" for place in found.rest)


def test_places_of_a_day_and_how_they_were_served() -> None:
    """Declared owners have a place each."""
    found = surplus()
    (place,) = found.at("2026-11-01", "wrkspc_1", OPUS, batch=False)
    assert place == Place("2026-11-01", "wrkspc_1", OPUS, batch=False, owner="team-a")
    (variant,) = found.variants(place)
    assert isinstance(variant, Variant)
    assert list(found.at("2026-11-01", "wrkspc_9", HAIKU, batch=False)) == []
