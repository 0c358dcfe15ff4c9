"""How long a new container takes to start: no page says it, so the first code of responses is compared, cold and warm.

    the first code in a new container  = start + what that code takes
    the first code in a warm container =         what that code takes

What code takes differs far more than a start does, so the quick ones are compared: one in ten is quicker. An estimate,
and none at all until enough of both were seen.
"""

from collections import deque
from typing import Final

KEPT: Final = 200
"""First runs that are kept of each kind, the newest. Ours."""
FEWEST: Final = 20
"""First runs of each kind before their difference says anything. Ours."""
QUICK: Final = 0.1
"""The share of first runs that are quicker than the one that is compared. Ours."""


class Starts:
    """The first runs of code that were seen last, in milliseconds, in new containers and in warm ones."""

    def __init__(self, kept: int = KEPT) -> None:
        self._cold: deque[int] = deque(maxlen=kept)
        self._warm: deque[int] = deque(maxlen=kept)

    def observe(self, milliseconds: int, *, warm: bool) -> None:
        """Take in how long the first code of one response took."""
        (self._warm if warm else self._cold).append(milliseconds)

    @property
    def cold_ms(self) -> int | None:
        """How much longer a new container takes, in milliseconds, never less than 0; None where too few were seen."""
        if min(len(self._cold), len(self._warm)) < FEWEST:
            return None
        return max(_quick(self._cold) - _quick(self._warm), 0)


def _quick(runs: deque[int]) -> int:
    return sorted(runs)[int(len(runs) * QUICK)]
