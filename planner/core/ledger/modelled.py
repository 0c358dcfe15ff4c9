"""Sums by decision and model, where some of them were added up by a version that told decisions without.

    sums over models = sums without models

The version before adds to sums without models alone, and of hours whose entries are gone nobody knows more. So what
those have beyond the sums by model is what no model is known of; it stands under an empty one.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from planner.core.ledger.rollup import (
    Amounts,
    DecisionKey,
    DecisionModelKey,
    K,
    Rollup,
    ShadowKey,
    ShadowModelKey,
    add,
    merged,
)

_PLACE: Final = DecisionModelKey._fields.index("model")
"""Parts of a key before its model."""
PLAIN: Final[dict[Any, Any]] = {DecisionModelKey: DecisionKey, ShadowModelKey: ShadowKey}
"""The kinds that are told by model, and what is told without: an older version writes these alone."""


def decisions_by_model(sums: Rollup) -> dict[DecisionModelKey, Amounts]:
    """Sums by decision and model; what an older version wrote has an empty model."""
    return with_models(DecisionModelKey, sums.decisions, sums.decision_models)


def shadows_by_model(sums: Rollup) -> dict[ShadowModelKey, Amounts]:
    """The same of what policies in shadow would have done."""
    return with_models(ShadowModelKey, sums.shadows, sums.shadow_models)


def with_models(kind: type[K], plain: Mapping[Any, Amounts], modelled: Mapping[K, Amounts]) -> dict[K, Amounts]:
    """Sums by model, and what those without have beyond them under an empty model: together they are those without."""
    make: Callable[..., K] = kind
    rest = {make(*key[:_PLACE], "", *key[_PLACE:]): dict(amounts) for key, amounts in plain.items()}
    for key, amounts in modelled.items():
        owed = {name: -amount for name, amount in amounts.items()}
        add(rest.setdefault(make(*key[:_PLACE], "", *key[_PLACE + 1 :]), {}), owed)
    return merged(modelled, {key: amounts for key, amounts in rest.items() if amounts})


def without_models(kind: type[K], modelled: Mapping[Any, Amounts]) -> dict[K, Amounts]:
    """Sums by model, added up over models."""
    make: Callable[..., K] = kind
    found: dict[K, Amounts] = {}
    for key, amounts in modelled.items():
        add(found.setdefault(make(*key[:_PLACE], *key[_PLACE + 1 :]), {}), amounts)
    return found
