"""Scenarios: which one answers, which turn is due, and what a wrong script is told."""

from typing import Any

import pytest

from planner.simulator import scenario
from planner.simulator.config import shipped_scenarios
from tests.simulator.asgi import CODE, FETCH, Api, request, say

NAMED = """
scenarios:
  - name: by-text
    match: {text: "^order \\\\d+$"}
    turns: [{steps: [{say: by text}]}]
  - name: by-metadata
    match: {metadata: {user_id: "^vip"}}
    turns: [{steps: [{say: by metadata}]}]
  - name: by-model
    match: {model: "claude-haiku-*"}
    after: repeat
    turns: [{steps: [{say: by model}]}]
"""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": "order 66"}, "by text"),
        ({"text": "order x"}, "Here is the answer, in one short sentence."),
        ({"metadata": {"user_id": "vip-1"}}, "by metadata"),
        ({"model": "claude-haiku-5-5"}, "by model"),
        ({"model": "claude-haiku-5-5", "text": "order 66"}, "by text"),
    ],
)
def test_the_conditions_of_a_match(fields: dict[str, Any], said: str) -> None:
    """Marker, regular expression, model and metadata; a message that speaks beats a general rule."""
    text = fields.pop("text", "hi")
    assert Api(scenarios=(NAMED,)).ask(text, **fields).json()["content"][0]["text"] == said


def test_turns_follow_the_conversation(api: Api) -> None:
    """The turn is counted from the message that matched; a new marker begins anew; after the last comes the default."""
    opening = request("[csv]")["messages"]
    first = api.ask(messages=opening, tools=[CODE]).json()
    second = api.ask(messages=[*opening, *say(first, "plot it")], tools=[CODE]).json()
    assert second["content"][-1]["text"] == "The chart is ready."
    again = api.ask(messages=[*opening, *say(first, "[short] 2**64")], tools=[CODE]).json()
    assert again["content"][-1]["text"] == "18446744073709551616"
    third = api.ask(messages=[*opening, *say(first, "plot"), *say(second, "thanks")], tools=[CODE]).json()
    assert third["content"][-1]["text"].startswith("Here is the answer")


def test_an_error_can_pass_after_some_times(api: Api) -> None:
    """`times: 1` fails once, with retry-after, then the turn goes on."""
    first = api.ask("[rate-limit]")
    assert (first.status, first.headers["retry-after"]) == (429, "1")
    assert first.json()["error"]["type"] == "rate_limit_error"
    assert api.ask("[rate-limit]").json()["content"][0]["text"] == "Now it works."


@pytest.mark.parametrize(("marker", "status"), [("[overloaded]", 529), ("[500]", 500), ("[400]", 400)])
def test_scripted_statuses(api: Api, marker: str, status: int) -> None:
    """A script can answer any status, in the API's shape."""
    response = api.ask(marker)
    assert response.status == status
    assert response.json()["type"] == "error"


def test_a_script_without_its_tool_says_so(api: Api) -> None:
    """Steps whose tool is not declared become a sentence."""
    assert "cannot run code" in api.ask("[short]").json()["content"][0]["text"]
    assert "cannot reach the web" in api.ask("[research]").json()["content"][0]["text"]
    assert "no tool named" in api.ask("[tool]").json()["content"][1]["text"]


NONE = {"type": "none"}
ALL_NONE = {"user_input": NONE, "client_tool_results": NONE, "server_tool_results": NONE}
URL = "[fetch] https://example.com/page"


@pytest.mark.parametrize(
    ("text", "changes", "error"),
    [
        (URL, {}, None),
        ("[fetch]", {}, "url_not_in_prior_context"),
        (URL, {"url_sources": ALL_NONE}, "url_not_allowed"),
        ("[fetch]", {"url_sources": ALL_NONE}, "url_not_allowed"),
        (URL, {"url_sources": {"user_input": NONE}}, "url_not_allowed"),
        (URL, {"allowed_domains": ["other.org"]}, "url_not_allowed"),
        (URL, {"blocked_domains": ["example.com"]}, "url_not_allowed"),
        (URL, {"allowed_domains": ["example.com"]}, None),
    ],
)
def test_what_a_fetch_may_reach(api: Api, text: str, changes: dict[str, Any], error: str | None) -> None:
    """URLs come from the sources the request opens; a tool with all sources closed can fetch nothing."""
    tool = {**FETCH, "allowed_callers": ["direct"], **changes}
    content = api.ask(text, tools=[tool]).json()["content"][1]["content"]
    assert content.get("error_code") == error


def test_a_fetch_from_a_tool_result() -> None:
    """`only` and `except` choose the client tools whose results may name URLs."""
    script = """
scenarios:
  - name: fetch-later
    match: {marker: LATER}
    turns:
      - steps: [{call: {tool: find}}]
      - steps: [{fetch: {url: "https://example.com/found"}}]
"""
    find = {"name": "find", "input_schema": {"type": "object"}}
    named = [{"type": "tool_reference", "name": "find"}]
    for rule, error in (
        ({"type": "only", "tools": named}, None),
        ({"type": "except", "tools": named}, "url_not_allowed"),
        ({"type": "all"}, None),
    ):
        api = Api(scenarios=(script,))
        tools = [find, {**FETCH, "allowed_callers": ["direct"], "url_sources": {"client_tool_results": rule}}]
        first = api.ask("LATER", tools=tools).json()
        result = {
            "type": "tool_result",
            "tool_use_id": first["content"][0]["id"],
            "content": "see https://example.com/found",
        }
        messages = [*request("LATER")["messages"], *say(first, [result])]
        second = api.ask(messages=messages, tools=tools).json()
        assert second["content"][1]["content"].get("error_code") == error


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("scenarios: [{name: x, turns: [{steps: [{sya: hello}]}]}]", "unknown field `sya`"),
        ("scenarios: [{name: x, turns: [{steps: [{}]}]}]", "this one does nothing"),
        ("scenarios: [{name: x, turns: [{steps: [{say: a, pause: true}]}]}]", "this one does say and pause"),
        ("scenarios: [{turns: []}]", "missing required field `name`"),
        ("scenarios: [{name: x, turns: [{steps: [{error: {status: 418}}]}]}]", "steps"),
        ("scenarios: [", "scenarios:"),
    ],
)
def test_a_wrong_script_is_told_where(text: str, problem: str) -> None:
    """A typo is an error that names the place."""
    with pytest.raises(ValueError, match="scenarios") as wrong:
        scenario.read((text,), 10)
    assert problem in str(wrong.value)


def test_shipped_scenarios_have_names_and_markers_of_their_own() -> None:
    """No two bundled scenarios answer to the same marker."""
    found = scenario.read(shipped_scenarios(), 10)
    assert len({item.name for item in found}) == len(found)
    assert len({item.match.marker for item in found}) == len(found)
