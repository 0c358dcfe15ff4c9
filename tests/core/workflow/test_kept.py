"""Which of two plans is the better one, and which two are kept."""

import msgspec

from planner.core.workflow.cost import Costing
from planner.core.workflow.descent import untouched
from planner.core.workflow.kept import Kept, better, same
from planner.core.workflow.problem import Plan, Request
from tests.core.workflow.test_search import made, problem

SEARCHED = problem(made(3, 4, 2))
OUTCOME = Costing(SEARCHED, SEARCHED.likely).outcome(untouched(SEARCHED))
assert OUTCOME is not None
SOUND = msgspec.structs.replace(OUTCOME, late=(), lost=())


def test_what_goes_wrong_counts_before_money_and_money_before_time() -> None:
    """A dearer plan that keeps its deadlines is better than a cheap one that does not; time breaks ties."""
    late = msgspec.structs.replace(SOUND, tokens=0.0, late=(1,))
    dear = msgspec.structs.replace(SOUND, tokens=SOUND.tokens * 2)
    sooner = msgspec.structs.replace(SOUND, times=msgspec.structs.replace(SOUND.times, ends=(1.0,)))
    assert better(dear, late)
    assert better(SOUND, dear)
    assert better(sooner, SOUND)
    assert not better(SOUND, SOUND)


def test_the_two_best_do_not_do_the_same() -> None:
    """The same requests in another order are the same plan; what loses its place becomes the second."""
    one, other = Plan((Request((0,)), Request((1,)))), Plan((Request((0, 1)),))
    turned = Plan((Request((1,)), Request((0,))))
    assert same(one, turned)
    assert not same(one, other)
    kept = Kept()
    dear = msgspec.structs.replace(SOUND, tokens=SOUND.tokens * 2)
    for plan, outcome in ((one, dear), (turned, dear), (Plan(()), None), (other, SOUND)):
        kept.offer(plan, outcome)
    assert kept.looked == 4
    assert kept.best is not None
    assert kept.second is not None
    assert (kept.best.plan, kept.second.plan) == (other, one)
    assert kept.limit == dear.total
