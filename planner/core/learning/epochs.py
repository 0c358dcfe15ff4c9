"""An epoch is the life of a warm prefix: one decision holds in it, for all conversations that begin meanwhile.

A prefix can be warm twice, as callers send it and with an edit of ours. An epoch ends when neither has been used for as
long as its cache lives; then whatever comes next is written anew in any case, and the decision is free again.
"""

from collections import OrderedDict
from datetime import datetime
from typing import Final

import msgspec

SHORT_CACHE, LONG_CACHE = 300.0, 3_600.0
"""Seconds that the two kinds of prompt cache live [A]:
https://platform.claude.com/docs/en/build-with-claude/prompt-caching, checked 2026-11-22."""

BOUND: Final = 100_000


class Warmth(msgspec.Struct, frozen=True):
    """How many tokens of a prefix are in the cache, when it was used last, and for how many seconds it lives."""

    tokens: int
    last_seen: datetime
    lives: float = SHORT_CACHE

    def lasts(self, now: datetime) -> bool:
        """Whether it is still there."""
        return (now - self.last_seen).total_seconds() < self.lives


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a prefix whose prompt cache may be warm.

    Attributes:
        edited: what was decided for the conversations that begin in it.
        plain: the cache as callers send the prefix; None where it is cold.
        bundled: the cache of the prefix with an edit of ours; None where it is cold.
        conversations: how many have begun in it.
    """

    edited: bool = False
    plain: Warmth | None = None
    bundled: Warmth | None = None
    conversations: int = 0

    def at(self, now: datetime) -> "Epoch | None":
        """The epoch with what has gone cold left out; None when it is over."""
        plain = self.plain if self.plain is not None and self.plain.lasts(now) else None
        bundled = self.bundled if self.bundled is not None and self.bundled.lasts(now) else None
        if plain is None and bundled is None:
            return None
        return msgspec.structs.replace(self, plain=plain, bundled=bundled)


class Epochs:
    """The epochs of all prefixes that may be warm, bounded."""

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._all: OrderedDict[str, Epoch] = OrderedDict()

    def find(self, prefix: str, now: datetime) -> Epoch | None:
        """The epoch of a prefix; None where nothing of it is warm."""
        known = self._all.get(prefix)
        return None if known is None else known.at(now)

    def answered(
        self, prefix: str, warmth: Warmth, *, edited: bool, sent: datetime | None = None, begun: bool | None = None
    ) -> int | None:
        """A request was answered and has used the prefix's cache; return the length of an epoch that was over before.

        What was `sent` on a prefix that had gone cold, or that is not known, begins an epoch. Where a conversation has
        begun with it, `begun` is what holds for those that follow: whether they are edited.
        """
        known = self._all.get(prefix)
        alive = None if known is None else known.at(sent or warmth.last_seen)
        epoch = alive or Epoch(edited=edited)
        if begun is not None:
            epoch = msgspec.structs.replace(epoch, edited=begun, conversations=epoch.conversations + 1)
        self._put(prefix, _warmed(epoch, warmth, edited=edited))
        return known.conversations or None if known is not None and alive is None else None

    def _put(self, prefix: str, epoch: Epoch) -> None:
        self._all[prefix] = epoch
        self._all.move_to_end(prefix)
        if len(self._all) > self._bound:
            self._all.popitem(last=False)


def warm(epoch: Epoch | None, *, edited: bool) -> bool:
    """Whether a prefix is warm as it is sent."""
    return epoch is not None and (epoch.bundled if edited else epoch.plain) is not None


def cache_seconds(*, long: bool) -> float:
    """How long a prompt cache lives."""
    return LONG_CACHE if long else SHORT_CACHE


def _warmed(epoch: Epoch, warmth: Warmth, *, edited: bool) -> Epoch:
    if edited:
        return msgspec.structs.replace(epoch, bundled=warmth)
    return msgspec.structs.replace(epoch, plain=warmth)
