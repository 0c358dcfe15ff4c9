"""Writes down what happens to a request: into the journal first, and once it is settled into the metrics too."""

from collections import deque
from typing import Final

from structlog.typing import FilteringBoundLogger

from planner.core.ledger.entry import Entry
from planner.core.records import ConversationRecord, EntryRecord, Record, TurnRecord, encode
from planner.metrics import Metrics
from planner.proxy.unpriced import UnpricedAlarm
from planner.stores.journal import Journal, JournalError
from planner.stores.writer import Writer

KEPT_WHILE_UNWRITABLE: Final = 10_000


class Recorder:
    """Takes intents and settled entries. A journal that cannot be written never stops a request."""

    def __init__(self, journal: Journal, writer: Writer, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._journal = journal
        self._writer = writer
        self._metrics = metrics
        self._log = log
        self._kept: deque[bytes] = deque(maxlen=KEPT_WHILE_UNWRITABLE)
        self._lost = 0
        self._unpriced = UnpricedAlarm(log)

    def intend(self, entry: Entry) -> None:
        """Write down, before it is sent, that a request goes upstream."""
        self.remember(EntryRecord(entry))

    def remember(self, record: Record) -> None:
        """Write down anything that must outlive this process."""
        self._append(encode(record), awaited=isinstance(record, TurnRecord | ConversationRecord))

    async def delivered(self) -> None:
        """Wait, for a moment at most, until other processes can find what was written down so far."""
        await self._writer.delivered()

    def settle(self, entry: Entry) -> None:
        """Write down how a request ended, count it, and say it in one log line; each even where another fails.

        A cost that should be known and is not gets a warning besides.
        """
        try:
            self.remember(EntryRecord(entry))
        finally:
            try:
                self._metrics.observe(entry)
            finally:
                self._say(entry)

    def _say(self, entry: Entry) -> None:
        self._log.info(
            "request",
            request_id=entry.request_id,
            endpoint=entry.endpoint,
            model=entry.served_model or entry.model,
            principal=entry.principal,
            status=entry.status,
            outcome=entry.outcome,
            cost_nano=entry.cost_nano,
            seconds=None if entry.latency is None else round(entry.latency.total, 6),
        )
        self._unpriced.watch(entry)

    def close(self) -> None:
        """Give the journal what it did not take before; what it still does not take is lost, and said."""
        try:
            self._retry()
        except JournalError as error:
            self._log.error("records lost", records=len(self._kept) + self._lost, error=str(error))

    def _retry(self) -> None:
        while self._kept:
            self._journal.append(self._kept[0])
            self._kept.popleft()

    def _append(self, line: bytes, *, awaited: bool) -> None:
        try:
            self._retry()
            self._journal.append(line)
        except JournalError as error:
            if not self._kept:
                self._log.error("journal unwritable; requests go on", error=str(error))
            if len(self._kept) == KEPT_WHILE_UNWRITABLE:  # the oldest goes
                self._lost += 1
                self._metrics.fail_open.add(("record",))
            self._kept.append(line)
            self._metrics.fail_open.add(("journal",))
        self._writer.wake(awaited=awaited)
