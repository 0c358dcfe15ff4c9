"""Message batches as they are kept: requests, results once processed, and the counts that tell of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from planner.simulator.canonical import Json
from planner.simulator.config import Key
from planner.simulator.containers import timestamp
from planner.simulator.errors import not_found
from planner.simulator.ids import RequestIds

LIFE = timedelta(hours=24)


class Batch:
    """One batch; `results` is None until it was processed."""

    def __init__(self, key: Key, requests: Sequence[Json], *, ids: RequestIds, now: datetime, headers: Json) -> None:
        self.id = ids.new("msgbatch")
        self.key = key
        self.ids = ids
        self.headers = headers
        self.requests = requests
        self.created = now
        self.cancelled: datetime | None = None
        self.ended: datetime | None = None
        self.results: list[Json] | None = None

    @property
    def status(self) -> str:
        """`in_progress`, `canceling` or `ended`."""
        if self.results is not None:
            return "ended"
        return "in_progress" if self.cancelled is None else "canceling"

    def value(self, base_url: str) -> Json:
        """The `MessageBatch` object; its `results_url` is absolute."""
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        if self.results is None:
            counts["processing"] = len(self.requests)
        for item in self.results or ():
            counts[item["result"]["type"]] += 1
        url = f"{base_url}/v1/messages/batches/{self.id}/results"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status,
            "request_counts": counts,
            "created_at": timestamp(self.created),
            "expires_at": timestamp(self.created + LIFE),
            "ended_at": None if self.ended is None else timestamp(self.ended),
            "cancel_initiated_at": None if self.cancelled is None else timestamp(self.cancelled),
            "archived_at": None,
            "results_url": None if self.results is None else url,
        }


class Batches:
    """All batches of one simulator."""

    def __init__(self) -> None:
        self._all: dict[str, Batch] = {}

    def add(self, batch: Batch) -> None:
        """Keep a batch."""
        self._all[batch.id] = batch

    def get(self, batch_id: str, workspace: str) -> Batch:
        """A batch by id.

        Raises:
            ApiError: 404.
        """
        batch = self._all.get(batch_id)
        if batch is None or batch.key.workspace != workspace:
            raise not_found(f"Message batch not found: {batch_id}")
        return batch

    def listed(self, workspace: str) -> Sequence[Batch]:
        """The batches of a workspace, newest first."""
        return [batch for batch in reversed(self._all.values()) if batch.key.workspace == workspace]

    def delete(self, batch: Batch) -> None:
        """Forget a batch."""
        del self._all[batch.id]

    def due(self, now: datetime, delay: float) -> Sequence[Batch]:
        """The batches whose time has come, and those that are being cancelled."""
        waiting = (batch for batch in self._all.values() if batch.results is None)
        return [batch for batch in waiting if batch.cancelled or now >= batch.created + timedelta(seconds=delay)]
