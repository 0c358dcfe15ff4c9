"""Decisions and reasons: closed lists, and a header that nothing can break out of."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.reasons import OF_THE_MOMENT, Action, Decision, Outcome, Reason, plan_header

TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")
STRING = re.compile(r'"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"')


def test_the_header_of_the_contract() -> None:
    """Three members, always in the order version, bundle, container."""
    decisions = (
        Decision(Action.VERSION, Outcome.KEPT),
        Decision(Action.BUNDLE, Outcome.DECLINED, Reason.BELOW_ALLOWANCE),
        Decision(Action.CONTAINER, Outcome.THREADED),
    )
    expected = "version=kept, bundle=declined;reason=below-allowance, container=threaded"
    assert plan_header(decisions) == expected
    assert plan_header(tuple(reversed(decisions))) == expected


def test_shadow_decisions_stay_out_of_the_header() -> None:
    """Only the first decision of an action is printed; the ledger has the others."""
    decisions = (
        Decision(Action.VERSION, Outcome.KEPT),
        Decision(Action.BUNDLE, Outcome.APPLIED, policy="finance"),
        Decision(Action.CONTAINER, Outcome.NONE),
        Decision(Action.BUNDLE, Outcome.SHADOW, policy="try-out"),
    )
    assert plan_header(decisions) == 'version=kept, bundle=applied;policy="finance", container=none'


@given(st.text())
def test_no_policy_name_breaks_the_header(name: str) -> None:
    """Quotes, backslashes, line ends and letters beyond ASCII cannot begin another header or member."""
    header = plan_header([Decision(Action.BUNDLE, Outcome.APPLIED, Reason.POLICY, name)])
    start, _, value = header.partition(";policy=")
    assert start == "bundle=applied;reason=policy"
    assert STRING.fullmatch(value)


@pytest.mark.parametrize("word", [*Action, *Outcome, *Reason])
def test_every_word_is_a_token(word: str) -> None:
    """So that the header needs no quotes for them."""
    assert TOKEN.fullmatch(word)


def test_every_reason_says_what_it_means() -> None:
    """In one sentence of its own, and the moment's reasons are among them."""
    assert all(reason.meaning.endswith(".") for reason in Reason)
    assert len({reason.meaning for reason in Reason} - {Reason.ERROR.meaning}) == len(Reason) - 1
    assert set(Reason) >= OF_THE_MOMENT


@given(st.sampled_from(Action), st.sampled_from(Outcome), st.none() | st.sampled_from(Reason), st.none() | st.text())
def test_a_decision_survives_the_journal(
    action: Action, outcome: Outcome, reason: Reason | None, policy: str | None
) -> None:
    """It comes back from JSON as it was, its reason with its meaning."""
    decision = Decision(action, outcome, reason, policy)
    back = msgspec.json.decode(msgspec.json.encode(decision), type=Decision)
    assert back == decision
    assert back.reason is reason
