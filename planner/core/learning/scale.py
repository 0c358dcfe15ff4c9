"""How many tokens a prompt has that was estimated from its bytes: a line, learnt from requests that nobody edited.

`tokens = constant + factor * estimate`. The error of an estimate grows with it, so the line is fitted to
`tokens / estimate` against `1 / estimate`, in sums that forget: of a hundred requests the last fifty weigh most. The
constant (a system prompt of the API's own) is believed to be small until requests of different lengths show it.
"""

import math
from collections.abc import Callable
from typing import Final

import msgspec

KEPT: Final = 0.98
"""What is left of the weight of all requests before, when one more comes."""
NOISE: Final = 0.05
DOUBT: Final = 0.05
"""The relative error of an estimate that is believed at first, and how many requests this belief is worth: almost none,
so that a handful without any spread is believed at once."""
LEAST_NOISE: Final = 0.0005
CONSTANT: Final = 500.0
"""Tokens, one standard deviation: how large the constant may be before requests of different lengths show it."""
OUTLIER: Final = 4.0
"""Standard deviations beyond which a request teaches no more than at that edge."""
_ROUNDS: Final = 4


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """How long a request's first prompt is, as far as can be told before it is counted, in tokens.

    Attributes:
        tokens: likely.
        fewest, most: bounds, by which a request is kept from an edge.
        marked: whether a cache breakpoint lies behind `tools`, so that a tool put last is cached as well.
        long: whether the cache is of the kind that lives an hour.
        cached: tokens in front of the last breakpoint; None where nobody counted them.
        files: whether files are loaded into its container.
    """

    tokens: float
    fewest: float
    most: float
    marked: bool = False
    long: bool = False
    cached: float | None = None
    files: bool = False


class Predicted(msgspec.Struct, frozen=True):
    """Tokens of a prompt as they are expected: the error of each (`noise`), and the one that all share (`bias`).

    Both are standard deviations in tokens; `freedom` is how many requests they were seen in, beyond the first.
    """

    tokens: float
    noise: float
    bias: float
    freedom: float


class Line(msgspec.Struct, frozen=True):
    """A fit: `factor` and `constant`, the relative error of one estimate, and the variances of the two numbers."""

    factor: float
    constant: float
    noise: float
    factor_variance: float
    constant_variance: float


class Scale(msgspec.Struct):
    """What a group of requests has taught.

    Their weight, the means of `1 / estimate` and `tokens / estimate`, the sums of squares and products about these.
    """

    weight: float = 0.0
    inverse: float = 0.0
    ratio: float = 0.0
    inverses: float = 0.0
    products: float = 0.0
    ratios: float = 0.0

    def learn(self, estimate: float, tokens: int) -> None:
        """Learn from one untouched request; less than a token teaches nothing."""
        if estimate < 1 or tokens < 1:
            return
        inverse, ratio = 1 / estimate, tokens / estimate
        if self.weight > OUTLIER:
            line = self._line()
            expected = line.factor + line.constant * inverse
            edge = OUTLIER * max(line.noise, LEAST_NOISE)
            ratio = min(max(ratio, expected - edge), expected + edge)
        self.weight = KEPT * self.weight + 1
        along, across = inverse - self.inverse, ratio - self.ratio
        self.inverse += along / self.weight
        self.ratio += across / self.weight
        left = 1 - 1 / self.weight
        self.inverses = KEPT * self.inverses + left * along * along
        self.products = KEPT * self.products + left * along * across
        self.ratios = KEPT * self.ratios + left * across * across

    def predict(self, estimate: float) -> Predicted:
        """The tokens of a prompt. Raises ValueError where nothing was learnt."""
        return self.predictor()(estimate)

    def predictor(self) -> Callable[[float], Predicted]:
        """What predicts prompts of this group: the line is fitted once for all of them. Raises ValueError likewise."""
        if self.weight < 1:
            raise ValueError("nothing was learnt of this group: ask only after one request")
        line, inverse, freedom = self._line(), self.inverse, self.weight - 1

        def predict(estimate: float) -> Predicted:
            away = 1 / estimate - inverse
            ratio = line.factor + line.constant / estimate
            doubt = line.factor_variance + line.constant_variance * away * away
            return Predicted(ratio * estimate, line.noise * estimate, math.sqrt(doubt) * estimate, freedom)

        return predict

    def _line(self) -> Line:
        """The fit of least squares, the constant held near 0 by what is believed of it."""
        variance, constant = NOISE * NOISE, 0.0
        for _ in range(_ROUNDS):
            held = self.inverses + variance / (CONSTANT * CONSTANT)
            constant = self.products / held
            left = max(self.ratios - 2 * constant * self.products + constant * constant * self.inverses, 0.0)
            variance = (DOUBT * NOISE * NOISE + left) / (DOUBT + self.weight - 1)
            variance = max(variance, LEAST_NOISE * LEAST_NOISE)
        held = self.inverses + variance / (CONSTANT * CONSTANT)
        factor = self.ratio - constant * self.inverse
        return Line(factor, constant, math.sqrt(variance), variance / self.weight, variance / held)
