"""What is wrong with a scenario file is said with its place, and before anything runs."""

import pytest

from planner.simulator import check_scenarios, check_settings
from planner.simulator.config import shipped_scenarios


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scenaros: []", '1:1: this file: unknown field `scenaros`. Did you mean "scenarios"?'),
        (
            "scenarios:\n  - name: a\n    turnz: []",
            '3:5: scenarios[0]: unknown field `turnz`. Did you mean "turns"?',
        ),
        (
            "scenarios:\n  - name: a\n    turns:\n      - steps:\n          - code: {secnds: 1}",
            '5:20: scenarios[0].turns[0].steps[0].code: unknown field `secnds`. Did you mean "seconds"?',
        ),
        (
            "scenarios:\n  - name: a\n    turns:\n      - steps:\n          - code: {seconds: long}",
            "5:29: scenarios[0].turns[0].steps[0].code.seconds: expected `float`, got `str`. See docs/simulator.md.",
        ),
        (
            "scenarios:\n  - turns: []",
            "2:5: scenarios[0]: object missing required field `name`. See docs/simulator.md.",
        ),
        ("- a", "1:1: this file: expected `object`, got `array`. See docs/simulator.md."),
        ("scenarios: [", "1:13: this file: it is not YAML."),
        ("scenarios: []\nscenarios: []", "2:1: this file: it is not YAML. Found duplicate key"),
        (
            "scenarios: [{name: a, match: {text: '['}, turns: []}]",
            "1:37: scenarios[0].match.text: '[' is no regular expression.",
        ),
        (
            "scenarios: [{name: a, match: {metadata: {user: '('}}, turns: []}]",
            "1:48: scenarios[0].match.metadata.user: '(' is no regular expression.",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    """`file:line:col: subject: problem. remedy`, as of a rule file."""
    (line,) = check_scenarios("mine.yaml", text)
    assert line.startswith(f"mine.yaml:{said}")
    assert "\n" not in line


def test_what_is_right_is_not_spoken_of() -> None:
    """The shipped scenarios, an empty file, and settings with values that they can have."""
    assert [check_scenarios("shipped.yaml", text) for text in shipped_scenarios()] == [[] for _ in shipped_scenarios()]
    assert check_scenarios("empty.yaml", "") == []
    assert check_settings({"free_hours.limit": "0", "tool_tokens.web_fetch_20260318": "2140"}) == []


def test_every_setting_that_is_wrong_is_named() -> None:
    """Not only the first."""
    said = check_settings({"nonsense": "1", "code.idle_bills": "perhaps", "tool_tokens.web_fetch_20260318": "some"})
    assert [line.split(": ")[1] for line in said] == [
        "setting nonsense",
        "setting code.idle_bills",
        "setting tool_tokens.web_fetch_20260318",
    ]
