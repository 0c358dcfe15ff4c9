"""Messages: what a plain request, the default behaviour and the options of a request bring."""

import pytest

from planner.simulator import Key
from tests.simulator.asgi import CODE, KEY, MODEL, NEW_CODE, OLD_MODEL, SEARCH, WEATHER, Api, request, say


def test_a_plain_request_gets_a_short_text(api: Api) -> None:
    """Without a scenario the model says one sentence and stops."""
    message = api.ask("hello").json()
    assert message["type"] == "message"
    assert message["role"] == "assistant"
    assert message["stop_reason"] == "end_turn"
    assert [block["type"] for block in message["content"]] == ["text"]
    assert "container" not in message


def test_words_of_computing_run_code_once(api: Api) -> None:
    """A request to compute runs code when the tool is declared, and only then."""
    with_tool = api.ask("please compute it", tools=[CODE]).json()
    assert [block["type"] for block in with_tool["content"]] == [
        "server_tool_use",
        "bash_code_execution_tool_result",
        "text",
    ]
    assert with_tool["container"]["id"].startswith("container_")
    without = api.ask("please compute it").json()
    assert [block["type"] for block in without["content"]] == ["text"]


def test_responses_carry_the_account_headers(api: Api) -> None:
    """Every authenticated response names request, organization, workspace and rate limits."""
    headers = api.ask().headers
    assert headers["request-id"].startswith("req_")
    assert headers["anthropic-organization-id"]
    assert headers["anthropic-workspace-id"].startswith("wrkspc_")
    assert headers["anthropic-ratelimit-requests-limit"] == "4000"
    assert headers["anthropic-ratelimit-input-tokens-reset"].endswith("Z")


@pytest.mark.parametrize("headers", [{"x-api-key": "k"}, {"authorization": "Bearer k"}, {"authorization": "bearer k"}])
def test_both_ways_to_send_a_key_work(api: Api, headers: dict[str, str]) -> None:
    """Older clients send x-api-key, newer ones a bearer token."""
    assert api.ask(headers={**headers, "anthropic-version": "2026-10-21"}).status == 200


def test_a_listed_key_decides_the_workspace() -> None:
    """Keys are mapped to workspaces, and an unlisted key can be refused."""
    api = Api(keys=(Key(key="a", workspace="wrkspc_a"),), accept_unknown_keys=False)
    assert api.ask(headers={**KEY, "x-api-key": "a"}).headers["anthropic-workspace-id"] == "wrkspc_a"
    assert api.ask(headers={**KEY, "x-api-key": "b"}).status == 401
    refused = api.ask(headers={**KEY, "x-api-key": "a", "anthropic-workspace-id": "wrkspc_b"})
    assert refused.status == 403


def test_same_seed_and_same_requests_give_the_same_bytes() -> None:
    """Two simulators with one seed are one; another seed is another."""

    def transcript(seed: str) -> bytes:
        api = Api(seed=seed)
        bodies = [
            api.ask("[csv]", tools=[CODE]),
            api.ask("[think]", stream=True),
            api.ask("[research]", tools=[SEARCH]),
        ]
        return b"".join(response.body for response in bodies)

    assert transcript("one") == transcript("one")
    assert transcript("one") != transcript("two")


def test_an_alias_is_served_by_the_dated_model(api: Api) -> None:
    """The response names the model that answered."""
    assert api.ask(model="claude-haiku-4-5").json()["model"] == "claude-haiku-4-5-20251001"


def test_max_tokens_cuts_the_text(api: Api) -> None:
    """A text longer than `max_tokens` is cut there."""
    message = api.ask(max_tokens=2).json()
    assert message["stop_reason"] == "max_tokens"
    assert message["content"][0]["text"] == "Here is "
    assert message["usage"]["output_tokens"] == 2


def test_a_stop_sequence_ends_the_text(api: Api) -> None:
    """The text ends before the stop sequence, which is named."""
    message = api.ask(stop_sequences=["nowhere", " answer"]).json()
    assert message["content"][0]["text"] == "Here is the"
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", " answer")


