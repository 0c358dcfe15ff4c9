"""The one module that starts asyncio tasks: each is kept, named, and heard when it fails."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Tasks:
    """A group of background tasks that live as long as their owner.

    A task that fails calls `on_failure` with its name and exception; it never disappears silently.
    """

    def __init__(self, on_failure: Callable[[str, BaseException], None]) -> None:
        self._on_failure = on_failure
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine in the background and return its task."""
        task = asyncio.create_task(work, name=name)  # noqa: TID251 - the one place
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def report(self, name: str, error: BaseException) -> None:
        """Make something heard that failed and was survived."""
        self._on_failure(name, error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(task.get_name(), error)

    async def close(self) -> None:
        """Cancel what still runs and wait for it to end."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
