"""Conversations: signatures bound to their prefix, sealed content, and calls that wait for their container."""

from typing import Any

import pytest

from tests.simulator.asgi import (
    BASIC_SEARCH,
    CODE_WEATHER,
    MODEL,
    NEW_CODE,
    OLD_MODEL,
    SEARCH,
    WEATHER,
    Api,
    request,
    results,
    say,
)

INVALID = "Invalid signature in thinking block"


def thought(api: Api, **fields: Any) -> list[dict[str, Any]]:
    """A conversation whose second message holds a thinking block, and a new user message."""
    first = api.ask("[think]", **fields).json()
    return [*request("[think]")["messages"], *say(first, "go on")]


def test_thinking_goes_back_unaltered(api: Api) -> None:
    """The same tools, system and messages with something appended are accepted."""
    fields: dict[str, Any] = {"tools": [WEATHER], "system": "Be brief."}
    assert api.ask(messages=thought(api, **fields), **fields).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": [WEATHER, NEW_CODE]},
        {"tools": None},
        {"system": "Be verbose."},
        {"system": None},
    ],
)
def test_thinking_is_bound_to_tools_and_system(api: Api, changes: dict[str, Any]) -> None:
    """Changing what stood before a thinking block invalidates its signature."""
    fields: dict[str, Any] = {"tools": [WEATHER], "system": "Be brief."}
    refused = api.ask(messages=thought(api, **fields), **{**fields, **changes})
    assert (refused.status, INVALID in refused.error) == (400, True)


def test_thinking_is_bound_to_earlier_messages(api: Api) -> None:
    """An edit of the first user message is noticed; so is an edit of the thinking itself."""
    messages = thought(api)
    edited = [{"role": "user", "content": "[think] otherwise"}, *messages[1:]]
    assert INVALID in api.ask(messages=edited).error
    messages[1]["content"][0]["thinking"] += "!"
    assert INVALID in api.ask(messages=messages).error


def test_what_means_the_same_is_the_same(api: Api) -> None:
    """A moved cache breakpoint, a string spelled as a block and reordered keys do not break a signature."""
    messages = thought(api, tools=[WEATHER], system="Be brief.")
    block = {"cache_control": {"type": "ephemeral"}, "text": "[think]", "type": "text"}
    messages[0] = {"content": [block], "role": "user"}
    system = [{"text": "Be brief.", "type": "text", "cache_control": {"type": "ephemeral"}}]
    tool = dict(reversed(list(WEATHER.items())))
    assert api.ask(messages=messages, tools=[tool], system=system).status == 200


def test_older_models_and_accounts_are_not_bound() -> None:
    """Elsewhere a signature only has to be genuine; on Fable 5.2 every account is bound."""
    api = Api()
    messages = thought(api, model=OLD_MODEL)
    assert api.ask(messages=messages, model=OLD_MODEL, system="New.").status == 200
    messages[1]["content"][0]["signature"] = "c2lnbmF0dXJl"
    assert INVALID in api.ask(messages=messages, model=OLD_MODEL).error
    old = Api(preserved_thinking=False)
    assert old.ask(messages=thought(old), system="New.").status == 200
    bound = thought(old, model="claude-fable-5-2")
    assert INVALID in old.ask(messages=bound, model="claude-fable-5-2", system="New.").error


def test_a_turn_with_tools_keeps_its_thinking(api: Api) -> None:
    """Thinking before a tool call is accepted with the tool's result."""
    first = api.ask("[think-tool]", tools=[WEATHER]).json()
    messages = [*request("[think-tool]")["messages"], *say(first, results(first))]
    assert api.ask(messages=messages, tools=[WEATHER]).status == 200


@pytest.mark.parametrize("tool", [SEARCH, BASIC_SEARCH])
def test_sealed_content_goes_back_unaltered(api: Api, tool: dict[str, Any]) -> None:
    """`encrypted_content`, `encrypted_index` and `encrypted_stdout` are verified."""
    first = api.ask("[research]", tools=[tool]).json()
    messages = [*request("[research]")["messages"], *say(first, "go on")]
    assert api.ask(messages=messages, tools=[tool], container=container(first)).status == 200
    for block in first["content"]:
        for holder in sealed(block):
            field = next(name for name in holder if name.startswith("encrypted_"))
            kept, holder[field] = holder[field], "AAAA" + holder[field][4:]
            refused = api.ask(messages=messages, tools=[tool])
            assert (refused.status, f"Invalid `{field}`" in refused.error) == (400, True)
            holder[field] = kept


