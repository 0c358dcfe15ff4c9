"""Conditions: typed before they are asked, errors with their place, and a run-time error is never a match."""

import subprocess
import sys
from typing import Any

import pytest

from planner.core.rulebook.conditions import (
    MOST_CHARACTERS,
    TYPES,
    VARIABLES,
    BadExpressionError,
    ConditionError,
    Fault,
    bind,
    compile_condition,
)

ZEROS: dict[str, Any] = {"string": "", "int": 0, "double": 0.0, "bool": False, "list(string)": []}
NOBODY = {variable.name: ZEROS.get(variable.type, {}) for variable in VARIABLES}


def holds(text: str, **known: Any) -> bool:
    """Whether an expression holds for a request of which this is known."""
    return compile_condition(text).holds(bind(NOBODY | known))


def faults(text: str) -> tuple[Fault, ...]:
    """What is wrong with an expression."""
    with pytest.raises(BadExpressionError) as caught:
        compile_condition(text)
    return caught.value.faults


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tools_count < 20 && profile_cached_share > 0.8", True),
        ("tools_count > 20 || team == 'finance'", True),
        ('model.startsWith("claude-opus")', False),
        ('tools.exists(each, each.startsWith("web_"))', True),
        ('has(tags.feature) && tags.feature == "reports"', True),
        ("has(tags.agent)", False),
        ("hour >= 8 && hour < 18 && weekday <= 5", False),
        ('"zdr" in flags', True),
        ("!stream", True),
    ],
)
def test_expressions_over_what_is_known(text: str, expected: bool) -> None:  # noqa: FBT001 - a column
    """Counts, shares, words, lists and tags."""
    known = {"tools_count": 3, "profile_cached_share": 0.9, "team": "finance", "model": "claude-sonnet-5-5", "hour": 7}
    lists = {"tools": ["custom", "web_fetch_20250910"], "tags": {"feature": "reports"}, "flags": ["zdr"]}
    assert holds(text, **known, **lists) is expected


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda each: each.name)
def test_each_variable_is_there_with_its_type(variable: Any) -> None:
    """Equal to a value of its type, and to none of another."""
    literal = {"string": '""', "int": "0", "double": "0.0", "bool": "false", "list(string)": "[]"}
    assert holds(f"{variable.name} == {literal.get(variable.type, '{}')}")
    assert "does not take" in faults(f"{variable.name} == duration('1s')")[0].problem


def test_every_fault_is_told_with_its_place() -> None:
    """Line and column count from 1; an unknown word is told by itself, so that the nearest can be offered."""
    assert faults('team == "a" &&\n  tem == 3 || prompt_tokens > "x"') == (
        Fault(2, 3, "undeclared reference to 'tem'", "tem"),
        Fault(2, 29, "'>' does not take (int, string)"),
    )
    assert faults("team ==") == (Fault(1, 8, "Syntax error: it ends where something must follow"),)
    assert faults("tools_count") == (Fault(1, 1, "it must be true or false, not a value of type int"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("team == 'a' &&\n", "Syntax error: it ends where something must follow"),
        ("hour in tools", "'in' does not take (int, list(string))"),
        ("!hour", "'!' does not take (int)"),
        ("tools['a'] == ''", "'[ ]' does not take (list(string), string)"),
        ("hour ? stream : stream", "'? :' does not take (int, bool, bool)"),
        ("team.startsWith(1)", "'startsWith' does not take (string, int)"),
    ],
)
def test_messages_are_in_the_words_of_the_language(text: str, problem: str) -> None:
    """Not in those of the library that reads it."""
    assert faults(text)[0].problem == problem


@pytest.mark.parametrize("word", ["prompt", "messages", "system", "body", "request", "key", "content"])
def test_nothing_that_was_written_can_be_asked_for(word: str) -> None:
    """The catalogue has no prompt, no message, no key."""
    assert word not in TYPES
    assert faults(f'{word} == ""')[0].unknown == word