def test_a_forced_tool_is_called_with_what_its_schema_asks_for(api: Api) -> None:
    """`tool_choice` is obeyed where the model takes it."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}, "days": {"type": "integer"}},
        "required": ["city", "unit", "days"],
    }
    tool = {**WEATHER, "input_schema": schema}
    choice = {"type": "tool", "name": "get_weather"}
    message = api.ask(model=OLD_MODEL, tools=[tool], tool_choice=choice).json()
    assert message["stop_reason"] == "tool_use"
    assert message["content"][0]["input"] == {"city": "value", "unit": "c", "days": 1}


def test_usage_of_several_iterations_is_their_sum(api: Api) -> None:
    """Each server-side iteration sends the prompt and what came before again."""
    beta = {**KEY, "anthropic-beta": "compact-2026-01-12"}
    usage = api.ask("[build]", tools=[CODE], headers=beta).json()["usage"]
    iterations = usage["iterations"]
    assert [item["type"] for item in iterations] == ["message", "message"]
    assert iterations[1]["input_tokens"] > iterations[0]["input_tokens"]
    for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
        assert usage[name] == sum(item[name] for item in iterations)


def test_iterations_are_not_shown_unasked(api: Api) -> None:
    """`usage.iterations` needs a beta header or a scenario that says so."""
    assert "iterations" not in api.ask("[build]", tools=[CODE]).json()["usage"]
    shown = api.ask("[advisor]").json()["usage"]
    assert [item["type"] for item in shown["iterations"]] == ["message", "advisor_message"]
    assert shown["iterations"][1]["model"] == MODEL
    assert shown["input_tokens"] == shown["iterations"][0]["input_tokens"]


def test_a_compaction_iteration_names_no_model(api: Api) -> None:
    """Compaction bills apart and is not part of the sums."""
    usage = api.ask("[compact]").json()["usage"]
    kinds = {item["type"]: item for item in usage["iterations"]}
    assert "model" not in kinds["compaction"]
    assert usage["input_tokens"] == kinds["message"]["input_tokens"]


def test_a_long_loop_pauses_after_ten_iterations(api: Api) -> None:
    """`pause_turn` comes by itself; sending the content back goes on where it stopped."""
    steps = "".join(f"      - code: {{command: step {n}, seconds: 1}}\n" for n in range(12))
    text = f"scenarios:\n- name: loop\n  match: {{marker: LOOP}}\n  turns:\n  - steps:\n{steps}      - say: done\n"
    api = Api(scenarios=(text,))
    first = api.ask("LOOP", tools=[CODE]).json()
    assert first["stop_reason"] == "pause_turn"
    assert sum(block["type"] == "server_tool_use" for block in first["content"]) == 10
    history = [*request("LOOP")["messages"], *say(first)]
    second = api.ask(messages=history, tools=[CODE], container=first["container"]["id"]).json()
    assert second["stop_reason"] == "end_turn"
    assert [block["type"] for block in second["content"]].count("server_tool_use") == 2
    assert second["container"]["id"] == first["container"]["id"]


def test_count_tokens_counts_what_a_request_is_charged(api: Api) -> None:
    """`count_tokens` and the usage of a one-iteration request agree, and counting costs nothing."""
    body = request("hello there", tools=[SEARCH, WEATHER], system="Be brief.")
    counted = api.call("POST", "/v1/messages/count_tokens", {k: v for k, v in body.items() if k != "max_tokens"})
    assert api.bill.requests == 0
    answered = api.call("POST", "/v1/messages", body).json()
    assert counted.json() == {"input_tokens": answered["usage"]["input_tokens"]}


def test_fast_mode_and_geo_are_reported_as_served(api: Api) -> None:
    """`speed` tells how a request was served, `inference_geo` where."""
    usage = api.ask(speed="fast", inference_geo="us").json()["usage"]
    assert (usage["speed"], usage["inference_geo"], usage["service_tier"]) == ("fast", "us", "standard")
    slow = Api(fast_served=False).ask(speed="fast").json()["usage"]
    assert slow["speed"] == "standard"
    assert api.ask(model="claude-opus-4-5").json()["usage"]["inference_geo"] == "not_available"


def test_unknown_body_fields_pass(api: Api) -> None:
    """Fields nobody knows are no error."""
    assert api.ask(future={"field": [1]}, metadata={"user_id": "u", "else": "x"}).status == 200


@pytest.mark.parametrize("path", ["/", "/api/hello"])
def test_probes_need_no_key(api: Api, path: str) -> None:
    """Clients probe with HEAD before they have a key."""
    response = api.call("HEAD", path, headers={})
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize("version", ["code_execution_20250522", "code_execution_20250825", "code_execution_20260120"])
def test_blocks_follow_the_tool_version(api: Api, version: str) -> None:
    """The oldest version brings Python blocks, the others Bash blocks; callers appear with 20260120."""
    message = api.ask("[short]", tools=[{"type": version, "name": "code_execution"}]).json()
    use, result = message["content"][0], message["content"][1]
    old = version.endswith("20250522")
    assert use["name"] == ("code_execution" if old else "bash_code_execution")
    assert result["type"] == ("code_execution_tool_result" if old else "bash_code_execution_tool_result")
    assert ("caller" in use) is version.endswith("20260120")


def test_haiku_45_acts_as_the_second_version(api: Api) -> None:
    """Without programmatic calls the newest tool brings the older blocks, without callers."""
    message = api.ask("[short]", model="claude-haiku-4-5", tools=[NEW_CODE]).json()
    assert "caller" not in message["content"][0]


def test_a_deferred_tool_costs_no_tokens(api: Api) -> None:
    """`defer_loading` keeps a definition out of the prompt."""
    plain = api.ask("hi").json()["usage"]["input_tokens"]
    assert api.ask("hi", tools=[{**SEARCH, "defer_loading": True}]).json()["usage"]["input_tokens"] == plain


def test_repeated_headers_are_one_list(api: Api) -> None:
    """Beta values may come in several header lines."""
    lines = [(b"x-api-key", b"k"), (b"anthropic-version", b"2023-06-01"), (b"anthropic-beta", b"a-1")]
    shown = api.call_raw(
        "POST", "/v1/messages", request("[build]", tools=[CODE]), [*lines, (b"anthropic-beta", b"compact-1")]
    )
    assert "iterations" in shown.json()["usage"]


def test_dynamic_filtering_nests_searches_in_code(api: Api) -> None:
    """A web tool of the newer kind is called by code that the caller never declared."""
    message = api.ask("[research]", tools=[SEARCH]).json()
    kinds = [block["type"] for block in message["content"]]
    assert kinds[0] == "server_tool_use"
    assert message["content"][0]["name"] == "code_execution"
    nested = message["content"][1]
    assert nested["caller"] == {"type": "code_execution_20260120", "tool_id": message["content"][0]["id"]}
    assert message["content"][-2]["content"]["type"] == "encrypted_code_execution_result"
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 2
    assert message["container"]["id"]


def test_excluded_results_are_not_shown_but_count(api: Api) -> None:
    """`response_inclusion: excluded` drops the nested pairs; the searches are billed all the same."""
    message = api.ask("[research]", tools=[{**SEARCH, "response_inclusion": "excluded"}]).json()
    assert [block["type"] for block in message["content"]] == ["server_tool_use", "code_execution_tool_result", "text"]
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 2


def test_programmatic_calls_need_a_version_that_can(api: Api) -> None:
    """With an older version the same script calls the tool directly."""
    plain = api.ask("[pending]", tools=[CODE, WEATHER]).json()
    assert [block["type"] for block in plain["content"]] == ["tool_use"]
    assert "caller" not in plain["content"][0]


def test_a_tool_that_is_not_used_makes_no_container(api: Api) -> None:
    """Declaring code execution alone starts nothing."""
    assert "container" not in api.ask("hello", tools=[NEW_CODE]).json()
