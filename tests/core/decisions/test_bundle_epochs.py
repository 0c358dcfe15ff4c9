"""The bundle where something was learnt: going on in an edited epoch, and an edit made once for what it tells."""

from typing import Any

import msgspec
import pytest

from planner.core.allowance import Allowance
from planner.core.decisions.bundle import FEWEST_BEFORE_A_TRIAL
from planner.core.learning.epochs import Epoch, Warmth
from planner.core.learning.learnt import Estimate, Learnt
from planner.core.learning.sizes import Sizes, combination
from planner.core.plan import Plan, make_plan
from planner.core.reasons import Outcome, Reason
from planner.core.rulebook.book import RuleBook
from tests.doubles.deciding import BOOK, CLIENT_TOOL, CODE, NOW, ask, book, cached, facts, settings

BELOW = Allowance(10, 100, 1_550, 0.0, known=True)
UNKNOWN = Allowance(10, 100, 1_550, 0.0, known=False)
APPLIED = (Outcome.APPLIED, None)
TRIED = (Outcome.APPLIED, Reason.TRIAL)
UNCERTAIN = (Outcome.DECLINED, Reason.UNCERTAIN)

WARM = Warmth(20_000, NOW)
EDITED = Epoch(edited=True, bundled=WARM, conversations=5)
LONG: dict[str, Any] = {"model": "claude-opus-5-5", "system": cached("You are an analyst. " * 4_000)}
"""A long cached prompt, of which nobody knows whether it runs code: written anew at $0.10."""

DOUBTFUL: dict[str, Any] = {"model": "claude-haiku-5-5", "system": "Add."}
"""Cheaper on average, and not likely enough."""

SETTLED = Learnt(begun=FEWEST_BEFORE_A_TRIAL)


def plan(rules: RuleBook = BOOK, known: dict[str, Any] | None = None, **members: Any) -> Plan:
    """The plan for a conversation that begins."""
    request = ask(**members)
    return make_plan(request, facts(request, **(known or {})), rules)


def bundle(*arguments: Any, **members: Any) -> tuple[Outcome, Reason | None]:
    """How its bundle decision ended."""
    decision = plan(*arguments, **members).decisions[1]
    return decision.outcome, decision.reason


# ---------------------------------------------------------------- going on in an edited epoch


@pytest.mark.parametrize("hours", [BELOW, UNKNOWN])
def test_an_edited_epoch_goes_on_though_hours_cost_nothing_by_now(hours: Allowance) -> None:
    """Going back would write the prefix anew, and a hair's breadth of the forecast must not turn it round."""
    assert bundle(BOOK, {"epoch": EDITED, "allowance": hours}, **LONG) == APPLIED
    assert bundle(BOOK, {"allowance": hours}, **LONG)[0] is Outcome.DECLINED


def test_an_edited_epoch_asks_for_no_confidence() -> None:
    """It is the cheaper side with its cache, which is enough to stay."""
    sure = book(settings=settings(decision={"confidence": 1.0}))
    assert bundle(sure, {"epoch": EDITED}, **LONG) == APPLIED
    assert bundle(sure, **DOUBTFUL) == UNCERTAIN


def test_it_ends_where_untouched_is_cheaper_with_its_rewrite() -> None:
    """Where both sides are warm, or so little is cached that writing it again costs less than the tool."""
    both = msgspec.structs.replace(EDITED, plain=WARM)
    assert bundle(BOOK, {"epoch": both, "allowance": BELOW}, **LONG) == (Outcome.DECLINED, Reason.BELOW_ALLOWANCE)
    tiny = msgspec.structs.replace(EDITED, bundled=Warmth(10, NOW), conversations=1_000)
    assert bundle(BOOK, {"epoch": tiny, "allowance": BELOW}, **LONG) == (Outcome.DECLINED, Reason.BELOW_ALLOWANCE)


@pytest.mark.parametrize(
    "epoch", [Epoch(plain=WARM), Epoch(edited=False, bundled=WARM), Epoch(edited=True, plain=WARM), None]
)
def test_only_what_is_bundled_and_warm_goes_on(epoch: Epoch | None) -> None:
    """Anything else is decided anew."""
    assert bundle(BOOK, {"epoch": epoch, "allowance": BELOW}, **LONG) == (Outcome.DECLINED, Reason.BELOW_ALLOWANCE)


