"""What edited prompts have too much: the mean of some samples, how sure it is, and what is believed after seeing it.

Each sample is a prompt as it was billed less what it would have been untouched (`scale`). Its weight is its precision:
a long prompt, whose estimate is far off in tokens, tells little of what a tool adds.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from planner.core.learning.scale import DOUBT, Predicted
from planner.core.rulebook.catalog import TAIL, Interval

HALF_LIFE: Final = timedelta(days=30)
"""A sample so much older than the newest one counts half: definitions change with the API."""

LEAST: Final = 1.0
SURE_WITHIN: Final = 0.005
"""No deviation is believed to be less: tokens, and a share of the excess."""
STUDENT: Final = 1.2
"""How much longer a tail is that is known from few: `1.28 + 1.2 / n` is close to Student's 90 % point from n = 2 on."""
OUTLIER: Final = 3.0


class Sample(msgspec.Struct, frozen=True):
    """An edited request: what its body was estimated at without the edit, the tokens of its first prompt, its group."""

    at: datetime
    estimate: float
    tokens: int
    group: str


class Excess(msgspec.Struct, frozen=True):
    """What traffic alone says: tokens, the standard deviation, and the samples behind that."""

    tokens: float
    deviation: float
    freedom: float


def excess(seen: Sequence[tuple[Sample, Predicted]]) -> Excess:
    """The mean of what edited prompts have too much, by the precision of each; of one sample or more."""
    last = newest(sample for sample, _ in seen)
    rows = _tamed([_row(sample, untouched, last) for sample, untouched in seen])
    total = sum(row.weight for row in rows)
    mean = sum(row.weight * row.excess for row in rows) / total
    freedom = sum(row.weight * row.freedom for row in rows) / total
    scattered = sum(row.share * ((row.excess - mean) / row.noise) ** 2 for row in rows)
    fair = (DOUBT + freedom + scattered) / (DOUBT + freedom + len(rows) - 1)
    noise = fair * sum((row.weight * row.noise) ** 2 for row in rows)
    shared: dict[str, float] = {}
    for row in rows:
        shared[row.group] = shared.get(row.group, 0.0) + row.weight * row.bias
    bias = sum(each * each for each in shared.values())
    floor = SURE_WITHIN * abs(mean) + LEAST
    deviation = math.sqrt((noise + bias) / (total * total) + floor * floor)
    return Excess(mean, deviation, freedom + len(rows) - 1)


class _Row(msgspec.Struct, frozen=True):
    """One sample as it counts; `share` is below 1 for what is old or far out, `weight` is it over the variance."""

    excess: float
    noise: float
    bias: float
    freedom: float
    share: float
    group: str
    variance: float
    weight: float


def _row(sample: Sample, untouched: Predicted, newest: datetime) -> _Row:
    share = 0.5 ** ((newest - sample.at) / HALF_LIFE)
    more = sample.tokens - untouched.tokens
    variance = untouched.noise * untouched.noise + untouched.bias * untouched.bias
    weight = share / variance
    return _Row(more, untouched.noise, untouched.bias, untouched.freedom, share, sample.group, variance, weight)


def _tamed(rows: list[_Row]) -> list[_Row]:
    """The rows, those far from the middle with less weight, so that a few odd prompts do not move the mean (Huber)."""
    middle = _median([(row.excess, row.weight) for row in rows])
    spread = _median([(abs(row.excess - middle), row.weight) for row in rows]) * 1.4826  # as a normal deviation
    return [_closer(row, abs(row.excess - middle) / (OUTLIER * max(math.sqrt(row.variance), spread))) for row in rows]


def _closer(row: _Row, far: float) -> _Row:
    if far <= 1:
        return row
    share = row.share / far
    return msgspec.structs.replace(row, share=share, weight=share / row.variance)


def _median(values: list[tuple[float, float]]) -> float:
    """The value in whose middle the weights halve."""
    half, passed = sum(weight for _, weight in values) / 2, 0.0
    for value, weight in sorted(values):
        passed += weight
        if passed >= half:
            return value
    return max(values)[0]


def blend(prior: Interval, seen: Excess) -> Interval:
    """A belief and an observation, each by its precision; few observations have longer tails (Student)."""
    below = max((prior.likely - prior.low) / TAIL, LEAST)
    above = max((prior.high - prior.likely) / TAIL, LEAST)
    believed, observed = 2 / (below * below + above * above), 1 / (seen.deviation * seen.deviation)
    trust = observed / (believed + observed)
    likely = max((1 - trust) * prior.likely + trust * seen.tokens, 0.0)
    tail = TAIL + trust * STUDENT / max(seen.freedom, 0.5)
    low = likely - tail / math.sqrt(1 / (below * below) + observed)
    return Interval(max(low, 0.0), likely, likely + tail / math.sqrt(1 / (above * above) + observed))


def newest(samples: Iterable[Sample]) -> datetime:
    """When the last of these samples was seen."""
    return max(sample.at for sample in samples)
