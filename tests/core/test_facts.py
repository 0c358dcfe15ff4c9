"""Facts are a value: what is not known is left out, and nothing in them can be changed by a plan."""

import msgspec
import pytest

from planner.core.facts import Facts
from planner.core.learning.epochs import Epoch
from planner.core.plan import make_plan
from tests.doubles.deciding import BOOK, EXHAUSTED, NOW, RAN, ask, conversation, facts, lease


def test_little_needs_to_be_known() -> None:
    """Who asks, when, and what an hour costs; the rest is taken to be unknown."""
    known = Facts(now=NOW, principal="key-1", allowance=EXHAUSTED)
    assert (known.scope, known.conversation, known.lease, known.epoch, known.undecided) == (None,) * 5
    assert known.identifiable
    assert make_plan(ask(), known, BOOK).edits == ()


def test_facts_are_frozen() -> None:
    """And so is what is known of a prefix."""
    for value, name in ((facts(), "principal"), (Epoch(), "edited")):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(value, name, None)


def test_a_plan_changes_nothing_in_the_world() -> None:
    """Not even the lease, which can be changed: lending is the shell's to do."""
    lent = lease()
    before = msgspec.structs.astuple(lent)
    make_plan(ask(messages=RAN), facts(lease=lent, conversation=conversation()), BOOK)
    assert msgspec.structs.astuple(lent) == before
