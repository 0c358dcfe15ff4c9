"""Why a prompt cache could not be reused: the fingerprint of the previous request compared with this one."""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from planner.simulator.cache import Split
from planner.simulator.canonical import Json, canonical
from planner.simulator.errors import invalid
from planner.simulator.prompt import MESSAGES, SYSTEM, TOOLS, Prompt

KEPT = 20_000


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """What can be told of a request later without keeping its text."""

    model: str
    tools: bytes
    system: bytes
    messages: Sequence[bytes]
    settings: bytes
    cached: int
    """Tokens of its prefix that the cache held afterwards."""


def fingerprint(prompt: Prompt, model: str, split: Split) -> Fingerprint:
    """The fingerprint of a request; `model` includes the speed."""
    parts: dict[str, list[bytes]] = {TOOLS: [], SYSTEM: [], MESSAGES: []}
    for segment in prompt.segments:
        data = segment.role.encode() + b"\0" + canonical(segment.value)
        parts[segment.part].append(blake2b(data, digest_size=12).digest())
    return Fingerprint(
        model=model,
        tools=b"".join(parts[TOOLS]),
        system=b"".join(parts[SYSTEM]),
        messages=parts[MESSAGES],
        settings=canonical(prompt.settings),
        cached=split.total - split.uncached,
    )


class Memory:
    """Fingerprints of the requests that asked for diagnostics, by workspace and message id, bounded."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Fingerprint] = OrderedDict()

    def keep(self, workspace: str, message_id: str, found: Fingerprint) -> None:
        """Remember a request under its response's id."""
        self._kept[workspace, message_id] = found
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def diagnose(self, body: Json, workspace: str, now: Fingerprint, read: int) -> Json | None:
        """`message.diagnostics`: None when not asked for, or when nothing before the new messages changed."""
        asked = body.get("diagnostics")
        if asked is None:
            return None
        if not isinstance(asked, dict):
            raise invalid("diagnostics: Input should be a valid dictionary")
        previous = asked.get("previous_message_id")
        if previous is None:
            return None
        before = self._kept.get((workspace, str(previous)))
        if before is None:
            return {"cache_miss_reason": {"type": "previous_message_not_found"}}
        reason = _reason(before, now)
        if reason is None:
            return None
        if reason == "unavailable":
            return {"cache_miss_reason": {"type": reason}}
        missed = max(before.cached - read, 0)
        return {"cache_miss_reason": {"type": reason, "cache_missed_input_tokens": missed}}


def _reason(before: Fingerprint, now: Fingerprint) -> str | None:
    if before.model != now.model:
        return "model_changed"
    if before.tools != now.tools:
        return "tools_changed"
    if before.system != now.system:
        return "system_changed"
    if list(now.messages[: len(before.messages)]) != list(before.messages):
        return "messages_changed"
    return None if before.settings == now.settings else "unavailable"
