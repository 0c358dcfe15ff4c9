"""What the clerk writes of each kind of ending, and what the API bills for it."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import msgspec
import pytest

from planner.core.ledger.entry import Entry
from planner.core.pricing.prices import CODE
from planner.core.replay.nature import Nature
from planner.core.replay.staging import nature_of, prices_of, stage
from planner.traffic.account import CUT, ESTIMATED, LOST, UNPRICED, amounts
from planner.traffic.clerk import Clerk, Written
from planner.traffic.month import OCTOBER, PREVIEW, line_of
from planner.traffic.script import RETRY, Ask, asked
from planner.traffic.teams import REFUSED
from planner.traffic.teams import UNPRICED as NEW_MODEL
from tests.doubles.months import book_of
from tests.doubles.traces import lines_of

SIZE = 2_000


def happened(*, discounts: bool = False) -> Iterator[tuple[Ask, Written]]:
    """Every request of a month with what was written of it."""
    book = book_of(SIZE, discounts=discounts)
    nature: Nature = nature_of(book)
    clerk = Clerk(book, stage(book, nature, extra=(PREVIEW,)), nature, (*prices_of(book), PREVIEW))
    for ask in asked(OCTOBER, SIZE, "clerk"):
        raw = line_of(ask)
        yield ask, clerk.write(ask, None if raw is None else lines_of([raw])[0])


@cache
def everything() -> tuple[tuple[Ask, Written], ...]:
    """All of it at list price, which nobody may change."""
    return tuple(happened())


def some(wanted: Callable[[Ask], bool]) -> list[tuple[Ask, Written]]:
    """Those of a kind; there are some."""
    found = [(ask, written) for ask, written in everything() if wanted(ask)]
    assert found
    return found


def billed(written: Written) -> dict[str, int]:
    """What the API bills, by kind."""
    found: Counter[str] = Counter()
    for charged in written.charged:
        found.update(charged.nano)
    return dict(found)


def ledger(entries: tuple[Entry, ...]) -> dict[str, int]:
    """What entries say together, by kind."""
    found: Counter[str] = Counter()
    for entry in entries:
        found.update(amounts(entry))
    return dict(found)


def test_attempts_that_the_api_refused_stand_in_front_and_cost_nothing() -> None:
    """Each with its status and time, and with the decisions of the request that was taken."""
    for ask, written in some(lambda ask: bool(ask.failures)):
        *attempts, last = [entry for entry in written.entries if entry.corrects is None]
        assert [entry.status for entry in attempts] == list(ask.failures)
        assert {(entry.outcome, entry.cost_nano, entry.shape) for entry in attempts} == {("error", 0, None)}
        assert [entry.at for entry in (*attempts, last)] == sorted(entry.at for entry in (*attempts, last))
        assert {entry.decisions for entry in attempts} == {last.decisions}
        assert sum(RETRY[status] for status in ask.failures) > 0


def test_what_the_api_takes_for_no_request_is_on_no_bill() -> None:
    """A 400, and a count of tokens."""
    for _, written in some(lambda ask: ask.fate == "invalid" or ask.kind == "count"):
        assert written.charged == ()
        assert written.entries[-1].cost_nano == 0
        assert written.entries[-1].status in {200, 400}


def test_a_refusal_of_ours_is_never_sent() -> None:
    """It costs nothing on either side."""
    for _, written in some(lambda ask: ask.model == REFUSED):
        (entry,) = written.entries
        assert (entry.outcome, entry.status, entry.attempts, entry.cost_nano) == ("refused", 403, 0, 0)
        assert written.charged == ()


def test_a_request_whose_end_was_not_seen_is_an_intent() -> None:
    """The ledger does not know its cost; the bill does."""
    for _, written in some(lambda ask: ask.fate == "lost"):
        entry = written.entries[-1]
        assert (entry.outcome, entry.status, entry.cost_nano, entry.lines) == ("unknown", None, None, ())
        assert sum(billed(written).values()) > 0
        assert written.cause == LOST


def test_a_cut_stream_is_estimated() -> None:
    """Its prompt is known, its output is taken from the bytes that were seen."""
    for ask, written in some(lambda ask: ask.fate == "cut"):
        entry = written.entries[-1]
        assert (entry.outcome, written.cause) == ("cancelled", CUT)
        assert {line.basis for line in entry.lines if line.kind != CODE} == {"estimated"}
        ours, theirs = ledger(written.entries), billed(written)
        assert {kind: nano for kind, nano in ours.items() if kind not in {"output", CODE}} == {
            kind: nano for kind, nano in theirs.items() if kind not in {"output", CODE}
        }
        assert ours["output"] == pytest.approx(theirs["output"] * ask.bytes_a_token / 4, rel=0.05)


def test_a_model_without_a_price_is_unknown_here_and_billed_there() -> None:
    """Never 0."""
    for _, written in some(lambda ask: ask.model == NEW_MODEL):
        entry = written.entries[-1]
        assert (entry.cost_nano, entry.unpriced, written.cause) == (None, "unknown-model", UNPRICED)
        assert sum(billed(written).values()) > 0


def test_a_subscription_is_on_no_bill() -> None:
    """Its lines are notional, and it uses no free hours."""
    for _, written in some(lambda ask: ask.agent.billing == "subscription"):
        assert written.charged == ()
        assert all(line.basis == "notional" for entry in written.entries for line in entry.lines)
        assert all(entry.code is None or entry.code.hours_ms == 0 for entry in written.entries)


def test_results_of_a_batch_are_one_entry_at_half_price() -> None:
    """As many results as requests, and the sum of what the API bills for each."""
    for ask, written in some(lambda ask: ask.kind == "batch"):
        sent, results = written.entries
        assert (sent.endpoint, sent.cost_nano) == ("batches", 0)
        assert (results.endpoint, results.method) == ("batch_results", "GET")
        assert results.batch is not None
        assert results.batch.results == len(written.charged) == len(ask.batch)
        assert ledger(written.entries) == billed(written)


def test_what_was_answered_whole_agrees_but_for_its_container() -> None:
    """Kind by kind; one code settles, another bills."""
    compared = 0
    for _, written in everything():
        if written.cause is None:
            ours, theirs = ledger(written.entries), billed(written)
            ours.pop(CODE, None)
            theirs.pop(CODE, None)
            assert ours == theirs
            compared += bool(ours)
    assert compared > SIZE / 2


def test_a_correction_brings_an_entry_to_its_bill() -> None:
    """Two days later, to the nano-dollar but for the rounding of sessions; some wait for one."""
    corrected = [written for _, written in everything() if any(entry.corrects for entry in written.entries)]
    assert corrected
    for written in corrected:
        *_, entry, correction = written.entries
        assert correction.corrects == entry.request_id
        assert correction.at == entry.at < (correction.corrected_at or "")
        (charged,) = written.charged
        assert correction.code is not None
        assert entry.code is not None
        assert entry.code.hours_ms + correction.code.hours_ms == charged.response.billed_ms
        assert ledger(written.entries).get(CODE, 0) == pytest.approx(billed(written).get(CODE, 0), abs=2)


def test_estimates_stand_where_answers_do_not_stream() -> None:
    """Streams show how long code ran, whole messages do not: what follows one in its container is moved along."""
    moved: Counter[bool] = Counter()
    for ask, written in everything():
        entry = next((each for each in written.entries if each.code is not None and each.corrects is None), None)
        if entry is not None and entry.code is not None and written.charged and written.cause is None:
            moved[ask.stream and ask.turn == 1] += entry.code.hours_ms != written.charged[0].response.billed_ms
    assert moved[False] > 0 == moved[True], ESTIMATED


def test_what_concerns_nobody_is_not_planned() -> None:
    """As in the proxy: no prefix, no conversation of its own, one reason."""
    for ask, written in some(lambda ask: not _runs(ask) and ask.kind == "message" and ask.fate == "answered"):
        entry = written.entries[-1]
        assert entry.prefix is None
        assert {decision.reason for decision in entry.decisions} == {"no-code-execution"}
        assert entry.shape is not None
        assert entry.shape.system is None
        assert entry.shape.begins is (ask.turn == 1)


def _runs(ask: Ask) -> bool:
    """Whether a proxy has something to decide: server tools are declared, or a policy refuses the model."""
    return any("type" in tool for tool in ask.agent.tools) or ask.model == REFUSED


def test_a_contract_is_on_both_sides_and_the_list_price_beside_it() -> None:
    """Of whom it holds for; all others pay what is listed."""
    cheaper = 0
    for _, written in happened(discounts=True):
        for charged in written.charged:
            held = charged.call.organization.endswith("b2") and charged.call.model.startswith("claude-haiku-")
            tokens = {kind for kind in charged.nano if kind not in {CODE, "web_search"}}
            assert all(
                (charged.nano[kind] < charged.listed[kind]) is held for kind in tokens if charged.listed[kind] > 8
            )
            cheaper += held
        if written.cause is None and len(written.charged) == 1 and len(written.entries) == 1:
            listed = {kind: nano for kind, nano in written.charged[0].listed.items() if kind != CODE}
            own = {line.kind: line.listed for line in written.entries[0].lines if line.unit != "second"}
            assert own == listed
    assert cheaper


def test_a_shape_has_what_the_trace_says() -> None:
    """Iterations, searches and files of a request are those of its work; where nothing is estimated, its prompt too."""
    for ask, written in some(lambda ask: ask.kind == "message" and ask.fate == "answered" and ask.model != REFUSED):
        shape = written.entries[-1].shape or next(each.shape for each in written.entries if each.shape)
        assert shape is not None
        assert (shape.iterations, shape.web_searches, shape.files) == (
            ask.work.iterations,
            ask.work.web_searches,
            ask.work.files,
        )
        assert shape.body_bytes > 0
        if not shape.estimated and not shape.added_tokens:
            assert shape.prompt_tokens == ask.work.prompt_tokens
        assert msgspec.json.encode(shape)
