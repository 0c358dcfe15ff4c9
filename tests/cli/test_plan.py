"""`planner plan`: one request explained, in words and in JSON."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.core.reasons import Reason

BEYOND = ("--set", "free_hours.limit=0")
SYSTEM = [{"type": "text", "text": "Compute with code. " * 100, "cache_control": {"type": "ephemeral"}}]
REQUEST: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 512,
    "system": SYSTEM,
    "tools": [{"type": "code_execution_20250825", "name": "code_execution"}],
    "messages": [{"role": "user", "content": "What is 2 to the power of 64?"}],
}


def plan(tmp_path: Path, request: Any, *arguments: str) -> Result:
    """Explain a request."""
    path = tmp_path / "request.json"
    path.write_bytes(request if isinstance(request, bytes) else json.dumps(request).encode())
    return CliRunner().invoke(main, ["plan", str(path), *arguments])


def told(tmp_path: Path, request: Any, *arguments: str) -> dict[str, Any]:
    """The explanation as JSON."""
    result = plan(tmp_path, request, "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def decisions(explanation: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """Outcome and reason by action."""
    return {each["action"]: (each["outcome"], each["reason"]) for each in explanation["decisions"]}


def test_a_request_that_is_worth_a_bundle(tmp_path: Path) -> None:
    """Decisions, the policy behind each, expected cost, and the body as it would be sent."""
    found = told(tmp_path, REQUEST, *BEYOND)
    assert decisions(found) == {
        "version": ("applied", "needed-by-bundle"),
        "bundle": ("applied", None),
        "container": ("none", None),
    }
    assert found["expected_nano"]["planned"] < found["expected_nano"]["untouched"]
    assert found["body"] == "edited"
    body = json.dumps(REQUEST)
    for edit in reversed(found["edits"]):
        assert body[edit["start"] : edit["end"]] == edit["before"]
        body = body[: edit["start"]] + edit["after"] + body[edit["end"] :]
    tools = json.loads(body)["tools"]
    assert [tool["type"] for tool in tools] == ["code_execution_20260120", "web_fetch_20260318"]
    assert {**json.loads(body), "tools": REQUEST["tools"]} == REQUEST


def test_the_same_request_within_the_free_hours(tmp_path: Path) -> None:
    """Left alone, with the meaning of the reason."""
    found = told(tmp_path, REQUEST, "--set", "free_hours.used_elsewhere=10")
    assert decisions(found)["bundle"] == ("declined", "below-allowance")
    assert Reason.BELOW_ALLOWANCE.meaning in {each["meaning"] for each in found["decisions"]}
    assert (found["body"], found["edits"]) == ("unchanged", [])


def test_beliefs_and_settings_come_with_their_source(tmp_path: Path) -> None:
    """A measured number beats the prior and says where it is from; an override says so too."""
    rules = tmp_path / "rules"
    rules.mkdir()
    shipped = (Path(__file__).parent.parent.parent / "rules" / "settings.yaml").read_text(encoding="utf-8")
    measured = """
  tool_tokens.web_fetch_20260318:
    value: {low: 2100, likely: 2140, high: 2180}
    mark: A
    source: measured with count_tokens
    checked: 2026-11-22
