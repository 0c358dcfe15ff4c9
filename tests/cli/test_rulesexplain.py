"""`planner rules explain`: every policy before one request, in words and in JSON."""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.cli.rulesexplain import Explanation

RULES: Final = str(Path(__file__).parent.parent / "rulefiles" / "tested")
SYSTEM = [{"type": "text", "text": "Compute with code. " * 100, "cache_control": {"type": "ephemeral"}}]
REQUEST: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 512,
    "system": SYSTEM,
    "tools": [
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
    "messages": [{"role": "user", "content": "What is 2 to the power of 64?"}],
}
BEYOND = ("--set", "free_hours.limit=0")


def explain(tmp_path: Path, *arguments: str, request: Any = REQUEST) -> Result:
    """Explain a request."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request), encoding="utf-8")
    return CliRunner().invoke(main, ["rules", "explain", str(path), *arguments])


def told(tmp_path: Path, *arguments: str, request: Any = REQUEST) -> Explanation:
    """The explanation as JSON, read back."""
    result = explain(tmp_path, "--json", *arguments, request=request)
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(result.stdout, type=Explanation)


def test_every_policy_in_its_order_with_what_it_does(tmp_path: Path) -> None:
    """Who does not match and why, who decides, who comes too late, who only would."""
    found = {each.name: each for each in told(tmp_path, "--rules", RULES).policies}
    assert list(found) == ["search-alone", "finance-first", "try-upgrade", "retired", "rest"]
    assert [(each.key, each.wanted, each.seen) for each in found["search-alone"].unmet] == [
        ("team", ("search",), ("",))
    ]
    assert found["try-upgrade"].says == ("bundle: would decide, were it enforced",)
    assert found["retired"].says == ("is off",)
    assert found["retired"].matched
    assert found["rest"].says == ("bundle: decides", "tool_version: decides")
    search = {each.name: each for each in told(tmp_path, "--rules", RULES, "--team", "search").policies}
    assert [(each.end, each.by) for each in search["rest"].actions] == [
        ("pre-empted", "search-alone"),
        ("decides", None),
    ]


def test_what_the_decision_is_worth(tmp_path: Path) -> None:
    """Where a bundle is made: both sides and their difference; else what was weighed, and nothing saved."""
    found = told(tmp_path, *BEYOND)
    assert found.expected_nano is not None
    assert found.saved_nano == found.expected_nano.untouched - found.expected_nano.planned > 0
    assert told(tmp_path, "--set", "free_hours.used_elsewhere=10").saved_nano is None


def test_what_a_shadow_would_do(tmp_path: Path) -> None:
    """Were it enforced, with what that would be worth; policies that are enforced already have the decision's worth."""
    found = {each.name: each for each in told(tmp_path, *BEYOND).policies}
    (upgrade,) = found["shipped-upgrade"].would
    assert (upgrade.action, upgrade.outcome) == ("bundle", "applied")
    assert upgrade.expected_nano is not None
    assert upgrade.expected_nano.planned < upgrade.expected_nano.untouched
    assert [name for name, each in found.items() if each.would] == ["shipped-upgrade"]


def test_the_text_says_it_for_people(tmp_path: Path) -> None:
    """Policies first, then the decisions, then what they are worth."""
    text = explain(tmp_path, *BEYOND).stdout
    heads = ["Assumed:", "Policies, in order", "Decisions", "Worth, by the expected cost"]
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    assert "  shipped-upgrade (shadow)\n    bundle: would decide, were it enforced\n    its bundle, were it " in text
    assert "its bundle, were it enforced: applied; bundling is expected to save $" in text
    assert text.rstrip().splitlines()[-1].startswith("  bundling is expected to save $")
    assert "\x1b" not in text


