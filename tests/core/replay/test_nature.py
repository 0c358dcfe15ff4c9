"""The facts of the world of a replay have the names and the defaults of the settings that believe in them."""

import msgspec
import pytest

from planner.core.replay.nature import Nature, altered, world_keys
from planner.rulesource import load_rules

WORLDS_OWN = {
    "futile_call_probability",
    "futile_call_tokens",
    "hour_pico",
    "lift_tokens",
    "minimum_seconds",
    "search_pico",
    "tool_tokens.<type>",
    "tool_tokens.scale",
    "upgrade_tokens",
}
"""What the world knows and the planner has no setting for: it learns it, or prices and the catalog tell it."""


def test_a_fact_is_named_as_the_setting_that_believes_in_it() -> None:
    """So that `--world` and `--set` take the same words, and begin from the same values."""
    shared = set(world_keys()) - WORLDS_OWN
    assert set(world_keys()) >= WORLDS_OWN
    settings = load_rules(None).required().settings
    for key in shared:
        value = msgspec.to_builtins(settings)
        for part in key.split("."):
            value = value[part]
        assert getattr(Nature(), key.replace(".", "_")) == value, key


def test_a_changed_fact_leaves_the_others() -> None:
    """What was not named stays as it was, also where it is no default."""
    strange = Nature(code_idle_bills=True, tool_tokens={"a": 1.0})
    assert altered(strange, {"tool_tokens.a": "2"}) == Nature(code_idle_bills=True, tool_tokens={"a": 2.0})
    with pytest.raises(ValueError, match="no tool 'b': it knows a"):
        altered(strange, {"tool_tokens.b": "2"})
    assert altered(strange, {"code.idle_bills": "false"}) == Nature(tool_tokens={"a": 1.0})


@pytest.mark.parametrize("key", ["tool_tokens.web_fetch", "tool_tokens.scale", "free_hours.limit", "hour_pico"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "many"])
def test_a_number_is_one_that_can_be(key: str, value: str) -> None:
    """What is no size or price ends in a sentence, not in the middle of a replay."""
    with pytest.raises(ValueError, match=r"number|wrong value"):
        altered(Nature(), {key: value})


@pytest.mark.parametrize("key", ["tool_tokens", "cache.minimum", "code", ""])
def test_what_is_no_single_fact_is_refused(key: str) -> None:
    """With the names that there are."""
    with pytest.raises(ValueError, match=r"it knows code\.minimum_per, "):
        altered(Nature(), {key: "1"})
