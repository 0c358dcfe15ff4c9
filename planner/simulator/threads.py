"""Message threads: the server keeps a conversation under its last response's id; each response is continued once."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from planner.simulator.canonical import Json, canonical
from planner.simulator.errors import invalid, not_found

BETA = "message-threads-2026-08-12"
FROZEN = ("tools", "system")
KEPT = 20_000


class Held(msgspec.Struct, frozen=True):
    """A conversation as far as a response: the fields a thread keeps, and every message with the response."""

    workspace: str
    fields: Json
    messages: Sequence[Json]


class Threads:
    """All threads of one simulator, bounded: the oldest are forgotten."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._continued: set[str] = set()
        self._flying: set[str] = set()

    def keep(self, body: Json, response: Json, workspace: str) -> None:
        """Hold a conversation under the id of its newest response."""
        thread = body.get("thread")
        if isinstance(thread, dict) and thread.get("type") == "continue":
            previous = str(thread.get("previous_message_id"))
            self._continued.add(previous)
            self._flying.discard(previous)
        reply = {"role": "assistant", "content": response["content"]}
        fields = {name: body[name] for name in FROZEN if name in body}
        self._held[response["id"]] = Held(workspace, fields, (*body["messages"], reply))
        while len(self._held) > KEPT:
            self._continued.discard(self._held.popitem(last=False)[0])

    def release(self, body: Json) -> None:
        """A continuation ended without a response."""
        thread = body.get("thread")
        if isinstance(thread, dict):
            self._flying.discard(str(thread.get("previous_message_id")))

    def assemble(self, body: Json, workspace: str, betas: frozenset[str]) -> Json:
        """The whole request behind a thread request; one without `thread` is itself.

        Raises:
            ApiError: the beta header is missing, the thread is unknown, was continued already, or a kept field differs.
        """
        thread = body.get("thread")
        if thread is None:
            return body
        if BETA not in betas:
            raise invalid("thread: Extra inputs are not permitted")
        kind = thread.get("type") if isinstance(thread, dict) else None
        if kind == "create":
            return body
        if kind != "continue":
            raise invalid("thread.type: Input should be 'create' or 'continue'")
        previous = str(thread.get("previous_message_id"))
        held = self._find(previous, workspace)
        changed = [
            name for name in FROZEN if name in body and canonical(body[name]) != canonical(held.fields.get(name))
        ]
        if changed:
            names = ", ".join(f"`{name}`" for name in changed)
            raise invalid(f"thread: {names} cannot change within a thread.", error_code="thread_fingerprint_mismatch")
        self._flying.add(previous)
        fresh = body.get("messages")
        messages = [*held.messages, *(fresh if isinstance(fresh, list) else [])]
        return {**body, **held.fields, "messages": messages}

    def _find(self, previous: str, workspace: str) -> Held:
        held = self._held.get(previous)
        if held is None or held.workspace != workspace:
            raise not_found(f"No thread found for message {previous}.", error_code="thread_not_found")
        if previous in self._continued:
            raise invalid(f"Message {previous} has already been continued.", error_code="thread_already_continued")
        if previous in self._flying:
            raise invalid(
                f"Another request is still continuing from message {previous}.", error_code="thread_continue_in_flight"
            )
        return held
