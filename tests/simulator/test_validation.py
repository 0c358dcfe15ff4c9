"""Refusals: every request that the real API turns away is turned away here, with the text that clients know."""

import gzip
import json
from typing import Any

import pytest

from planner.simulator import Key
from tests.simulator.asgi import (
    BASIC_SEARCH,
    CODE,
    CODE_WEATHER,
    FETCH,
    KEY,
    NEW_CODE,
    OLD_MODEL,
    SEARCH,
    WEATHER,
    Api,
    request,
)

HAIKU = "claude-haiku-4-5"
BREAK = {"type": "ephemeral"}
CONFLICT = (
    "Auto-injecting tools would conflict with existing tool names: ['code_execution']. Each tool name must be unique."
)
DIRECT = {"allowed_callers": ["direct"]}
BLOCKS = [{"type": "text", "text": "a", "cache_control": BREAK}] * 5
HOUR_LAST = [
    {"type": "text", "text": "a", "cache_control": BREAK},
    {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
]
RESULT = [{"type": "tool_result", "tool_use_id": "toolu_x", "content": "y"}]
USE = {"type": "tool_use", "id": "toolu_x", "name": "get_weather", "input": {}}
ANSWERED = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [USE]}]

TOOLS = [
    ([CODE, SEARCH], CONFLICT),
    ([{"type": "code_execution_20250522", "name": "code_execution"}, FETCH], CONFLICT),
    ([{**WEATHER, "name": "code_execution"}, FETCH], CONFLICT),
    ([WEATHER, WEATHER], "tools: Tool names must be unique."),
    ([{**CODE, "name": "python"}], "tools.0.code_execution_20250825.name: Input should be 'code_execution'"),
    ([{**CODE, "max_uses": 3}], "tools.0.code_execution_20250825.max_uses: Extra inputs are not permitted"),
    ([{**BASIC_SEARCH, "max_uses": 0}], "tools.0.web_search_20250305.max_uses: Input should be greater than 0"),
    ([{"type": "code_execution_20991231", "name": "code_execution"}], "tools.0: Input tag 'code_execution_20991231'"),
    ([{"type": "made_up", "name": "x"}], "tools.0: Input tag 'made_up'"),
    ([{"name": "x"}], "tools.0.custom.input_schema: Field required"),
    ([{"input_schema": {}}], "tools.0.custom.name: Field required"),
    (["x"], "tools.0: Input should be a valid dictionary"),
    ({}, "tools: Input should be a valid list"),
    ([{**SEARCH, "allowed_callers": ["me"]}], "tools.0.web_search_20260318.allowed_callers: Input should be one of"),
    (
        [{**BASIC_SEARCH, "allowed_domains": ["a.com"], "blocked_domains": ["b.com"]}],
        "tools.0.web_search_20250305: Only one of `allowed_domains` and `blocked_domains` can be specified",
    ),
    ([{**BASIC_SEARCH, "response_inclusion": "full"}], "response_inclusion: Extra inputs are not permitted"),
    (
        [{"type": "web_fetch_20260209", "name": "web_fetch", "use_cache": True}],
        "use_cache: Extra inputs are not permitted",
    ),
    ([{**SEARCH, "url_sources": {}}], "url_sources: Extra inputs are not permitted"),
    ([{**FETCH, "url_sources": []}], "url_sources: Input should be a valid dictionary"),
    ([{**FETCH, "url_sources": {"user_input": {"type": "only"}}}], "url_sources.user_input.type: Input should be"),
]


@pytest.mark.parametrize(("tools", "message"), TOOLS)
def test_tools_that_cannot_be(api: Api, tools: Any, message: str) -> None:
    """A wrong `tools` array is a 400 that says what is wrong with which tool."""
    response = api.ask(tools=tools)
    assert response.status == 400
    assert message in response.error


@pytest.mark.parametrize(
    "tools", [[NEW_CODE, SEARCH], [CODE, {**SEARCH, **DIRECT}], [CODE, BASIC_SEARCH], [SEARCH, FETCH]]
)
def test_tools_that_go_together(api: Api, tools: Any) -> None:
    """A new web tool beside a new code execution, or one that only the model calls beside an old one, is fine."""
    assert api.ask(tools=tools).status == 200