@pytest.mark.parametrize(
    ("known", "reason"),
    [({"flags": ("zdr",)}, Reason.ZDR), ({"resting": True}, Reason.BREAKER), ({"scope": None}, Reason.UNKNOWN_SCOPE)],
)
def test_what_forbids_an_edit_ends_it_too(known: dict[str, Any], reason: Reason) -> None:
    """Whatever is warm."""
    assert bundle(BOOK, {"epoch": EDITED} | known, **LONG) == (Outcome.DECLINED, reason)


# ---------------------------------------------------------------- trials


def trying(rules: RuleBook = BOOK, **known: Any) -> tuple[Outcome, Reason | None]:
    """How a conversation ends whose gain turns on a size that nobody knows."""
    return bundle(rules, {"sizes": Sizes(), "learnt": SETTLED} | known, **DOUBTFUL)


def test_a_conversation_is_edited_for_what_it_tells() -> None:
    """The plan says so, with what is expected of it."""
    assert trying() == TRIED
    made = plan(BOOK, {"sizes": Sizes(), "learnt": SETTLED}, **DOUBTFUL)
    assert made.free
    assert made.expected is not None
    assert made.edits


def test_not_for_an_agent_that_may_never_come_again() -> None:
    """Three conversations are needed."""
    assert trying(learnt=Learnt(begun=FEWEST_BEFORE_A_TRIAL - 0.1)) == UNCERTAIN


def test_not_while_another_is_on_its_way() -> None:
    """One a model at a time."""
    assert trying(trying=True) == UNCERTAIN


def test_not_where_the_setting_forbids_it() -> None:
    """`decision.trials`."""
    assert trying(book(settings=settings(decision={"trials": False}))) == UNCERTAIN


def test_what_could_teach_nothing_is_not_tried() -> None:
    """An answer that does not tell its first prompt costs the edit for nothing."""
    assert trying(teaches=False) == UNCERTAIN


def test_not_where_nothing_would_be_learnt() -> None:
    """Sizes are not kept, or this one was counted."""
    assert trying(sizes=None) == UNCERTAIN
    sizes, request = Sizes(), ask(**DOUBTFUL)
    edit = plan(BOOK, {"sizes": sizes, "learnt": SETTLED}, **DOUBTFUL).tool_edit
    sizes.count(combination("claude-haiku-5-5", request.tools, edit), 4_000, NOW)
    assert trying(sizes=sizes)[1] is not Reason.TRIAL


def test_not_where_an_hour_costs_nothing() -> None:
    """No size would make it worth its tokens."""
    assert trying(allowance=BELOW) == (Outcome.DECLINED, Reason.BELOW_ALLOWANCE)
    assert trying(allowance=UNKNOWN) == (Outcome.DECLINED, Reason.ALLOWANCE_UNKNOWN)


def test_not_where_no_size_would_make_it_worth_while() -> None:
    """An agent that never runs code."""
    never = msgspec.structs.replace(SETTLED, begun=300.0, billed=Estimate(0.0, 0.0, 0.0))
    assert trying(learnt=never) == (Outcome.DECLINED, Reason.NOT_WORTH_IT)


def test_what_is_not_decided_is_not_tried() -> None:
    """Under `--observe` it is a shadow like any other."""
    assert trying(undecided=Reason.OBSERVE) == (Outcome.SHADOW, Reason.OBSERVE)


def test_a_loss_must_be_made_up_by_those_that_come() -> None:
    """Dear on this model: few conversations would not gain by it what one loses, very many may."""
    dear: dict[str, Any] = {"model": "claude-sonnet-5-5", "system": "Add.", "tools": [CODE, CLIENT_TOOL]}

    def after(begun: float, billed: float) -> tuple[Outcome, Reason | None]:
        learnt = Learnt(begun=begun, billed=Estimate(billed, 0.0, 0.0), samples=Estimate(1.0, 0.0, 0.0))
        return bundle(BOOK, {"sizes": Sizes(), "learnt": learnt}, **dear)

    assert after(3, 10) == after(300, 10) == (Outcome.DECLINED, Reason.NOT_WORTH_IT)
    found = [after(begun, 400)[1] for begun in (3, 30, 300, 3_000)]
    assert found[-1] is Reason.TRIAL
    assert sorted(found, key=lambda reason: reason is Reason.TRIAL) == found
