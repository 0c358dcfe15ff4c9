"""What a batch was made of: the ledger keeps it with the request that made the batch, to price its results by.

Results come hours later, in any order, and tell neither what their requests declared nor what we did to them. So the
requests are sorted into *kinds* that are priced alike; of their own names (`custom_id`) nothing is kept but digests.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from planner.core.conversations import ToolEdit
from planner.core.reasons import Decision

DIGITS: Final = 12
"""Hex digits of a digest: among 100,000 requests, the most that a batch takes [A], two alike are met once in 50,000
batches. https://platform.claude.com/docs/en/build-with-claude/batch-processing, checked 2026-11-22."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of a batch that were decided alike and are priced alike.

    Attributes:
        requests: how many they are.
        model: as they ask for it.
        decisions: what was decided for each of them.
        edit: what was done to the tools of each; empty where it went as it came.
        added: input tokens that the edit is believed to add to each iteration; None for what the rules say.
        free, frees: whether code is free in them as they were sent, and as they came.
        tool_cached: whether a tool that was put last is cached.
        preloaded: whether files are loaded into their containers, which bills though nothing runs.
        untouched_nano, planned_nano: what all of them together were expected to cost without and with the edit, for
            those that were weighed.
        members: digests of their `custom_id`s, one behind the other; empty for all that are of no other kind.
    """

    requests: int
    model: str | None = None
    decisions: tuple[Decision, ...] = ()
    edit: ToolEdit = ToolEdit()
    added: float | None = None
    free: bool = False
    frees: bool = False
    tool_cached: bool = True
    preloaded: bool = False
    untouched_nano: int | None = None
    planned_nano: int | None = None
    members: str = ""


class Made(msgspec.Struct, frozen=True):
    """What one batch was made of; the largest kind stands first, and names no members."""

    kinds: tuple[Kind, ...] = ()

    @property
    def requests(self) -> int:
        """How many requests the batch holds."""
        return sum(kind.requests for kind in self.kinds)

    def places(self) -> dict[str, int]:
        """The kind of each request that is not of the first, by its digest."""
        return {digest: place for place, kind in enumerate(self.kinds) for digest in _cut(kind.members)}


class Known(msgspec.Struct, frozen=True):
    """What is known of a batch whose results pass: what it was made of, when, and what was decided, taken together."""

    made: Made
    at: datetime
    decisions: tuple[Decision, ...] = ()


def member(custom_id: str) -> str:
    """What the ledger keeps of the name of a request in its batch."""
    return sha256(b"planner batched\0" + custom_id.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


def _cut(members: str) -> Iterable[str]:
    return (members[at : at + DIGITS] for at in range(0, len(members), DIGITS))
