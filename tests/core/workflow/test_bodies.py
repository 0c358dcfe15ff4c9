"""Requests of a plan as they are sent, and answers taken apart again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.workflow.bodies import Parts, body, split
from planner.core.workflow.problem import Problem, Request
from planner.core.workflow.steps import Context, Step, Workflow
from tests.doubles.deciding import BOOK, NOW

CODE, SEARCH = "code_execution_20250825", "web_search_20250305"


def made(request: Request, *steps: Step, **more: Any) -> dict[str, Any]:
    """The body of a request."""
    workflow = Workflow(workflow="w", model="claude-sonnet-5-5", contexts={"docs": Context(tokens=9)}, steps=steps)
    parts = {"results": {}, "contexts": {"docs": "D"}, "uploads": {}, "container": None, "life": "none"}
    return body(Problem(workflow, BOOK, NOW, 0.0), request, Parts(**{**parts, "marked": False, **more}))


def test_breakpoints_stand_where_the_plan_wants_them() -> None:
    """Behind the context with its lifetime, and at the end of the prompt."""
    step = Step(name="a", prompt=1, output=1, context="docs", ask="Hi")
    assert made(Request((0,)), step)["system"] == [{"type": "text", "text": "D"}]
    cached = made(Request((0,)), step, life="1h", marked=True)
    assert cached["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert cached["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}


def test_skills_and_a_container_go_in_one_object() -> None:
    """An id alone is a string."""
    step = Step(name="a", prompt=1, output=1, tools=(CODE,), skills=("xlsx",), ask="Hi")
    skills = [{"type": "anthropic", "skill_id": "xlsx", "version": "latest"}]
    assert made(Request((0,)), step)["container"] == {"skills": skills}
    assert made(Request((0,)), step, container="c")["container"] == {"id": "c", "skills": skills}
    plain = Step(name="a", prompt=1, output=1, tools=(CODE,), ask="Hi")
    assert made(Request((0,)), plain, container="c")["container"] == "c"


def test_a_raised_web_tool_keeps_its_callers() -> None:
    """Direct, as basic tools are; a newer one that was asked for has its own default."""
    step = Step(name="a", prompt=1, output=1, tools=(CODE, SEARCH), code_seconds=1, ask="Hi")
    raised = made(Request((0,), web="upgraded"), step)["tools"][1]
    assert raised == {"type": "web_search_20260209", "name": "web_search", "allowed_callers": ["direct"]}
    newer = Step(name="a", prompt=1, output=1, tools=("web_search_20260209",), ask="Hi")
    assert made(Request((0,)), newer)["tools"] == [{"type": "web_search_20260209", "name": "web_search"}]
    old = Step(name="a", prompt=1, output=1, model="claude-haiku-4-5", tools=("web_search_20260209",), ask="Hi")
    assert made(Request((0,)), old)["tools"][0]["allowed_callers"] == ["direct"]


def test_a_result_that_is_not_there_is_an_error() -> None:
    """Never an empty word in its place."""
    with pytest.raises(KeyError):
        made(Request((0,)), Step(name="a", prompt=1, output=1, ask="{{b}}"))


@given(st.lists(st.text(alphabet="ab# \n", max_size=30), min_size=2, max_size=4))
def test_answers_under_headings_are_told_apart(texts: list[str]) -> None:
    """Whatever they hold, unless it is such a heading itself."""
    names = [f"step-{number}" for number in range(len(texts))]
    answer = "\n\n".join(f"## {name}\n{text}" for name, text in zip(names, texts, strict=True))
    found = split(names, answer)
    for name, text in zip(names, texts, strict=True):
        assert found[name] == (text.strip() or answer.strip())


def test_without_its_heading_a_step_has_the_whole_answer() -> None:
    """Nothing is lost to those that follow."""
    assert split(["a"], " One. ") == {"a": "One."}
    assert split(["a", "b"], "## b\nTwo.") == {"a": "## b\nTwo.", "b": "Two."}
    assert split(["a", "b"], " Neither. ") == {"a": "Neither.", "b": "Neither."}
