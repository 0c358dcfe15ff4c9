"""What policies see: every variable of the catalogue with its type, every key of a match, and no word of a prompt."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.core.decisions.subject import subject, values
from planner.core.learning.learnt import Estimate, Learnt
from planner.core.rulebook.conditions import MOST_ITEMS, TYPES, bind
from planner.core.rulebook.policies import Match, Subject
from tests.doubles.deciding import ANSWER, BOOK, CLIENT_TOOL, CODE, HERE, USER, ask, cached, facts, lease

PYTHON: dict[str, Any] = {
    "string": str,
    "int": int,
    "double": float,
    "bool": bool,
    "list(string)": list,
    "map(string, string)": dict,
}


def seen(known: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """The variables of a request under some facts."""
    request = ask(**members)
    world = facts(request, **(known or {}))
    return dict(values(subject(request, world), request, world, BOOK))


def test_every_variable_has_a_value_of_its_type() -> None:
    """No more and no fewer than the catalogue, and the library takes them."""
    found = seen()
    assert list(found) == list(TYPES)
    assert all(type(found[name]) is PYTHON[type_] for name, type_ in TYPES.items())
    bind(found)


def test_match_sees_what_a_subject_has() -> None:
    """Every key of a match is a field of the subject."""
    assert set(Match.__struct_fields__) <= set(Subject.__struct_fields__)


def test_who_asks_and_with_what() -> None:
    """Caller, scope, tools and sizes as they are."""
    known = {"team": "finance", "flags": ("zdr",), "subscription": True, "tags": {"feature": "reports"}}
    members = {"tools": [CODE, CLIENT_TOOL], "stream": True, "max_tokens": 7, "system": cached()}
    found = seen(known, **members)
    assert (found["principal"], found["team"], found["project"]) == ("key-1", "finance", "")
    assert (found["organization"], found["workspace"]) == (HERE.organization, HERE.workspace)
    assert (found["billing"], found["flags"], found["tags"]) == ("subscription", ["zdr"], {"feature": "reports"})
    assert (found["tools"], found["tools_count"]) == (["code_execution_20250825", "custom"], 2)
    assert (found["stream"], found["max_tokens"], found["cached"], found["begins"]) == (True, 7, True, True)
    assert found["prompt_tokens"] == round(len(ask(**members).body) / 4)


def test_where_nothing_is_known() -> None:
    """Empty words and zeros, and the catalog's priors for an agent that nobody has seen."""
    found = seen({"scope": None}, model=None, tools=None, max_tokens=None)
    assert (found["model"], found["organization"], found["tools_count"], found["max_tokens"]) == ("", "", 0, 0)
    assert found["profile_requests"] == 0.0
    assert found["profile_code_share"] == BOOK.catalog.priors.code_probability.likely


def test_what_is_learnt_and_when() -> None:
    """The agent's own share where it has one; hours and weekdays are UTC's, wherever the clock stands."""
    learnt = Learnt(requests=30.0, share=Estimate(0.9, 0.0, 0.0))
    moment = datetime(2026, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=3)))
    found = seen({"learnt": learnt, "now": moment})
    assert (found["profile_requests"], found["profile_cached_share"]) == (30.0, 0.9)
    assert (found["hour"], found["weekday"]) == (22, 7)
    assert not seen(messages=[USER, ANSWER, USER])["begins"]
    assert seen({"lease": lease(), "by_session": True})["has_session"]


def test_lists_are_bounded() -> None:
    """An expression loops over so many at most; the count is true."""
    found = seen(tools=[CLIENT_TOOL] * 200)
    assert (len(found["tools"]), found["tools_count"]) == (MOST_ITEMS, 200)


@given(st.text(min_size=12, max_size=40))
def test_no_word_of_a_prompt_is_seen(secret: str) -> None:
    """Not of messages, of the system prompt, nor of a client tool's name or schema."""
    word = f"SECRET{secret}"
    tool = {"name": word, "description": word, "input_schema": {"type": "object", "title": word}}
    request = ask(tools=[tool], system=word, messages=[{"role": "user", "content": word}], metadata={"user_id": word})
    world = facts(request)
    found = subject(request, world)
    told = json.dumps(values(found, request, world, BOOK)) + str(msgspec.to_builtins(found, builtin_types=()))
    assert "SECRET" not in told