FIELDS: list[tuple[dict[str, Any], int, str]] = [
    ({"model": None}, 400, "model: Field required"),
    ({"model": 7}, 400, "model: Input should be a valid string"),
    ({"model": "claude-none"}, 404, "model: claude-none"),
    ({"max_tokens": None}, 400, "max_tokens: Field required"),
    ({"max_tokens": 0}, 400, "max_tokens: Input should be greater than or equal to 1"),
    ({"max_tokens": "9"}, 400, "max_tokens: Input should be a valid integer"),
    ({"max_tokens": 999_999}, 400, "max_tokens: 999999 > 128000"),
    ({"messages": None}, 400, "messages: Field required"),
    ({"messages": {}}, 400, "messages: Input should be a valid list"),
    ({"messages": []}, 400, "messages: at least one message is required"),
    ({"messages": ["x"]}, 400, "messages.0: Input should be a valid dictionary"),
    ({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages.0.role: Input should be"),
    ({"messages": [{"role": "user"}]}, 400, "messages.0.content: Field required"),
    ({"messages": [{"role": "user", "content": 7}]}, 400, "messages.0.content: Input should be a valid string"),
    ({"messages": [{"role": "user", "content": [{}]}]}, 400, "messages.0.content.0.type: Field required"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, 400, "messages.0.content.0.text: Field required"),
    (
        {"messages": [{"role": "user", "content": RESULT}]},
        400,
        "unexpected `tool_use_id` found in `tool_result` blocks",
    ),
    (
        {"messages": [*ANSWERED, {"role": "user", "content": "b"}]},
        400,
        "`tool_use` ids were found without `tool_result`",
    ),
    ({"messages": ANSWERED}, 400, "messages.1: `tool_use` ids were found without `tool_result`"),
    ({"temperature": "hot"}, 400, "temperature: Input should be a valid number"),
    ({"tool_choice": {"type": "maybe"}}, 400, "tool_choice.type: Input should be"),
    ({"tool_choice": {"type": "any"}, "model": OLD_MODEL}, 400, "only be specified while providing tools"),
    (
        {"tool_choice": {"type": "tool", "name": "nope"}, "tools": [WEATHER], "model": OLD_MODEL},
        400,
        "Tool 'nope' not found",
    ),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 9}},
        400,
        "budget_tokens: Input should be greater than or equal",
    ),
    ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, 400, "`max_tokens` must be greater than"),
    ({"system": BLOCKS}, 400, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
    ({"system": HOUR_LAST}, 400, "system.1.cache_control.ttl: a ttl='1h' cache_control block must not come after"),
    ({"cache_control": {"type": "eternal"}}, 400, "cache_control.type: Input should be 'ephemeral'"),
    ({"cache_control": {"type": "ephemeral", "ttl": "9d"}}, 400, "ttl: Input should be '5m' or '1h'"),
    ({"speed": "ludicrous"}, 400, "speed: Input should be 'standard' or 'fast'"),
    ({"speed": "fast", "model": OLD_MODEL}, 400, f"speed: fast mode is not supported on {OLD_MODEL}"),
    ({"inference_geo": "moon"}, 400, "inference_geo: Input should be 'global' or 'us'"),
    ({"inference_geo": "us", "model": HAIKU}, 400, "inference_geo: is not supported"),
    ({"diagnostics": 7}, 400, "diagnostics: Input should be a valid dictionary"),
    ({"thread": {"type": "create"}}, 400, "thread: Extra inputs are not permitted"),
    ({"container": "container_nobody"}, 400, "container: Container container_nobody was not found."),
    ({"container": {"skills": [{"skill_id": "pptx"}]}}, 400, "skills require the code execution tool"),
    ({"container": {"skills": [{"skill_id": "x"}]}, "tools": [CODE]}, 404, "Skill not found: x"),
    ({"container": {"skills": [{"skill_id": "pdf"}] * 21}, "tools": [CODE]}, 400, "should have at most 20 items"),
    (
        {"messages": [{"role": "user", "content": "x" * 900_000}], "model": HAIKU},
        400,
        "prompt is too long: 225003 tokens",
    ),
]


@pytest.mark.parametrize(("fields", "status", "message"), FIELDS)
def test_fields_that_cannot_be(api: Api, fields: dict[str, Any], status: int, message: str) -> None:
    """A wrong field is refused by name, and a refused request costs nothing."""
    response = api.ask(**fields)
    if "messages" in fields and fields["messages"] is None:
        response = api.call("POST", "/v1/messages", {"model": OLD_MODEL, "max_tokens": 9})
    assert (response.status, message in response.error) == (status, True), response.body
    assert api.bill.requests == 0


@pytest.mark.parametrize(
    "model",
    [
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "claude-fable-5-1",
        "claude-mythos-5-1",
        "claude-fable-5-2",
        "claude-mythos-5-2",
    ],
)
def test_forced_tool_choice_is_refused_by_the_newest_models(api: Api, model: str) -> None:
    """`any` and `tool` are a 400 there; `auto` and `none` are not."""
    for choice in ({"type": "any"}, {"type": "tool", "name": "get_weather"}):
        response = api.ask(model=model, tools=[WEATHER], tool_choice=choice)
        assert (response.status, "tool_choice" in response.error) == (400, True)
    assert api.ask(model=model, tools=[WEATHER], tool_choice={"type": "auto"}).status == 200
    assert api.ask(model="claude-opus-5", tools=[WEATHER], tool_choice={"type": "any"}).status == 200


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_the_new_version_rejects_sampling_parameters(api: Api, name: str) -> None:
    """2026-10-21 refuses what 2023-06-01 takes."""
    new = {**KEY, "anthropic-version": "2026-10-21"}
    assert api.call("POST", "/v1/messages", request(**{name: 1})).status == 200
    refused = api.call("POST", "/v1/messages", request(**{name: 1}), headers=new)
    assert (refused.status, refused.error) == (400, f"{name}: Extra inputs are not permitted")


