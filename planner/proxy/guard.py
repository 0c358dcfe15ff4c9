"""A bug of ours must not become the caller's error: what fails is logged by its kind, counted, and left behind."""

from types import TracebackType
from typing import Self

from structlog.typing import FilteringBoundLogger

from planner.metrics import Metrics


class Guard:
    """Keeps exceptions of one step from the steps after it; `failed` says whether there was one.

    `cause` is a label of `planner_fail_open_total`. A cancellation passes.
    """

    def __init__(self, cause: str, request_id: str, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self.failed = False
        self._cause = cause
        self._request_id = request_id
        self._metrics = metrics
        self._log = log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self.failed = True
        self._metrics.fail_open.add((self._cause,))
        self._log.error("failed open", cause=self._cause, request_id=self._request_id, error=type(error).__name__)
        return True