"""
    (rules / "settings.yaml").write_text(shipped + measured, encoding="utf-8")
    found = told(tmp_path, REQUEST, *BEYOND, "--rules", str(rules))
    beliefs = {each["name"]: each for each in found["beliefs"]}
    web = beliefs["tool_tokens.web_fetch_20260318"]
    assert (web["likely"], web["mark"], web["source"]) == (2140, "A", "measured: measured with count_tokens")
    assert beliefs["code_probability"]["source"] == "prior of the catalog"
    assert beliefs["code_probability"]["means"]
    settings = {each["name"]: each for each in found["settings"]}
    assert (settings["free_hours.limit"]["value"], settings["free_hours.limit"]["source"]) == (0, "--set")
    assert settings["code.minimum_per"]["source"].startswith("https://")


def test_policies_that_match_say_what_they_decide(tmp_path: Path) -> None:
    """Also those that decide nothing here; those for others are not named."""
    found = told(tmp_path, REQUEST, *BEYOND)
    policies = {each["name"]: each for each in found["policies"]}
    assert policies["shipped-bundle"]["decides"] == ["bundle"]
    assert policies["shipped-version"]["decides"] == ["version"]
    assert policies["shipped-container"]["decides"] == []
    assert "shipped-upgrade" not in policies


def test_who_asks_can_be_said(tmp_path: Path) -> None:
    """A principal of callers.yaml brings its team and flags; flags on the command line beat it."""
    rules = tmp_path / "rules"
    rules.mkdir()
    callers = "principals:\n  search:\n    keys: [0123456789abcdef]\n    team: web\n    flags: [zdr]\n"
    (rules / "callers.yaml").write_text(callers, encoding="utf-8")
    known = ("--rules", str(rules), "--principal", "0123456789abcdef")
    found = told(tmp_path, REQUEST, *BEYOND, *known)
    assert (found["assumed"]["principal"], found["assumed"]["team"]) == ("search", "web")
    assert decisions(found)["bundle"] == ("declined", "zdr")
    assert told(tmp_path, REQUEST, *BEYOND, *known, "--team", "other")["assumed"]["team"] == "other"


def test_a_caller_that_nobody_has_seen_yet(tmp_path: Path) -> None:
    """Without a scope nothing is edited."""
    found = told(tmp_path, REQUEST, *BEYOND, "--scope", "")
    assert decisions(found)["bundle"] == ("declined", "unknown-scope")
    found = told(tmp_path, REQUEST, *BEYOND, "--scope", "acme/main")
    assert (found["assumed"]["organization"], found["assumed"]["workspace"]) == ("acme", "main")


def test_a_request_from_the_middle_of_a_conversation(tmp_path: Path) -> None:
    """It is left alone, as a planner would that sees it first there."""
    said = [*REQUEST["messages"], {"role": "assistant", "content": "A lot."}, {"role": "user", "content": "How much?"}]
    assert decisions(told(tmp_path, {**REQUEST, "messages": said}, *BEYOND))["bundle"] == (
        "declined",
        "mid-conversation",
    )


def test_the_text_says_it_all_for_people(tmp_path: Path) -> None:
    """In the order in which one asks."""
    text = plan(tmp_path, REQUEST, *BEYOND).stdout
    heads = ["Assumed:", "Decisions", "Body: edited", "Expected cost", "Policies that match", "Beliefs", "Settings"]
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    assert Reason.NEEDED_BY_BUNDLE.meaning in text
    assert '    - "code_execution_20250825"\n    + "code_execution_20260120"' in text
    assert '    + ,{"type":"web_fetch_20260318"' in text
    assert "free_hours.limit                   0              [A] by --set" in text
    assert "\x1b" not in text


def test_the_text_is_rounded_and_stands_in_columns(tmp_path: Path) -> None:
    """An expectation has four digits, a chance is a percentage, and what belongs together stands in one column."""
    found = told(tmp_path, REQUEST, *BEYOND)
    text = plan(tmp_path, REQUEST, *BEYOND).stdout
    costs = re.findall(r"^  (?:untouched|bundled) +\$([0-9.]+)$", text, re.MULTILINE)
    assert all(len(cost.replace(".", "").lstrip("0")) <= 4 for cost in costs)
    assert [
        round(float(cost) * 1e9 / exact, 3)
        for cost, exact in zip(
            costs, (found["expected_nano"]["untouched"], found["expected_nano"]["planned"]), strict=True
        )
    ] == [1, 1]
    assert "chance of exceeding them 100 %." in text
    decided = [line for line in text.splitlines() if line.startswith(("  version ", "  bundle "))]
    assert len({line.index("[") for line in decided}) == 1


def test_both_forecasts_of_the_free_hours_are_shown(tmp_path: Path) -> None:
    """Under the decisions in force and untouched, each with its interval."""
    baseline = ("--set", "free_hours.used_elsewhere=10")
    free = told(tmp_path, REQUEST, *baseline)["assumed"]["free_hours"]
    assert [free[name] for name in ("low", "forecast", "high")] == [10, 10, 10]
    assert [free[name] for name in ("untouched_low", "untouched", "untouched_high")] == [10, 10, 10]
    text = plan(tmp_path, REQUEST, *baseline).stdout
    assert "forecast 10 (10 to 10) hours this month, 10 (10 to 10) untouched, chance of exceeding them 0 %." in text


def test_a_request_without_a_model_is_refused_by_the_api(tmp_path: Path) -> None:
    """Which one should hear before one sends it."""
    nameless = {name: value for name, value in REQUEST.items() if name != "model"}
    assert "no model: the API will refuse this" in plan(tmp_path, nameless, *BEYOND).stdout
    assert "the API will refuse this" not in plan(tmp_path, REQUEST, *BEYOND).stdout


def test_a_request_without_code_is_explained_too(tmp_path: Path) -> None:
    """Nothing to make free, and nothing weighed."""
    bare = {"model": "claude-opus-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    result = plan(tmp_path, bare)
    assert result.exit_code == 0
    assert "no-code-execution" in result.stdout
    assert "not weighed" in result.stdout
    assert "Body: unchanged" in result.stdout


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"model": "m",\n  "messages" []}', ":2:14: The body is not JSON"),
        (b"[1]", ":1:1: The body is no JSON object."),
        (b'{"model": "\xff"}', ":1:12: The body is not UTF-8."),
        (b"", "The body is not JSON"),
    ],
)
def test_what_is_no_request_is_refused_with_its_place(tmp_path: Path, body: bytes, where: str) -> None:
    """Exit code 2 and `file:line:column`."""
    result = plan(tmp_path, body)
    assert result.exit_code == 2
    assert f"{tmp_path}/request.json" in result.stderr
    assert where in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("none.json", "none.json cannot be read: No such file or directory."),
        ("flow.yaml", "flow.yaml cannot be read: No such file or directory."),
        (".", "cannot be read: Is a directory."),
    ],
)
def test_files_that_cannot_be_planned(tmp_path: Path, file: str, sentence: str) -> None:
    """Exit code 2 and a sentence."""
    result = CliRunner().invoke(main, ["plan", str(tmp_path / file)])
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_scope_that_is_none(tmp_path: Path) -> None:
    """It names both parts."""
    result = plan(tmp_path, REQUEST, "--scope", "acme")
    assert result.exit_code == 2
    assert "--scope takes ORGANIZATION/WORKSPACE, not 'acme'" in result.stderr


def test_rules_that_are_wrong(tmp_path: Path) -> None:
    """Exit code 1, with the finding; a flag that is wrong is a usage error."""
    result = plan(tmp_path, REQUEST, "--set", "nonsense=1")
    assert result.exit_code == 2
    assert "nothing reads it" in result.stderr
    (tmp_path / "callers.yaml").write_text("principals: []\n", encoding="utf-8")
    assert plan(tmp_path, REQUEST, "--rules", str(tmp_path)).exit_code == 1
