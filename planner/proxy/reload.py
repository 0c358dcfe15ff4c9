"""Rules are edited while requests run: a change is read and compiled aside, and one reference is swapped.

What cannot be read or compiled changes nothing: the book in force stays, the failure is counted, and the log has its
findings. Two looks in a row must find the same, so that what is still being written is not taken.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final

from structlog.typing import FilteringBoundLogger

from planner.compiling import CompileError, compile_apart
from planner.lastgood import LastGood
from planner.metrics import Metrics
from planner.proxy.inforce import InForce
from planner.rulesource import Looked, Rules, Source, Watched

SETTLE_SECONDS: Final = 1.0
"""How soon to look again after a change: longer than a file takes to be written, ours."""
OK: Final = "ok"
ERROR: Final = "error"
MOST_FINDINGS: Final = 100
"""Findings of one log line; `planner rules check` has all of them."""


class Reload:
    """Watches the source of the rules for as long as a process lives."""

    def __init__(  # noqa: PLR0913 - the parts of reloading, named
        self,
        watched: Watched,
        in_force: InForce,
        last_good: LastGood,
        *,
        metrics: Metrics,
        log: FilteringBoundLogger,
        every: float,
        compiled: Callable[[Source, Mapping[str, bytes]], Rules] = compile_apart,
    ) -> None:
        self._source = watched.source
        self._begun = watched
        self._in_force = in_force
        self._last_good = last_good
        self._metrics = metrics
        self._log = log
        self._every = every
        self._compiled = compiled
        self._seen: str | None = watched.seen
        self._own = watched.own
        self._changing: str | None = None
        self._woken = asyncio.Event()
        for result in (OK, ERROR):  # a rate is seen from the first one on
            metrics.reloads.add((result,), 0)

    def wake(self) -> None:
        """Look now, and once more at what was refused."""
        if self._in_force.stale:
            self._seen = None
        self._woken.set()

    async def begin(self) -> None:
        """Say what was wrong with the rules at the start, or keep them, since they are good."""
        if self._begun.refused:
            self._refuse(self._begun.refused)
        else:
            await self._keep(self._begun.files)

    async def run(self) -> None:
        """Look for ever; nothing ends this but being cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._every, SETTLE_SECONDS) if self._changing else self._every):
                    await self._woken.wait()
            self._woken.clear()
            await self.look()

    async def look(self) -> None:
        """Look once; what is found changed for the second time is taken, or refused once."""
        try:
            looked = await asyncio.to_thread(self._source.look)
        except Exception as error:  # noqa: BLE001 - a bug in reading must not end the watch
            looked = Looked(trouble=f"looking at the rules failed: {type(error).__name__}")
        digest = looked.digest
        if digest == self._seen:
            self._changing = None
        elif digest != self._changing:
            self._changing = digest
        else:
            self._seen, self._changing = digest, None
            await self._take(looked)

    async def _take(self, looked: Looked) -> None:
        if looked.trouble is not None:
            self._refuse((looked.trouble,))
            return
        try:
            rules = await asyncio.to_thread(self._compiled, self._source, looked.files)
        except CompileError as error:
            self._refuse((str(error),))
            return
        except Exception as error:  # noqa: BLE001 - a bug in compiling must not end the watch
            self._refuse((f"compiling the rules failed: {type(error).__name__}",))
            return
        gone = tuple(map(_gone, sorted(self._own - looked.own)))
        findings = (*gone, *(finding.text() for finding in rules.findings))
        if rules.book is None or gone:
            self._refuse(findings)
            return
        self._in_force.take(rules.book)
        self._in_force.note(findings, took=True)
        self._own = looked.own
        self._metrics.reloads.add((OK,))
        book, prices = rules.book.digest, rules.book.prices.digest
        self._log.info("rules reloaded", rules=book, prices=prices, **_told(findings))
        await self._keep(looked.files)

    def _refuse(self, findings: Iterable[str]) -> None:
        findings = tuple(findings)
        self._in_force.stale = True
        self._in_force.note(findings, took=False)
        self._metrics.reloads.add((ERROR,))
        self._log.error("rules refused", in_force=self._in_force.book.digest, **_told(findings))

    async def _keep(self, files: Mapping[str, bytes]) -> None:
        """Keep for a restart what came into force; where that fails, the rules hold all the same."""
        try:
            await asyncio.to_thread(self._last_good.keep, self._source.directory, files)
        except OSError as error:
            self._log.error("rules not kept for a restart", path=str(self._last_good.path), error=str(error))


def _gone(kind: str) -> str:
    """Why rules are refused that lack a kind which came from the directory: a slip is likelier than a wish."""
    return f"{kind}: all files of this kind are gone, and the shipped ones would hold; restart the planner to have them"


def _told(findings: tuple[str, ...]) -> dict[str, object]:
    """Findings as a log line has them."""
    left = len(findings) - MOST_FINDINGS
    return {"findings": findings[:MOST_FINDINGS]} | ({"left_out": left} if left > 0 else {})
