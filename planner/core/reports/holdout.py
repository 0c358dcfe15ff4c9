"""What a hold-out shows of a policy's saving: the traffic it left alone against the traffic it did not, by cluster.

A cluster is a prefix on a day (UTC), since what it is cut by stays together: its requests are alike, and only clusters
are drawn at random. Below 30 of them in an arm nothing is said, because nothing is known.
"""

from collections.abc import Iterable
from math import sqrt
from statistics import fmean, variance
from typing import Final

import msgspec

from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.catalog import TAIL

FEWEST: Final = 30
"""Clusters an arm: below, the mean of so skewed a thing as a cost is not near enough to normal. Ours."""


UNFIT: Final = frozenset(
    {
        None,
        Reason.ALREADY_FREE,
        Reason.ENCODED_BODY,
        Reason.MID_CONVERSATION,
        Reason.NO_CODE_EXECUTION,
        Reason.OFF,
        Reason.UNKNOWN_MODEL,
        Reason.UNKNOWN_TOOL,
    }
)
"""Declined for these, a request could be in no arm: it was never a matter of the policy."""


class Cluster(msgspec.Struct):
    """The requests of one prefix on one day under one policy that are in one arm, and their cost in nano-dollars."""

    requests: int = 0
    nano: int = 0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a hold-out says: clusters of both arms, and what a request costs less than one that was left alone.

    `saved_nano` and its 80 % interval are None while it is not yet measurable.
    """

    policy: str
    treated: int
    held_out: int
    saved_nano: float | None = None
    low: float | None = None
    high: float | None = None


class HoldOut:
    """Collects requests by cluster."""

    def __init__(self) -> None:
        self._clusters: dict[tuple[str, bool, str, str], Cluster] = {}

    def add(self, decisions: Iterable[Decision], prefix: str, day: str, nano: int | None) -> None:
        """Count a request of which the cost is known, under the policy that decided on its bundle."""
        bundle = next((each for each in decisions if each.action is Action.BUNDLE), None)
        if bundle is None or bundle.policy is None or nano is None:
            return
        if bundle.outcome is Outcome.DECLINED and bundle.reason in UNFIT:
            return
        key = (bundle.policy, bundle.reason is Reason.HOLDOUT, prefix, day)
        cluster = self._clusters.setdefault(key, Cluster())
        cluster.requests += 1
        cluster.nano += nano

    def measured(self) -> tuple[Measured, ...]:
        """What is known of each policy of which anything was held out, by name."""
        arms: dict[str, tuple[list[float], list[float]]] = {}
        for (policy, held_out, _, _), cluster in self._clusters.items():
            arms.setdefault(policy, ([], []))[held_out].append(cluster.nano / cluster.requests)
        return tuple(_measure(policy, *arms[policy]) for policy in sorted(arms) if arms[policy][True])


def _measure(policy: str, treated: list[float], held_out: list[float]) -> Measured:
    if min(len(treated), len(held_out)) < FEWEST:
        return Measured(policy=policy, treated=len(treated), held_out=len(held_out))
    saved = fmean(held_out) - fmean(treated)
    error = sqrt(variance(treated) / len(treated) + variance(held_out) / len(held_out))
    return Measured(
        policy=policy,
        treated=len(treated),
        held_out=len(held_out),
        saved_nano=saved,
        low=saved - TAIL * error,
        high=saved + TAIL * error,
    )
