"""What is told of a request before its money: words for all that was kept, and nothing that anybody wrote."""

from typing import Any

import msgspec
import pytest

from planner.core.ledger.entry import Expected, Shadow
from planner.core.ledger.shape import Claims, Shape, ToolShape
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.spending import Spender
from planner.dashboard.pages import explained
from planner.dashboard.tables import Table
from tests.dashboard.pages.test_wanted import USUAL

SHAPE = Shape(
    own=Claims(team="finance", tags={"feature": "x"}),
    conversation="talk",
    prefix="x",
    system="s",
    tools=(ToolShape(type="custom", count=3), ToolShape(type="web_fetch_20260318", callers=("direct",), max_uses=1)),
    tool_choice="any",
    thread=True,
    pending=True,
    container="box",
    skills=2,
    prompt_tokens=900,
    cached_tokens=500,
    iterations=3,
    growth_tokens=40,
    added_tokens=1_200,
    estimated=True,
)
REQUEST = msgspec.structs.replace(USUAL, shape=SHAPE, spender=Spender(team="search"))


def pairs(table: Table) -> dict[Any, Any]:
    """The rows of a table of pairs."""
    return {row.cells[0]: row.cells[1] for row in table.rows}


def test_who_asked() -> None:
    """As it was recorded and as it said of itself, with whose budgets pay."""
    told = pairs(explained.arrival(REQUEST, "/there"))
    assert told["Said of itself"] == "team=finance, feature=x; a policy had it recorded as above"
    assert told["Counts in budgets of"] == "team search"
    assert told["Conversation"] == "talk, goes on in a message thread"
    nobody = pairs(explained.arrival(msgspec.structs.replace(USUAL, spender=Spender(), shape=None, tags={}), ""))
    assert nobody["Counts in budgets of"] == "nobody"
    assert "Conversation" not in nobody


def test_what_was_asked() -> None:
    """Types and counts; what is not there is not told."""
    table = explained.asked(REQUEST)
    assert [row.cells[1] for row in table.rows if row.cells[0] == "Tool"] == [
        "3 of custom",
        "web_fetch_20260318, called by direct, max_uses 1",
    ]
    told = pairs(table)
    assert told["Iterations"] == "3, each adding 40 tokens"
    assert told["Cached"].startswith("500 of them")
    assert "Files" not in told
    assert "not kept" in explained.asked(msgspec.structs.replace(USUAL, shape=None)).note


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Decision(Action.BUNDLE, Outcome.APPLIED), "believed to add 1,200 tokens"),
        (Decision(Action.BUNDLE, Outcome.KEPT, Reason.REPEATED), "again, as earlier"),
        (Decision(Action.VERSION, Outcome.APPLIED, Reason.NEEDED_BY_BUNDLE), "version of code execution"),
        (Decision(Action.CONTAINER, Outcome.THREADED), "container of the conversation"),
        (Decision(Action.WEB, Outcome.APPLIED), "Bounds"),
        (Decision(Action.BUNDLE, Outcome.DECLINED, Reason.UNCERTAIN), "as they came"),
        (Decision(Action.VERSION, Outcome.KEPT), "as they came"),
        (Decision(Action.BUNDLE, Outcome.SHADOW), "as they came"),
    ],
)
def test_what_was_changed(decision: Decision, words: str) -> None:
    """Only what a decision did; an edit that is repeated is one as well."""
    changed = pairs(explained.sent(msgspec.structs.replace(REQUEST, decisions=(decision,))))["Changed"]
    assert words in changed
    assert explained.acts(decision.outcome, decision.reason) == ("as they came" not in changed)


def test_a_second_time_is_told() -> None:
    """And how it ended, with whose id."""
    told = pairs(
        explained.sent(msgspec.structs.replace(REQUEST, attempts=2, replayed="tools", upstream_request_id="req_1"))
    )
    assert told["Sent"].startswith("2 times: the API refused the tools")
    assert told["Ended"] == "error, status 429"
    assert told["Anthropic's request-id"] == "req_1"


def test_decisions_say_what_they_mean() -> None:
    """In the words of the documentation."""
    (first, _) = (row.cells for row in explained.decisions(USUAL).rows)
    assert first == ("bundle", "declined", "holdout", "tests", Reason.HOLDOUT.meaning)
    assert explained.meaning("kept", "repeated") == f"{Outcome.KEPT.meaning} {Reason.REPEATED.meaning}"
    assert explained.meaning("declined", "a word of another version") == Outcome.DECLINED.meaning
    assert explained.meaning("unheard-of", None) == ""
    assert "went through" in explained.decisions(msgspec.structs.replace(USUAL, decisions=())).note


def test_shadows_say_what_they_would_have_saved() -> None:
    """Nothing where they would have left it alone, and nothing known where no money was weighed."""
    expected = Expected(700, 300)
    entry = msgspec.structs.replace(
        USUAL,
        shadows=(
            Shadow(Action.BUNDLE, Outcome.APPLIED, None, "a", expected),
            Shadow(Action.BUNDLE, Outcome.DECLINED, Reason.UNCERTAIN, "b", expected),
            Shadow(Action.VERSION, Outcome.APPLIED, None, "c"),
        ),
    )
    assert [row.cells[4:7] for row in explained.shadows(entry).rows] == [(700, 300, 400), (700, 700, 0), (None,) * 3]


def test_usage_is_told_member_by_member() -> None:
    """Whatever came; what is long is cut, what cannot be read is none."""
    told = {"input_tokens": 3, "a": {"b": [1, {"c": None}]}, "long": "x" * 500}
    entry = msgspec.structs.replace(USUAL, usage=msgspec.Raw(msgspec.json.encode(told)))
    found = pairs(explained.usage(entry))
    assert found["input_tokens"] == "3"
    assert (found["a.b[0]"], found["a.b[1].c"]) == ("1", "null")
    assert len(found["long"]) < 210
    assert explained.usage(msgspec.structs.replace(USUAL, usage=msgspec.Raw(b"{"))).note == "The answer told none."
