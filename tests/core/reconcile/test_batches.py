"""What the ledger tells of batches: when and of what they were made, how much of them passed, and what is missing."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.ledger.entry import Batch, Entry
from planner.core.reconcile.batches import Batches, said
from planner.core.reconcile.batches import Made as MadeBatch
from planner.core.reconcile.cells import Cause
from tests.doubles.batched import DIGEST, answers, made, passed
from tests.doubles.billed import HAIKU, MONTH, OPUS, SONNET

BROKEN_OFF = [passed(answers(1), day=14.0 + place, before=place, outcome="cancelled") for place in range(3)]
KNOWN = "2026-12-05T00:00:00.000000+00:00"


def batches(*entries: Entry) -> Batches:
    """What these entries tell."""
    found = Batches(MONTH, KNOWN)
    for entry in entries:
        found.add(entry)
    return found


def only(*entries: Entry) -> MadeBatch:
    """The one batch of these entries."""
    (found,) = batches(*entries).made()
    return found


def test_a_batch_is_what_was_written_when_it_was_made() -> None:
    """Its day and the next, its requests by model; one that names no model is refused when it is processed."""
    found = only(made({OPUS: 3, SONNET: 2, None: 1}))
    assert (found.id, found.day, found.days) == (DIGEST, "2026-11-14", ("2026-11-14", "2026-11-15"))
    assert (found.requests, found.missing, found.cause) == (6, 6, Cause.BATCHES_PAST)
    assert [found.asking(model) for model in (OPUS, f"{OPUS}-20260301", f"{OPUS}-fast", SONNET, HAIKU, "")] == [
        3,
        3,
        0,
        2,
        0,
        0,
    ]


def test_what_passed_is_not_missing() -> None:
    """A fetch that broke off leaves the rest; a whole one leaves nothing, whatever failed in it."""
    asks = answers(3)
    part = passed(asks[:2], outcome="cancelled")
    assert (only(made({OPUS: 5}), part).passed, only(made({OPUS: 5}), part).missing) == (2, 3)
    whole = only(made({OPUS: 5}), part, passed(asks[2:], day=14.5, before=2))
    assert (whole.passed, whole.missing, whole.whole) == (3, 0, True)
    assert only(made({OPUS: 5}), part).lacking(OPUS) == 3
    assert only(made({OPUS: 1, SONNET: 4}), part).lacking(OPUS) == 1


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"outcome": "unknown", "cost_nano": None, "status": None}, Cause.LOST_ENTRIES),
        ({"unpriced": "unknown-model", "cost_nano": None, "tokens": None, "lines": ()}, Cause.UNPRICED),
        ({"status": 404, "cost_nano": None, "tokens": None, "lines": (), "outcome": "error"}, Cause.BATCHES_PAST),
    ],
)
def test_results_that_passed_and_are_not_in_the_ledger(changes: dict[str, Any], cause: Cause) -> None:
    """Nobody saw their end, or they have no price; an error is no result."""
    found = only(made({OPUS: 3}), passed(answers(3), **changes))
    assert (found.missing, found.cause, found.passages) == (3, cause, ())


def test_what_is_no_batch_of_ours() -> None:
    """A request that made none, results of a batch that was made elsewhere, and one that was polled."""
    nothing = msgspec.structs.replace(made({OPUS: 3}), batch=None)
    unknown = made({OPUS: 3}, batch="")
    polled = msgspec.structs.replace(made({OPUS: 3}), batch=Batch("c" * 16), method="GET")
    assert batches(nothing, unknown, polled, passed(answers(1))).made() == ()


def test_other_months_are_asked_for_what_this_one_does_not_tell() -> None:
    """When a batch was made whose results it has, and where results passed that are missing in it."""
    whole = (made({OPUS: 3}, batch="w" * 16), passed(answers(3), batch="w" * 16))
    missing, unmade = made({OPUS: 3}), passed(answers(3), batch="u" * 16)
    assert batches(*whole).unsettled == ()
    assert batches(*whole, missing, unmade).unsettled == (DIGEST, "u" * 16)


def test_a_fetch_says_whether_the_month_has_it() -> None:
    """Of this month, of another, and of a moment that the reports cannot know of."""
    entries = [passed(answers(1), day=day, before=place) for place, day in enumerate((-1.5, 14.0, 33.0, 35.0))]
    found = only(made({OPUS: 4}), *entries)
    assert [(each.day, each.here, each.late, each.compared) for each in found.passages] == [
        ("2026-10-30", False, False, False),
        ("2026-11-15", True, False, True),
        ("2026-12-04", False, False, False),
        ("2026-12-06", False, True, False),
    ]


def test_batches_are_told_with_the_missing_ones_first() -> None:
    """Those of the month, and of the day before where results are missing; not those of other months."""
    told = batches(
        made({OPUS: 3}, batch="w" * 16),
        passed(answers(3), batch="w" * 16),
        made({OPUS: 2}, batch="m" * 16),
        made({OPUS: 9}, batch="n" * 16, day=14),
        made({OPUS: 1}, batch="o" * 16, day=-1),
        made({OPUS: 1}, batch="p" * 16, day=-2),
    ).told()
    assert [(each.id[0], each.requests, each.passed, each.missing) for each in told] == [
        ("n", 9, 0, 9),
        ("m", 2, 0, 2),
        ("o", 1, 0, 1),
        ("w", 3, 3, 0),
    ]


def test_what_is_said_of_them() -> None:
    """How many requests at most, of how many batches, and when they were made."""
    one, other = only(made({OPUS: 3})), only(made({OPUS: 3}, day=14, batch="c" * 16))
    assert said([one], 1) == "one request of a batch that was made on 2026-11-14"
    assert said([one, other], 6) == "up to 6 requests of 2 batches that were made on 2026-11-14 and 2026-11-15"


@given(
    st.permutations(
        [made({OPUS: 5}), *(passed(answers(1), day=14.0 + n, before=n, outcome="cancelled") for n in range(3))]
    )
)
def test_the_order_of_entries_does_not_matter(entries: list[Entry]) -> None:
    """And an entry that comes twice counts once."""
    found = only(*entries, entries[0])
    assert (found.passed, found.missing, len(found.passages)) == (3, 2, 3)
