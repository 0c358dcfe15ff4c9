"""Results of a batch that was made through the planner are priced by what its requests declared and had put in."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.core.batch.results import tally
from planner.core.conversations import ToolEdit
from planner.core.exchange import Exchange
from planner.core.ledger.batched import Kind, Known, Made, member
from planner.core.ledger.entry import Entry
from planner.core.settlement import Terms
from tests.core.batch.test_results import (
    AT,
    MINIMUM,
    OPUS,
    OPUS_NANO,
    RAN,
    SONNET,
    WHOLE,
    amounts,
    entry,
    passed,
    result,
)
from tests.doubles.deciding import BOOK
from tests.doubles.messages import usage

EDIT = ToolEdit(append='{"type":"web_fetch_20260318","name":"web_fetch"}', name="web_fetch", free=True)
ADDED = 400
BUNDLED = Kind(requests=2, model=OPUS, edit=EDIT, added=ADDED, free=True, tool_cached=False)
MADE_AT = AT - timedelta(days=3)


def known(*kinds: Kind, at: datetime = MADE_AT) -> Known:
    """A batch of these kinds; the members of all but the first are named by their place."""
    rest = (msgspec.structs.replace(kind, members=member(f"r{place}")) for place, kind in enumerate(kinds[1:], 1))
    return Known(Made((*kinds[:1], *rest)), at)


EDITED = b"".join([result(content=RAN), result(), result(name="r1", content=RAN), result(name="r1")])
PLAIN = Kind(requests=1, model=OPUS)


def test_what_was_bundled_is_free_and_saves_its_minimums() -> None:
    """Untouched it would have had a minimum a container, and fewer tokens; what was not edited costs the same twice."""
    one = passed(EDITED, known=known(BUNDLED, PLAIN))
    added = (2 + 1) * ADDED * 4_000 // 2  # a run has an iteration more
    assert amounts(one)["code_execution"] == MINIMUM
    assert one.money.cost == 4 * OPUS_NANO + MINIMUM
    assert one.money.untouched == 4 * OPUS_NANO - added + 2 * MINIMUM
    assert one.money.code is not None
    assert (one.money.code.hours_ms, one.money.code.untouched_hours_ms) == (300_000, 600_000)
    assert (one.money.hours_ms, one.money.untouched_hours_ms) == (300_000, 600_000)


def test_free_hours_are_taken_off_both_sides() -> None:
    """As many as each side would have left."""
    made = known(BUNDLED, PLAIN)
    one, bare = passed(EDITED, known=made, free_ms=300_000, untouched_free_ms=450_000), passed(EDITED, known=made)
    assert one.money.cost is not None
    assert one.money.untouched is not None
    assert bare.money.cost == one.money.cost + MINIMUM
    assert bare.money.untouched == one.money.untouched + round(Fraction(MINIMUM * 450, 300))


@given(st.lists(st.integers(0, len(EDITED)), max_size=4))
def test_what_was_saved_is_counted_once(cuts: list[int]) -> None:
    """However often the results of an edited batch are fetched, and broken off."""
    made, entries = known(BUNDLED, PLAIN), list[Entry]()
    for cut in [*cuts, len(EDITED), len(EDITED)]:
        entries.append(entry(passed(EDITED[:cut], before=tally(entries), ending="error", known=made)))
    whole = passed(EDITED, known=made)
    assert sum(each.untouched_nano or 0 for each in entries) == whole.money.untouched
    assert sum(each.cost_nano or 0 for each in entries) == whole.money.cost
    assert (entries[-1].cost_nano, entries[-1].untouched_nano) == (0, 0)


def test_a_web_tool_of_the_callers_own_is_known() -> None:
    """Its code is free, edited or not, though the result does not show that."""
    one = passed(result(content=RAN), known=known(Kind(requests=1, free=True, frees=True)))
    assert (one.money.cost, one.money.untouched) == (OPUS_NANO, OPUS_NANO)
    files = passed(result(), known=known(Kind(requests=1, preloaded=True)))
    assert amounts(files)["code_execution"] == MINIMUM


def test_a_batch_is_priced_when_it_was_made() -> None:
    """A price that changed since, but not within the day in which it is processed, is certain, and is the old one."""
    read = result(model=SONNET, usage=usage(cache_read_input_tokens=1_000_000))
    moved = datetime(2026, 10, 6, tzinfo=UTC)
    for at, nano, basis in (
        (moved - timedelta(days=2), 100_000_000, "measured"),
        (moved - timedelta(hours=4), 100_000_000, "estimated"),
        (moved + timedelta(hours=4), 50_000_000, "measured"),
    ):
        lines = {line.kind: line for line in passed(read, known=known(PLAIN, at=at)).money.lines}
        assert (lines["cache_read"].nano, lines["cache_read"].basis) == (nano, basis)


def refused(message: str, name: str) -> frozenset[int]:
    """The kinds that an error in the results is about."""
    told = {
        "type": "errored",
        "error": {"type": "error", "error": {"type": "invalid_request_error", "message": message}},
    }
    one = Exchange(entry(WHOLE), Terms(at=AT, model=""), BOOK, billing="batch", batched=known(BUNDLED, PLAIN))
    one.begin(200, [])
    one.feed(msgspec.json.encode({"custom_id": name, "result": told}))
    one.ended()
    return one.refused_in_batch


def test_an_error_that_names_an_edit_is_ours() -> None:
    """Of a request that has one; whatever else it says is the caller's."""
    ours = "tools.1.web_fetch_20260318.max_uses: Input should be greater than 0"
    assert refused(ours, "one") == {0}
    assert refused(ours, "r1") == refused("messages: too long", "one") == frozenset()
