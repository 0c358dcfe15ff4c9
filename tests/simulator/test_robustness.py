"""Whatever is sent, the answer is one of the API's own: no body makes the simulator fall over."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.asgi import CODE, FETCH, NEW_CODE, OLD_MODEL, SEARCH, WEATHER, Api, request, results, say

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5_000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
EXPECTED = {200, 400, 403, 404, 413}


def conversation() -> dict[str, Any]:
    """A request with nearly everything a request can hold."""
    api = Api()
    first = api.ask("[research]", tools=[SEARCH]).json()
    thought = api.ask("[think-tool]", tools=[WEATHER]).json()
    messages = [
        *request("[research]")["messages"],
        *say(first, [{"type": "text", "text": "[think-tool]"}]),
        *say(thought, results(thought)),
    ]
    return {
        "model": OLD_MODEL,
        "max_tokens": 999,
        "messages": messages,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "tools": [
            NEW_CODE,
            {**SEARCH, "max_uses": 3},
            {**FETCH, "url_sources": {"user_input": {"type": "all"}}},
            WEATHER,
        ],
        "tool_choice": {"type": "auto"},
        "thinking": {"type": "adaptive"},
        "container": {"id": "container_1", "skills": [{"type": "anthropic", "skill_id": "pdf"}]},
        "diagnostics": {"previous_message_id": "msg_1"},
        "thread": {"type": "continue", "previous_message_id": "msg_1"},
        "metadata": {"user_id": "u"},
        "stop_sequences": ["x"],
        "cache_control": {"type": "ephemeral"},
        "speed": "standard",
        "inference_geo": "us",
        "stream": False,
    }


WHOLE = conversation()
DROPPABLE = ("container", "thread", "diagnostics", "tools", "system", "messages")


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a value."""
    found = [prefix] if prefix else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*prefix, key))
    return found


PATHS = paths(WHOLE)


def test_the_conversation_itself_is_served() -> None:
    """What the examples change is a request that works."""
    body = {name: value for name, value in WHOLE.items() if name not in ("container", "thread")}
    assert Api().call("POST", "/v1/messages", body).status == 200


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON), min_size=1, max_size=2), st.sets(st.sampled_from(DROPPABLE)))
def test_no_body_makes_it_fall_over(changes: list[tuple[tuple[Any, ...], Any]], dropped: set[str]) -> None:
    """Any value replaced by any other: refused or served, never broken."""
    body = copy.deepcopy(WHOLE)
    for path, value in changes:
        target: Any = body
        try:
            for key in path[:-1]:
                target = target[key]
            target[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    for name in dropped:
        body.pop(name, None)
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01", "anthropic-beta": "message-threads-2026-08-12"}
    api = Api()
    assert api.call("POST", "/v1/messages", body, headers=headers).status in EXPECTED
    assert api.call("POST", "/v1/messages/count_tokens", body, headers=headers).status in EXPECTED


@settings(max_examples=100, deadline=None)
@given(
    JSON,
    st.sampled_from(["model", "messages", "tools", "system", "container", "stop_sequences", "max_tokens", "thread"]),
)
def test_no_field_of_a_small_body_makes_it_fall_over(value: Any, field: str) -> None:
    """The same for a request that would otherwise be served."""
    body = {**request("compute"), "tools": [CODE], field: value}
    assert Api().call("POST", "/v1/messages", body).status in EXPECTED


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_no_batch_makes_it_fall_over(value: Any) -> None:
    """Batches judge their requests later, and survive them."""
    api = Api()
    body = {
        "requests": [{"custom_id": "a", "params": value}, {"custom_id": "b", "params": {**request(), "tools": value}}]
    }
    made = api.call("POST", "/v1/messages/batches", body).json()
    api.clock.advance(60)
    counts = api.get(f"/v1/messages/batches/{made['id']}")["request_counts"]
    assert counts["succeeded"] + counts["errored"] == 2