def test_what_is_too_large_is_refused() -> None:
    """Long, with many loops, or nested beyond what the compiler takes; a loop in quotes is none."""
    assert "characters" in faults("true || " * MOST_CHARACTERS)[0].problem
    loops = "tools.all(a, tools.all(b, tools.exists(c, c == a)))"
    assert faults(loops) == (Fault(1, 1, "it loops over lists more than 2 times"),)
    assert "recursion" in faults("(" * 200 + "true" + ")" * 200)[0].problem
    assert not holds(r"""team == ".all( .map( \" .exists(" || team == '.all('""")


LOOPS = 'tools.{0}exists(a, tools.{0}exists(b, tools.{0}exists(c, a + b + c == "zz")))'
TOO_MANY = (Fault(1, 1, "it loops over lists more than 2 times"),)


@pytest.mark.parametrize(
    "text",
    [
        LOOPS.format("//\n"),
        LOOPS.format('// "\n'),
        LOOPS.format("/" * 3 + " it's\n"),
        LOOPS.format(" // // '\n "),
        'team == "//" || ' + LOOPS.format(""),
        "team == '\\'//' || " + LOOPS.format(""),
        'team == """ \\""" // " """ || ' + LOOPS.format(""),
        "tags.`a//b` == '' || " + LOOPS.format(""),
    ],
)
def test_loops_are_counted_behind_comments_and_quotes(text: str) -> None:
    """A comment parts words as a blank does; what looks like one in quotes hides nothing, nor a quote in a comment."""
    assert faults(text) == TOO_MANY


def test_loops_in_comments_and_quotes_are_none() -> None:
    """Whichever begins first holds the other."""
    assert holds('team == "" // .all( .all( "\n && !tools.exists(a, a == "//.all( .map( .all(")')


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1 / tools_count == 1", "INVALID_ARGUMENT"),
        ('tags.agent == "x"', "NOT_FOUND"),
        ("tools[3] == ''", "UNKNOWN"),
        ("9223372036854775807 + max_tokens > 0", "OUT_OF_RANGE"),
        ("int(team) == 1", "INVALID_ARGUMENT"),
    ],
)
def test_a_run_time_error_says_its_kind_alone(text: str, kind: str) -> None:
    """Never the value that it failed on, which may be a caller's."""
    with pytest.raises(ConditionError) as caught:
        holds(text, team="somebody's team", max_tokens=1)
    assert str(caught.value) == kind


def test_errors_that_the_library_raises_are_errors_too() -> None:
    """A budget that is spent, or text that is no Unicode: no match, and nothing that ends the planning of a request."""
    with pytest.raises(ConditionError) as caught:
        holds("tools.exists(a, tools.exists(b, a + b == 'zz'))", tools=["x"] * 400)
    assert str(caught.value) == "INTERNAL"
    with pytest.raises(ConditionError) as caught:
        holds("model.size() > 3", model="\ud800")
    assert str(caught.value) == "UNKNOWN"


def test_without_the_extra_it_says_how_to_get_it() -> None:
    """In an interpreter that cannot import it; and nothing else of the rules needs it."""
    program = (
        "import sys\n"
        "sys.modules['cel_expr_python'] = None\n"
        "from planner.rulesource import load_rules\n"
        "from planner.core.rulefile import read\n"
        "rules = load_rules(None)\n"
        "assert rules.book is not None\n"
        "text = b'policies:\\n  - {name: p, why: w, mode: enforce, when: stream, then: {container: never}}\\n'\n"
        "print(read({**rules.files, 'policies/shipped.yaml': text}).findings[0].text())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("policies/shipped.yaml:2:")
    assert "needs the extra cel" in done.stdout
    assert "pip install 'claude-cost-planner[cel]'" in done.stdout


def test_rules_without_conditions_never_load_the_library() -> None:
    """It is an extra: answering requests under the shipped rules must not need it."""
    program = (
        "import sys\n"
        "from planner.rulesource import load_rules\n"
        "load_rules(None).required()\n"
        "print('cel_expr_python' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