def sealed(block: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of a block that carry sealed values."""
    content = block.get("citations") or block.get("content") or []
    holders = content if isinstance(content, list) else [content]
    return [holder for holder in holders if any(name.startswith("encrypted_") for name in holder)]


def container(message: dict[str, Any]) -> str | None:
    """The container id of a message."""
    found = message.get("container")
    return None if found is None else str(found["id"])


def test_an_error_of_a_search_is_an_object_with_a_code(api: Api) -> None:
    """A search that fails is answered inside the response and not billed."""
    message = api.ask("[search-error]", tools=[BASIC_SEARCH]).json()
    assert message["content"][1]["content"] == {"type": "web_search_tool_result_error", "error_code": "unavailable"}
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 0


@pytest.mark.parametrize(("marker", "tools"), [("[orchestrate]", "query_database"), ("[pending]", "get_weather")])
def test_pending_calls_need_their_container(api: Api, marker: str, tools: str) -> None:
    """Programmatic calls, and plain calls beside pending code, go on only with the container id."""
    declared = [NEW_CODE, SEARCH, {**CODE_WEATHER, "name": tools}]
    first = api.ask(marker, tools=declared).json()
    assert first["stop_reason"] == "tool_use"
    messages = [*request(marker)["messages"], *say(first, results(first))]
    refused = api.ask(messages=messages, tools=declared)
    assert refused.error == (
        "container_id is required when there are pending tool uses generated by code execution with tools."
    )
    for as_object in (False, True):
        again = Api()
        first = again.ask(marker, tools=declared).json()
        messages = [*request(marker)["messages"], *say(first, results(first))]
        named = {"id": container(first)} if as_object else container(first)
        second = again.ask(messages=messages, tools=declared, container=named).json()
        assert second["content"][0]["type"] == "code_execution_tool_result"
        assert second["container"]["id"] == container(first)


def test_a_pending_search_seals_what_the_code_printed(api: Api) -> None:
    """Code that had searched the web prints into a sealed value."""
    tools = [NEW_CODE, SEARCH, WEATHER]
    first = api.ask("[pending]", tools=tools).json()
    messages = [*request("[pending]")["messages"], *say(first, results(first))]
    second = api.ask(messages=messages, tools=tools, container=container(first)).json()
    assert second["content"][0]["content"]["type"] == "encrypted_code_execution_result"


def test_replies_to_pending_calls_are_results_only(api: Api) -> None:
    """A text beside the results is refused, and so are other tools and another container."""
    tools = [NEW_CODE, {**CODE_WEATHER, "name": "query_database"}]
    first = api.ask("[orchestrate]", tools=tools).json()
    opening = request("[orchestrate]")["messages"]
    wordy = [*results(first), {"type": "text", "text": "here you are"}]
    held = container(first)
    refused = api.ask(messages=[*opening, *say(first, wordy)], tools=tools, container=held)
    assert "may only contain `tool_result` blocks" in refused.error
    messages = [*opening, *say(first, results(first))]
    assert "tools: must be the same" in api.ask(messages=messages, tools=[*tools, WEATHER], container=held).error
    other = api.ask("[short]", tools=[NEW_CODE]).json()
    assert "has no pending tool use" in api.ask(messages=messages, tools=tools, container=container(other)).error


def test_code_can_go_on_calling(api: Api) -> None:
    """The same code calls again before it ends; a resumed response is one iteration, not two."""
    script = """
scenarios:
  - name: twice
    match: {marker: TWICE}
    turns:
      - steps: [{programmatic: {calls: [{tool: get_weather}]}}]
      - steps: [{programmatic: {continues: true, calls: [{tool: get_weather}], stdout: "both\\n"}}]
      - steps: [{say: done}]
"""
    api = Api(scenarios=(script,))
    tools = [NEW_CODE, CODE_WEATHER]
    messages = request("TWICE")["messages"]
    message = api.ask(messages=messages, tools=tools).json()
    for _ in range(2):
        messages = [*messages, *say(message, results(message))]
        held = container(message)
        message = api.ask(messages=messages, tools=tools, container=held).json()
    assert [block["type"] for block in message["content"]] == ["code_execution_tool_result", "text"]
    assert message["content"][0]["content"]["stdout"] == "both\n"
    body = request(messages=messages, tools=tools)
    counted = api.call("POST", "/v1/messages/count_tokens", body).json()["input_tokens"]
    assert counted < message["usage"]["input_tokens"] < counted + 100


def test_a_late_reply_finds_a_timed_out_call(api: Api) -> None:
    """After four minutes the waiting code has given up."""
    tools = [NEW_CODE, {**CODE_WEATHER, "name": "query_database"}]
    first = api.ask("[orchestrate]", tools=tools).json()
    api.clock.advance(250)
    messages = [*request("[orchestrate]")["messages"], *say(first, results(first))]
    second = api.ask(messages=messages, tools=tools, container=container(first)).json()
    assert "TimeoutError" in second["content"][0]["content"]["stderr"]


def test_system_messages_are_a_role_of_their_own(api: Api) -> None:
    """Some clients send `role: system` among the messages."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    assert api.ask(messages=messages, model=MODEL).status == 200
