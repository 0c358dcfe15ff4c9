"""Requests, facts and rule books for tests of what the planner decides."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from planner.core.allowance import Allowance
from planner.core.containers import Lease, State
from planner.core.conversations import Conversation, Scope, Turn, prefix_key, root_key
from planner.core.facts import Facts
from planner.core.rulebook.book import RuleBook, Settings
from planner.core.wire import MessagesRequest
from planner.rulesource import load_rules

BOOK: Final = load_rules(None).required()
NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
HERE: Final = Scope("org-1", "workspace-1")
EXHAUSTED: Final = Allowance(0.0, 0.0, 0.0, 1.0, known=True)

CODE: Final = {"type": "code_execution_20250825", "name": "code_execution"}
NEWER_CODE: Final = {"type": "code_execution_20260120", "name": "code_execution"}
OLDEST_CODE: Final = {"type": "code_execution_20250522", "name": "code_execution"}
BASIC_SEARCH: Final = {"type": "web_search_20250305", "name": "web_search"}
BASIC_FETCH: Final = {"type": "web_fetch_20250910", "name": "web_fetch"}
NEW_SEARCH: Final = {"type": "web_search_20260209", "name": "web_search"}
CLIENT_TOOL: Final = {"name": "lookup", "input_schema": {"type": "object"}}

USER: Final = {"role": "user", "content": "Add up the column."}
ANSWER: Final = {"role": "assistant", "content": [{"type": "text", "text": "42"}]}
PENDING: Final[list[dict[str, Any]]] = [
    USER,
    {
        "role": "assistant",
        "content": [
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}},
            {
                "type": "tool_use",
                "id": "toolu_1",
                "name": "lookup",
                "input": {},
                "caller": {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"},
            },
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "7"}]},
]
RAN: Final[list[dict[str, Any]]] = [
    USER,
    {
        "role": "assistant",
        "content": [
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution", "input": {}},
            {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "x"}},
        ],
    },
    {"role": "user", "content": "And now the other one."},
]


def body(**members: Any) -> bytes:
    """The bytes of a request; a member that is None is left out."""
    usual: dict[str, Any] = {"model": "claude-haiku-5-5", "max_tokens": 1024, "tools": [CODE], "messages": [USER]}
    return json.dumps({key: value for key, value in (usual | members).items() if value is not None}).encode()


def ask(**members: Any) -> MessagesRequest:
    """A request as it is read."""
    return MessagesRequest.parse(body(**members))


def cached(text: str = "You are an analyst. " * 100) -> list[dict[str, Any]]:
    """A system prompt that ends in a cache breakpoint."""
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]


def facts(request: MessagesRequest | None = None, **changes: Any) -> Facts:
    """A world in which an edit is allowed and an hour costs its list price."""
    principal = changes.get("principal", "key-1")
    known = {} if request is None else {"root": root_key(request, principal), "prefix": prefix_key(request, HERE)}
    base = Facts(now=NOW, principal=principal, scope=HERE, allowance=EXHAUSTED)
    return msgspec.structs.replace(base, **(known | changes))


def book(**changes: Any) -> RuleBook:
    """The shipped rule book with parts replaced."""
    parts = {name: getattr(BOOK, name) for name in ("prices", "catalog", "policies", "callers", "settings")}
    return RuleBook(**(parts | changes))


def settings(**sections: dict[str, Any]) -> Settings:
    """The shipped settings with members of their sections changed."""
    changed = {name: msgspec.structs.replace(getattr(BOOK.settings, name), **each) for name, each in sections.items()}
    return msgspec.structs.replace(BOOK.settings, **changed)


def conversation(**changes: Any) -> Conversation:
    """A conversation that is remembered, without an edit."""
    return msgspec.structs.replace(Conversation(root="r", principal="key-1", prefix="p"), **changes)


def turn(**changes: Any) -> Turn:
    """A turn that ran in a container half a minute ago."""
    usual = Turn(
        conversation=conversation(),
        message_id="msg_1",
        call_ids=("srvtoolu_1", "toolu_1"),
        scope=HERE,
        container="container_1",
        expires_at=NOW + timedelta(minutes=4),
        opened_at=NOW - timedelta(minutes=1),
    )
    return msgspec.structs.replace(usual, **changes)


def lease(state: State = State.IDLE, **changes: Any) -> Lease:
    """The lease of such a turn."""
    return Lease(turn(**changes), state)
