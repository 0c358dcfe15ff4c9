"""The answer to a request that makes a batch: all that is read of it is the id of the batch."""

from typing import Final

import msgspec

from planner.core.metering.readers import Told
from planner.core.metering.usage import Metered

LONGEST: Final = 64 * 1024
"""Bytes of a `MessageBatch` that are kept: it has some hundreds."""


class MadeReader:
    """Reads a `MessageBatch`; `batch_id` is None where the answer is none."""

    def __init__(self) -> None:
        self.told = Told()
        self.batch_id: str | None = None
        self._body = bytearray()

    def feed(self, data: bytes, at: float) -> None:
        """Take what came."""
        del at
        room = LONGEST + 1 - len(self._body)
        self._body += data[:room]

    def end(self, at: float) -> None:
        """Nothing more comes."""
        del at
        if len(self._body) > LONGEST:
            return
        try:
            self.batch_id = _batch.decode(self._body).id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.batch_id = None

    def metered(self) -> Metered | None:
        """Making a batch uses nothing."""
        return None


class _MessageBatch(msgspec.Struct):
    id: str


_batch: Final = msgspec.json.Decoder(_MessageBatch)
