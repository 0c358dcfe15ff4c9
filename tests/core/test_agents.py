"""Which requests are one agent's: principal, model, tools, and the system prompt as far as it is stable."""

from planner.core.agents import profile_key, rest_key
from tests.doubles.deciding import CLIENT_TOOL, CODE, NEWER_CODE, ask, cached


def test_a_profile_is_principal_model_tools_and_the_stable_system() -> None:
    """What is the same in all of them is one profile; order of tools and what follows the breakpoint do not count."""
    one = {"system": cached(), "tools": [CODE, CLIENT_TOOL]}
    key = profile_key(ask(**one), "key-1")
    assert profile_key(ask(**one | {"tools": [CLIENT_TOOL, CODE]}), "key-1") == key
    tail = [*cached(), {"type": "text", "text": "Today is Sunday."}]
    assert profile_key(ask(**one | {"system": tail}), "key-1") == key
    assert profile_key(ask(**one | {"messages": [{"role": "user", "content": "Else."}]}), "key-1") == key


def test_each_part_makes_another_profile() -> None:
    """Model and system of the same parent; principal and tools of another."""
    one = {"system": cached(), "tools": [CODE]}
    key = profile_key(ask(**one), "key-1")
    for other in (one | {"model": "claude-opus-5-5"}, one | {"system": cached("Another. " * 100)}):
        found = profile_key(ask(**other), "key-1")
        assert found.parent == key.parent
        assert found.own != key.own
    for found in (profile_key(ask(**one), "key-2"), profile_key(ask(**one | {"tools": [NEWER_CODE]}), "key-1")):
        assert found.parent != key.parent
        assert found.own != key.own


def test_what_rests_together() -> None:
    """A profile on a model, whatever its system prompt says: a clock in it is no reason to be refused again."""
    one = {"system": "It is 12:00.", "tools": [CODE]}
    key = rest_key(profile_key(ask(**one), "key-1"), "claude-opus-5-5")
    later = profile_key(ask(**one | {"system": "It is 12:01."}), "key-1")
    assert rest_key(later, "claude-opus-5-5") == key
    assert rest_key(later, "claude-opus-5") != key
    assert rest_key(profile_key(ask(**one), "key-2"), "claude-opus-5-5") != key
    assert rest_key(profile_key(ask(**one | {"tools": [NEWER_CODE]}), "key-1"), "claude-opus-5-5") != key