def test_the_text_of_what_is_left_alone(tmp_path: Path) -> None:
    """It says so beside the difference, or that nothing was weighed."""
    text = explain(tmp_path, "--set", "free_hours.used_elsewhere=10").stdout
    assert "more, and is left untouched" in text
    bare = {"model": "claude-opus-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    text = explain(tmp_path, request=bare).stdout
    assert "does not match: none of its tools is web_search_20250305 or web_fetch_20250910: it has none" in text
    assert "not weighed: the decision was clear without it" in text


def test_portions_are_those_of_this_request(tmp_path: Path) -> None:
    """The roll-out cuts by the hash of its prefix and the day, so that some are in and some are out."""
    rules = tmp_path / "rules"
    (rules / "policies").mkdir(parents=True)
    rows = "".join(
        f"  - {{name: p{number}, why: w, mode: enforce, then: {{bundle: never}}, rollout: {{percent: 50}}}}\n"
        for number in range(40)
    )
    (rules / "policies" / "ours.yaml").write_text(f"policies:\n{rows}", encoding="utf-8")
    found = told(tmp_path, "--rules", str(rules)).policies
    assert {each.rollout for each in found} == {"in", "out"}
    out = next(each for each in found if each.rollout == "out")
    assert out.says == ("matches, but the roll-out leaves this request out",)


RECIPES: Final = Path(__file__).parent.parent.parent / "docs/cookbook"


def test_when_it_is_asked_can_be_said(tmp_path: Path) -> None:
    """A recipe for the night is explained by day; a day alone is its noon."""
    flags = ("--rules", str(RECIPES / "night-jobs"), "--team", "reports", "--tags", "feature=nightly")
    night = told(tmp_path, *flags, "--at", "2026-11-23T23:10:00Z")
    assert night.policies[0].matched
    assert night.assumed["at"] == "2026-11-23T23:10:00Z"
    day = told(tmp_path, *flags, "--at", "2026-11-23").policies[0]
    assert [(each.key, each.seen) for each in day.unmet] == [("when", ("hour = 12",))]


def test_how_a_caller_pays_and_what_holds_for_it_can_be_said(tmp_path: Path) -> None:
    """As callers.yaml would."""
    assert told(tmp_path, *BEYOND, "--billing", "subscription").decisions[1].reason == "subscription"
    flagged = told(tmp_path, *BEYOND, "--billing", "api", "--flag", "hipaa", "--flag", "zdr")
    assert flagged.decisions[1].reason == "zdr"
    assert flagged.assumed["flags"] == ["hipaa", "zdr"]


@pytest.mark.parametrize("words", [("--at", "noon"), ("--at", "2026-02-30"), ("--at", "2026-11-22T09:30:00"),
                                   ("--billing", "cash"), ("--flag", "gdpr")])  # fmt: skip
def test_what_no_flag_takes_ends_the_command(tmp_path: Path, words: tuple[str, str]) -> None:
    """Exit code 2 and a sentence."""
    result = explain(tmp_path, *words)
    assert result.exit_code == 2
    assert words[1] in result.stderr


def test_a_refusal_is_told_with_its_words(tmp_path: Path) -> None:
    """And nobody else is said to decide."""
    request = REQUEST | {"model": "claude-opus-5-5"}
    rules = str(RECIPES / "refuse-a-model")
    text = explain(tmp_path, "--rules", rules, request=request).stdout
    assert '    deny: decides, saying "Opus is for the research team.' in text
    assert '  Refused, saying "Opus is for the research team.' in text
    found = told(tmp_path, "--rules", rules, request=request)
    assert (found.denial or "").startswith("Opus is for the research team.")
    assert told(tmp_path, "--rules", rules, "--principal", "research-lab", request=request).denial is None


@pytest.mark.parametrize("file", ["none.json", "."])
def test_what_is_no_request_ends_the_command(tmp_path: Path, file: str) -> None:
    """Exit code 2 and a sentence."""
    result = CliRunner().invoke(main, ["rules", "explain", str(tmp_path / file)])
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
