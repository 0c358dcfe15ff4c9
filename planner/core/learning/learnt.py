"""What is believed of an agent once its requests have shown something: a part of its own, and the rest of the prior."""

from datetime import datetime
from math import sqrt
from typing import Final

import msgspec

PSEUDO_REQUESTS: Final = 20.0
"""How many requests of its own outweigh what is believed of an agent otherwise."""


class Estimate(msgspec.Struct, frozen=True):
    """What is believed of a quantity after learning: `own + spread * z + rest * prior`, z a standard normal draw."""

    own: float = 0.0
    spread: float = 0.0
    rest: float = 1.0

    def at(self, prior: float, z: float = 0.0) -> float:
        """The quantity in one world, never negative."""
        value = self.own + self.spread * z + self.rest * prior
        return max(0.0, value)

    def under(self, mean: float, error: float, weight: float) -> "Estimate":
        """What is believed with a nearer observation of such a weight."""
        far = 1 - weight
        return Estimate(self.own * far + mean * weight, self.spread * far + error * weight, self.rest * far)


UNKNOWN: Final = Estimate()


class Learnt(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What is believed of an agent beside the catalog's priors; the same object as long as it has not changed.

    `requests` is how many are behind it, faded, `begun` the conversations among them, `seen` when the last one came.

    Shares are of requests: `code` run code, `cold` wrote their definitions to the cache, `cached` could be cached and
    were. `share` is the part of a prompt that lies in the cache. `conversations` begin in an epoch, `turns` are
    requests of a conversation. `billed` are container seconds of a request. `futile` are calls of an added tool in a
    request that has one, `output` are tokens. `prompts` are the prompt tokens and iterations of its own last requests,
    by which a tier is told.
    """

    requests: float = 0.0
    begun: float = 0.0
    seen: datetime | None = None
    code: Estimate = UNKNOWN
    seconds: Estimate = UNKNOWN
    billed: Estimate = UNKNOWN
    samples: Estimate = UNKNOWN
    scale: Estimate = UNKNOWN
    cached: Estimate = UNKNOWN
    share: Estimate = UNKNOWN
    cold: Estimate = UNKNOWN
    turns: Estimate = UNKNOWN
    conversations: Estimate = UNKNOWN
    futile: Estimate = UNKNOWN
    output: Estimate = UNKNOWN
    prompts: tuple[tuple[float, float], ...] = ()


UNLEARNT: Final = Learnt()


def dear_share(prompts: tuple[tuple[float, float], ...], edge: float, added: float, *, summed: bool) -> Estimate:
    """The share of prompt tokens in requests beyond a tier's threshold, were so many added to each iteration."""
    everything = sum(read for read, _ in prompts)
    if not everything:
        return UNKNOWN
    dear = sum(read for read, samples in prompts if read + added * samples > (edge if summed else edge * samples))
    share, number = dear / everything, len(prompts)
    weight = number / (number + PSEUDO_REQUESTS)
    return UNKNOWN.under(share, sqrt(share * (1 - share) / number), weight)