@pytest.mark.parametrize("tools", [[SEARCH], [FETCH], [CODE_WEATHER]])
def test_haiku_45_takes_no_programmatic_calls(api: Api, tools: list[Any]) -> None:
    """Web tools of the newer kind need direct callers there."""
    response = api.ask(model=HAIKU, tools=tools)
    assert response.status == 400
    assert "does not support programmatic tool calling" in response.error
    direct = [{**tool, **DIRECT} for tool in tools]
    assert api.ask(model=HAIKU, tools=direct).status == 200
    assert api.ask(model=HAIKU, tools=[NEW_CODE]).status == 200


@pytest.mark.parametrize(
    ("flags", "tools", "status"),
    [
        ({"hipaa": True}, [CODE], 400),
        ({"hipaa": True}, [SEARCH], 400),
        ({"hipaa": True}, [BASIC_SEARCH], 200),
        ({"zdr": True}, [CODE], 400),
        ({"zdr": True}, [SEARCH], 400),
        ({"zdr": True}, [{**SEARCH, **DIRECT}], 200),
        ({"zdr": True}, [BASIC_SEARCH], 200),
        ({}, [CODE], 200),
    ],
)
def test_what_an_organization_may_not_use(flags: dict[str, Any], tools: list[Any], status: int) -> None:
    """HIPAA and zero data retention rule out code, and web tools that run it."""
    api = Api(keys=(Key(key="k", **flags),))
    assert api.ask(headers={**KEY, "x-api-key": "k"}, tools=tools).status == status


def test_web_search_can_be_switched_off() -> None:
    """An admin may forbid web search."""
    refused = Api(web_search_enabled=False).ask(tools=[BASIC_SEARCH])
    assert (refused.status, "Web search is not enabled" in refused.error) == (400, True)


def test_keys_versions_and_paths(api: Api) -> None:
    """No key is a 401, no or a wrong version a 400, an unknown path a 404, all in one shape."""
    missing = api.ask(headers={"anthropic-version": "2023-06-01"})
    assert (missing.status, missing.json()["error"]["type"]) == (401, "authentication_error")
    assert missing.json()["type"] == "error"
    assert missing.json()["request_id"] == missing.headers["request-id"]
    assert api.ask(headers={"x-api-key": "k"}).error == "anthropic-version: header is required"
    assert "not a valid API version" in api.ask(headers={**KEY, "anthropic-version": "1999-01-01"}).error
    lost = api.call("GET", "/v1/nowhere")
    assert (lost.status, lost.json()["error"]["type"]) == (404, "not_found_error")
    assert api.call("GET", "/v1/organizations/cost_report").status == 401


@pytest.mark.parametrize("raw", [b"{", b"", b"[]", b'"x"', b"\xff\xfe", b'{"model": "\xff"}'])
def test_bodies_that_are_no_json_object(api: Api, raw: bytes) -> None:
    """Malformed JSON, and JSON that is no object, is a 400."""
    response = api.call("POST", "/v1/messages", raw)
    assert (response.status, response.json()["error"]["type"]) == (400, "invalid_request_error")


def test_bodies_that_are_too_large() -> None:
    """Beyond the limit of the endpoint it is a 413, by declared and by actual size."""
    api = Api(messages_limit=1_000)
    big = request("x" * 2_000)
    assert api.call("POST", "/v1/messages", big).json()["error"]["type"] == "request_too_large"
    declared = api.call("POST", "/v1/messages", b"{}", headers={**KEY, "content-length": "99999"})
    assert declared.status == 413


def test_compressed_bodies() -> None:
    """Compressed bodies are read; unknown codings, broken data and bombs are refused."""
    api = Api(messages_limit=1_000)
    coded = {**KEY, "content-encoding": "gzip"}
    assert api.call("POST", "/v1/messages", gzip.compress(json.dumps(request()).encode()), headers=coded).status == 200
    unknown = api.call("POST", "/v1/messages", b"x", headers={**KEY, "content-encoding": "rot13"})
    assert unknown.json()["error"]["details"]["error_code"] == "request_body_encoding_unsupported"
    broken = api.call("POST", "/v1/messages", b"x", headers=coded)
    assert broken.json()["error"]["details"]["error_code"] == "request_body_encoding_invalid"
    bomb = api.call("POST", "/v1/messages", gzip.compress(b" " * 100_000), headers=coded)
    assert bomb.status == 413
