"""An unknown cost is said, with its reason and model, and however many come, not more than once a minute each."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from planner import log as logs
from planner.core.ledger.entry import Entry
from planner.proxy.unpriced import CAUSES, UnpricedAlarm
from tests.stores.test_sqlite import entry

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Watched:
    """An alarm and what it wrote."""

    def __init__(self) -> None:
        self._out = io.StringIO()
        self._alarm = UnpricedAlarm(logs.build(self._out))

    def see(self, reason: str | None = "unknown-model", model: str | None = "claude-new", seconds: float = 0) -> None:
        """Settle one request."""
        at = (AT + timedelta(seconds=seconds)).isoformat()
        settled: Entry = msgspec.structs.replace(entry(1, "ok"), unpriced=reason, model=model, served_model=None, at=at)
        self._alarm.watch(settled)

    @property
    def said(self) -> list[dict[str, Any]]:
        """The lines, without their time."""
        return [msgspec.json.decode(line) for line in self._out.getvalue().splitlines()]


def test_one_line_a_minute_and_cause() -> None:
    """The next one says how many there were since."""
    watched = Watched()
    for seconds in (0, 1, 59.9, 60, 61):
        watched.see(seconds=seconds)
    watched.see("unparsed-usage", "claude-opus-5-5", seconds=62)
    fields = ("level", "event", "reason", "model", "requests")
    assert [tuple(line[name] for name in fields) for line in watched.said] == [
        ("warning", "cost unknown", "unknown-model", "claude-new", 1),
        ("warning", "cost unknown", "unknown-model", "claude-new", 3),
        ("warning", "cost unknown", "unparsed-usage", "claude-opus-5-5", 1),
    ]


def test_what_is_known_or_cannot_be_is_no_alarm() -> None:
    """Priced requests, batches that are billed later, and requests that nobody answered."""
    watched = Watched()
    for reason in (None, "billed-elsewhere", "no-answer"):
        watched.see(reason)
    assert watched.said == []


def test_made_up_models_do_not_flood_the_log() -> None:
    """Ten thousand ids in a minute are a hundred lines and one for the rest; afterwards there is room again."""
    watched = Watched()
    for number in range(10_000):
        watched.see(model=f"made-up-{number}")
    assert len(watched.said) == CAUSES + 1
    assert watched.said[-1]["model"] == "other"
    watched.see(model="x" * 10_000, seconds=120)
    assert watched.said[-1]["model"] == "x" * 128
    watched.see(model=None, seconds=120)
    assert watched.said[-1]["model"] == ""
