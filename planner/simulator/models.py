"""The models the simulated API serves, what each can do, and the objects of the Models API."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model: names, limits and the differences the rest of the simulator asks about."""

    id: str
    name: str
    line: str
    created: str
    context: int = 1_000_000
    max_tokens: int = 128_000
    cache_minimum: int = 512
    programmatic: bool = True
    """Takes programmatic tool calls, dynamic filtering and interpreter state."""
    binds_thinking: bool = False
    """Thinking blocks are bound to the conversation before them."""
    always_binds: bool = False
    """…for every account, not only young ones."""
    refuses_forced_choice: bool = False
    fast: bool = False
    geo: bool = True
    lifecycle: str = "active"
    retires: str | None = None

    def info(self) -> dict[str, Any]:
        """The `ModelInfo` object."""
        return {
            "type": "model",
            "id": self.id,
            "display_name": self.name,
            "created_at": self.created + "T00:00:00Z",
            "lifecycle": self.lifecycle,
            "deprecated_at": "2026-08-30T00:00:00Z" if self.lifecycle == "deprecated" else None,
            "retires_at": self.retires,
            "line": self.line,
            "max_input_tokens": self.context,
            "max_tokens": self.max_tokens,
            "capabilities": self._capabilities(),
        }

    def _capabilities(self) -> dict[str, Any]:
        yes, no = {"supported": True}, {"supported": False}
        programmatic = {"supported": self.programmatic}
        newest = {"supported": self.cache_minimum <= 1024}
        effort = {"low": yes, "medium": yes, "high": yes, "max": newest, "xhigh": newest}
        return {
            "batch": yes,
            "citations": yes,
            "code_execution": programmatic,
            "context_management": {
                "supported": True,
                "clear_thinking_20251015": yes,
                "clear_tool_uses_20250919": yes,
                "compact_20260112": newest,
            },
            "effort": {"supported": True, **effort},
            "image_input": yes,
            "pdf_input": yes,
            "server_tools": {"supported": True, "code_execution": yes, "web_search": yes},
            "structured_outputs": yes,
            "thinking": {
                "supported": True,
                "types": {"adaptive": newest, "between_tools": no, "disabled": yes, "enabled": yes},
            },
        }


def _table() -> dict[str, Model]:
    young: dict[str, Any] = {"binds_thinking": True, "refuses_forced_choice": True}
    bound = {**young, "always_binds": True}
    old: dict[str, Any] = {"context": 200_000, "max_tokens": 64_000, "geo": False}
    rows = [
        Model(id="claude-fable-5-2", name="Claude Fable 5.2", line="fable", created="2026-11-10", **bound),
        Model(id="claude-mythos-5-2", name="Claude Mythos 5.2", line="mythos", created="2026-11-10", **bound),
        Model(id="claude-haiku-5-5", name="Claude Haiku 5.5", line="haiku", created="2026-10-06"),
        Model(id="claude-sonnet-5-5", name="Claude Sonnet 5.5", line="sonnet", created="2026-09-22", **young),
        Model(id="claude-fable-5-1", name="Claude Fable 5.1", line="fable", created="2026-09-08", **young),
        Model(id="claude-opus-5-5", name="Claude Opus 5.5", line="opus", created="2026-09-01", fast=True, **young),
        Model(id="claude-mythos-5-1", name="Claude Mythos 5.1", line="mythos", created="2026-09-08", **young),
        Model(id="claude-sonnet-5", name="Claude Sonnet 5", line="sonnet", created="2026-06-18", cache_minimum=1024),
        Model(id="claude-fable-5", name="Claude Fable 5", line="fable", created="2026-06-11"),
        Model(id="claude-mythos-5", name="Claude Mythos 5", line="mythos", created="2026-06-11"),
        Model(id="claude-opus-5", name="Claude Opus 5", line="opus", created="2026-06-11", fast=True),
        Model(
            id="claude-opus-4-8",
            name="Claude Opus 4.8",
            line="opus",
            created="2026-05-05",
            fast=True,
            cache_minimum=1024,
        ),
        Model(id="claude-opus-4-7", name="Claude Opus 4.7", line="opus", created="2026-03-31", cache_minimum=2048),
        Model(id="claude-mythos-preview", name="Claude Mythos Preview", line="mythos", created="2026-04-07"),
        Model(id="claude-opus-4-6", name="Claude Opus 4.6", line="opus", created="2026-02-05", cache_minimum=4096),
        Model(
            id="claude-sonnet-4-6", name="Claude Sonnet 4.6", line="sonnet", created="2026-02-17", cache_minimum=1024
        ),
        Model(
            id="claude-haiku-4-5-20251001",
            name="Claude Haiku 4.5",
            line="haiku",
            created="2025-10-01",
            cache_minimum=4096,
            programmatic=False,
            **old,
        ),
        Model(
            id="claude-opus-4-5-20251101",
            name="Claude Opus 4.5",
            line="opus",
            created="2025-11-01",
            cache_minimum=4096,
            **old,
        ),
        Model(
            id="claude-sonnet-4-5-20250929",
            name="Claude Sonnet 4.5",
            line="sonnet",
            created="2025-09-29",
            cache_minimum=1024,
            lifecycle="deprecated",
            retires="2026-11-30T00:00:00Z",
            **old,
        ),
    ]
    return {row.id: row for row in rows}


MODELS: Mapping[str, Model] = _table()
ALIASES: Mapping[str, str] = {
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
}


def find(name: str) -> Model | None:
    """A model by id or alias."""
    return MODELS.get(ALIASES.get(name, name))
