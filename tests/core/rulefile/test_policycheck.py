"""A policy by itself: refusals that a word escapes, roll-outs of nobody, names for no header."""

from typing import Final

import pytest

from planner.core.rulefile import read
from planner.rulesource import read_files

CALLERS: Final = b"principals:\n  lab: {keys: [a1b2c3d4e5f60718], team: research, project: alpha}\n"


def codes(fields: str, callers: bytes = b"principals: {}") -> list[str]:
    """The findings of a policy that says some fields besides the needed ones."""
    text = f"policies:\n- {{name: one, why: w, mode: enforce, {fields}}}".encode()
    files = {path: content for path, content in read_files(None).items() if not path.startswith("policies")}
    return [each.code for each in read({**files, "policies/a.yaml": text, "callers.yaml": callers}).findings]


@pytest.mark.parametrize(
    "who",
    [
        "match: {team: [research]}",
        "match: {project: [alpha]}",
        "match: {tags: {team: [research]}}",
        "match: {team: [research], model: ['claude-sonnet-5-5*']}",
        "when: team != 'research'",
        "when: \"tags.feature == 'x'\"",
    ],
)
def test_a_refusal_by_what_a_client_says_of_itself(who: str) -> None:
    """It is a warning, unless callers.yaml knows such a team, or the key has a say as well."""
    assert codes(f"then: {{deny: no}}, {who}") == ["claimable-team"]
    known = [] if "tags" not in who else ["claimable-team"]
    assert codes(f"then: {{deny: no}}, {who}", CALLERS) == known
    assert codes(f"then: {{bundle: never}}, {who}") == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("then: {container: session}", ["shared-session"]),
        ("then: {container: session}, match: {model: ['claude-sonnet-5-5*']}", ["shared-session"]),
        ("then: {container: session}, when: hour < 6", ["shared-session"]),
        ("then: {container: session}, match: {principal: [a]}", []),
        ("then: {container: session}, match: {tags: {feature: [a]}}", []),
        ("then: {container: session}, when: team == 'a'", []),
        ("then: {container: conversation}", []),
    ],
)
def test_a_session_that_nobody_in_particular_shares(fields: str, expected: list[str]) -> None:
    """Files and variables stay for the next conversation, so a policy says whose they may be."""
    assert codes(fields) == expected


def test_a_refusal_that_rests_on_the_key() -> None:
    """In match or in when, whatever else is asked for; and one that is for everybody."""
    for who in (
        "match: {team: [x], principal: [y]}",
        "match: {team: [x]}, when: principal == 'y'",
        "match: {stream: true}",
    ):
        assert codes(f"then: {{deny: no}}, {who}") == []


def test_only_what_is_enforced_refuses() -> None:
    """One in shadow refuses nobody."""
    fields = "then: {deny: no}, match: {team: [x]}"
    files = {path: content for path, content in read_files(None).items() if not path.startswith("policies")}
    text = f"policies:\n- {{name: one, why: w, mode: shadow, {fields}}}".encode()
    assert read({**files, "policies/a.yaml": text}).findings == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("then: {bundle: never}, rollout: {percent: 0}", ["empty-rollout"]),
        ("then: {bundle: {act: when-cheaper, domains: ['*.a.com', a.com]}}", ["bad-domain"]),
        ("then: {web: {blocked_domains: ['http://a.com', 'b c']}}", ["bad-domain", "bad-domain"]),
        ("then: {bundle: never}, when: has(tags.featur)", ["bad-expression"]),
        ("then: {bundle: never}, when: \"has(tags.feature) && tags['team'] == 'x'\"", []),
    ],
)
def test_what_is_wrong_with_one(fields: str, expected: list[str]) -> None:
    """Each by its code."""
    assert codes(fields) == expected
