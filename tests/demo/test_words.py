"""Decisions and money in words."""

import pytest

from planner.core.ledger.entry import Expected
from planner.core.reasons import EVERY_TIME, Action, Decision, Outcome, Reason
from planner.demo.account import Counted
from planner.demo.words import anyway, dollars, exactly, left_alone, percent, said, sentence_of
from tests.demo.rows import BUNDLED, FRESH, KEPT, NOT_WORTH, THREADED, row


@pytest.mark.parametrize(
    ("nano", "short", "exact"),
    [
        (0, "$0.0000", "$0.000000000"),
        (4_166_667, "$0.0042", "$0.004166667"),
        (-4_166_667, "-$0.0042", "-$0.004166667"),
        (-1, "$0.0000", "-$0.000000001"),
        (1_234_567_890_123, "$1234.5679", "$1234.567890123"),
    ],
)
def test_money(nano: int, short: str, exact: str) -> None:
    """Four decimals in the table, all nine where equality is claimed."""
    assert dollars(nano) == short
    assert exactly(nano) == exact


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(0, 5, "0 %"), (1, 3, "33 %"), (-1, 1000, "0 %"), (-1, 2, "-50 %"), (1, 0, "")]
)
def test_percent(part: int, whole: int, text: str) -> None:
    """Whole numbers, and nothing where there is nothing to share."""
    assert percent(part, whole) == text


def test_decisions_that_did_nothing_say_nothing() -> None:
    """A version that is kept and a container that nobody has are no news."""
    assert said(row(KEPT, FRESH)) == []


def test_decisions_are_counted_where_they_differ() -> None:
    """And carry the meaning of their reason."""
    decided = row(NOT_WORTH, anyway=2_000_000)
    threaded = row(anyway=2_000_000, decisions=(Counted(NOT_WORTH, 3), Counted(THREADED, 2)))
    assert said(decided) == [f"not bundled. {Reason.NOT_WORTH_IT.meaning}"]
    assert said(threaded)[1] == "2 of 3 requests: sent on in the warm container of the turn before"


def test_what_was_expected_is_said_where_it_decided() -> None:
    """Both costs, so that one sees by how much."""
    assert said(row(NOT_WORTH, expected=Expected(13_300_000, 60_100_000))) == [
        "not bundled. Untouched is expected to be cheaper: $0.0133 against $0.0601, output aside."
    ]


def test_a_repeated_decision_is_one_with_the_first() -> None:
    """A visitor does not care who remembers what."""
    again = Decision(Action.BUNDLE, Outcome.APPLIED, Reason.REPEATED)
    told = said(row(decisions=(Counted(BUNDLED, 1), Counted(again, 2))))
    assert told == ["bundled: a web tool that can fetch nothing made its code free"]


@pytest.mark.parametrize("action", EVERY_TIME)
@pytest.mark.parametrize("outcome", [Outcome.APPLIED, Outcome.DECLINED, Outcome.SHADOW, Outcome.FAILED_OPEN])
def test_nothing_that_was_done_or_refused_goes_unsaid(action: Action, outcome: Outcome) -> None:
    """Every outcome that an action can have, but those that mean nothing happened, has its sentence.

    The demo runs under the shipped policies, which ask for no other action.
    """
    if (action, outcome) != (Action.CONTAINER, Outcome.APPLIED):  # a container is threaded, not applied
        assert sentence_of(Decision(action, outcome, Reason.ERROR))


def test_who_is_left_alone_hears_why_and_what_it_would_have_cost() -> None:
    """With a number from the run that always bundles, and no word of what stands among the decisions."""
    alone = row(KEPT, NOT_WORTH, FRESH)
    text = left_alone(alone)
    assert text.startswith(f"Its client {alone.agent.client}.")
    assert not [line for line in said(alone) if line in text]
    assert Reason.NOT_WORTH_IT.meaning not in text
    assert text.endswith("Bundled anyway it would have cost $0.0005 more.")


def test_caution_that_cost_something_is_admitted() -> None:
    """A bundle that would have been cheaper is no secret."""
    assert anyway(row(NOT_WORTH, anyway=1_000_000)) == [
        "Bundled it would have cost $0.0010 less: caution has its price."
    ]
    assert anyway(row(NOT_WORTH, anyway=2_000_000)) == []
    assert anyway(row(BUNDLED)) == []
