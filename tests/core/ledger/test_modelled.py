"""Sums by model and sums without are one: whatever an older version added up has no model, and nothing is lost."""

import msgspec
from hypothesis import given

from planner.core.ledger.entry import Entry
from planner.core.ledger.modelled import PLAIN, decisions_by_model, shadows_by_model, with_models, without_models
from planner.core.ledger.rollup import (
    DecisionKey,
    DecisionModelKey,
    Rollup,
    ShadowKey,
    ShadowModelKey,
    rollup,
)
from planner.core.reports.figures import total
from tests.doubles.entries import ledgers


def before(ledger: list[Entry]) -> Rollup:
    """What a version adds up that tells no models."""
    return msgspec.structs.replace(rollup(ledger), decision_models={}, shadow_models={})


@given(ledgers(), ledgers())
def test_sums_over_models_are_sums_without(old: list[Entry], new: list[Entry]) -> None:
    """Whoever added them up; what this version did has the models of its requests, the rest has none."""
    sums = before(old) + rollup(new)
    decided, shadows = decisions_by_model(sums), shadows_by_model(sums)
    assert {key: each for key, each in without_models(DecisionKey, decided).items() if each} == {
        key: each for key, each in sums.decisions.items() if each
    }
    assert {key: each for key, each in without_models(ShadowKey, shadows).items() if each} == {
        key: each for key, each in sums.shadows.items() if each
    }
    told = {key: each for key, each in rollup(new).decision_models.items() if key.model and each}
    assert {key: each for key, each in decided.items() if key.model and each} == told
    assert total(each for key, each in decided.items() if not key.model) == total(
        [
            *before(old).decisions.values(),
            *(each for key, each in rollup(new).decision_models.items() if not key.model),
        ]
    )


@given(ledgers())
def test_where_nothing_is_missing_nothing_is_added(ledger: list[Entry]) -> None:
    """Sums of this version alone are what they are."""
    sums = rollup(ledger)
    assert decisions_by_model(sums) == sums.decision_models
    assert with_models(ShadowModelKey, sums.shadows, sums.shadow_models) == sums.shadow_models


def test_what_no_model_is_known_of() -> None:
    """It stands under an empty one, with what it has beyond the others."""
    plain = {DecisionKey("h", "o", "t", "bundle", "applied", "", "p"): {"requests": 3, "nano.input": 30}}
    told = {DecisionModelKey("h", "o", "t", "m", "bundle", "applied", "", "p"): {"requests": 2, "nano.input": 30}}
    assert with_models(DecisionModelKey, plain, told) == told | {
        DecisionModelKey("h", "o", "t", "", "bundle", "applied", "", "p"): {"requests": 1}
    }
    assert {kind._fields.index("model") for kind in PLAIN} == {3}
