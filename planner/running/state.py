"""How far a run has come, in a file that outlives a crash: which requests were sent, and what came back.

    waiting --send--> sent --answered--> done          a run that goes on sends what was sent and never answered again:
    waiting --send--> sent --accepted--> batched --answered--> done        it may be billed twice, and is told
    sent, batched --refused--> failed --send--> sent

The file holds results, so it is as private as they are: it belongs to whoever runs the workflow, and is no part of the
ledger. It is written anew and renamed at each step, so that it is always whole.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec

from planner.core.workflow.cost import Life
from planner.core.workflow.problem import Plan

Status = Literal["waiting", "sent", "batched", "done", "failed"]

TABLE: Final[dict[tuple[Status, str], Status]] = {
    ("waiting", "send"): "sent",
    ("sent", "send"): "sent",
    ("failed", "send"): "sent",
    ("sent", "accepted"): "batched",
    ("sent", "answered"): "done",
    ("batched", "answered"): "done",
    ("sent", "refused"): "failed",
    ("batched", "refused"): "failed",
}


class StateError(Exception):
    """The file cannot be used; the message says why and what to do."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, and what it cost.

    `nano` is None where it has no known cost; `used` are tokens, searches and seconds by name.
    """

    results: dict[str, str]
    nano: int | None
    used: dict[str, float]
    seconds: float
    stop_reason: str
    container: str | None = None


class Record(msgspec.Struct, kw_only=True):
    """One request of the plan, by its place in it."""

    status: Status = "waiting"
    sends: int = 0
    batch: str | None = None
    answer: Answer | None = None
    error: str | None = None

    def apply(self, event: str) -> None:
        """Take the step that the table has. Raises ValueError for one that it has not."""
        after = TABLE.get((self.status, event))
        if after is None:
            raise ValueError(f"a request that is {self.status} cannot take the event {event}")
        self.status = after


class State(msgspec.Struct, kw_only=True):
    """A run: the workflow's digest, the plan that it carries out, what is uploaded, and a record a request."""

    workflow: str
    plan: Plan
    lives: tuple[Life, ...]
    marked: tuple[bool, ...]
    uploads: dict[str, list[str]] = {}
    records: list[Record] = []

    @property
    def results(self) -> dict[str, str]:
        """What is known of each step by now."""
        return {name: text for each in self.records if each.answer for name, text in each.answer.results.items()}

    @property
    def whole(self) -> bool:
        """Whether everything is done."""
        return all(record.status == "done" for record in self.records)

    @property
    def again(self) -> list[int]:
        """The requests that were sent and never answered, as far as this file knows."""
        return [number for number, record in enumerate(self.records) if record.status == "sent"]


def digest(parts: Sequence[bytes]) -> str:
    """What tells one workflow, its texts and its way of being run from another: 16 hex digits."""
    hashed = sha256()
    for part in parts:
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()[:16]


def load(path: Path, workflow: str) -> State | None:
    """Where a run of this workflow stopped; None where none began. Raises StateError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        state = msgspec.json.decode(text, type=State)
    except msgspec.DecodeError as error:
        raise StateError(f"{path} is no state of a run ({error}). Name another file with --state.") from error
    if state.workflow != workflow:
        raise StateError(
            f"{path} is of another workflow, of this one before it was changed, or of a run the other way (--as-is)."
            " Name another file with --state, or begin anew with --afresh."
        )
    return state


def save(path: Path, state: State) -> None:
    """Write it, so that a crash leaves either what was there before or this. Raises StateError."""
    part = path.with_name(f"{path.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}.") from error
