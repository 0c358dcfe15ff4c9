"""Containers: a lifecycle that is a table, and container time that adds up however a session is split."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from planner.core.containers import EVENTS, LIFE, TABLE, Charge, Lease, State, Work, charge, preloads
from planner.core.pricing.prices import PriceBook
from planner.core.rulebook.book import CodeSettings
from tests.doubles.deciding import ANSWER, BOOK, NOW, USER, ask, turn
from tests.pages import DOCS, between, states

MINIMUM_MS = 300_000
MINIMUM_NANO = 4_166_667
MS = st.integers(0, 2_000_000)
PER_REQUEST = CodeSettings(minimum_per="request")
UPLOAD = {"role": "user", "content": [{"type": "container_upload", "file_id": "file_1"}]}


def work(likely_ms: int = 10_000, **changes: bool | int) -> Work:
    """One run of code of that length, in a response that took as long."""
    usual = {"runs": 1, "preloaded": False, "free": False, "elapsed_ms": likely_ms, "likely_ms": likely_ms}
    return Work(**(usual | changes))  # type: ignore[arg-type]  # by name


def cost(one: Work, used: int | None = None, free_ms: int = 0, code: CodeSettings = CodeSettings()) -> Charge:  # noqa: B008 - frozen
    """What one request's container time costs at the shipped prices."""
    return charge(one, used, BOOK.prices, NOW, free_ms=free_ms, code=code)


def nano(charged: Charge, kind: str = "code_execution") -> int:
    """The amount of one kind of line."""
    return sum(line.nano for line in charged.lines if line.kind == kind)


# ---------------------------------------------------------------- the lifecycle


@pytest.mark.parametrize(("state", "event"), list(product(State, EVENTS)))
def test_a_step_is_in_the_table_or_refused(state: State, event: str) -> None:
    """Methods only apply the table."""
    lease = Lease(turn(), state)
    after = TABLE.get((state, event))
    if after is None:
        with pytest.raises(ValueError, match=state.value):
            lease.apply(event)
        assert lease.state is state
    else:
        lease.apply(event)
        assert lease.state is after


def test_only_an_idle_container_is_offered() -> None:
    """Never two requests in one, never a fork, never one that is gone."""
    assert [state for state in State if (state, "offer") in TABLE] == [State.IDLE]


def test_a_pending_call_always_gets_its_container() -> None:
    """And from then on nobody else does."""
    after = {TABLE[state, "claim"] for state in State}
    assert after == {State.CONTINUED, State.DEAD}


def test_nothing_leaves_the_dead() -> None:
    """A container that the API gave up is not offered again; neither is one that was continued."""
    assert {after for (state, _), after in TABLE.items() if state is State.DEAD} == {State.DEAD}
    continued = {after for (state, _), after in TABLE.items() if state is State.CONTINUED}
    assert continued == {State.CONTINUED, State.DEAD}


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=12))
def test_at_most_one_request_has_it(events: list[str]) -> None:
    """Between an offer and its end there is no second offer, and after an answer none at all."""
    lease = Lease(turn())
    lent = answered = False
    for event in events:
        if (lease.state, event) not in TABLE:
            continue
        lease.apply(event)
        assert not (event == "offer" and (lent or answered))
        lent = event == "offer" or (lent and event in {"offer", "renew"})
        answered = answered or event == "answered"


def test_a_lease_is_renewed_or_ends() -> None:
    """Renewing changes nothing, and what expires is as if it had failed; what is continued or dead stays so."""
    for state in (State.BUSY, State.CONTINUED, State.DEAD):
        assert TABLE[state, "renew"] is state
        assert TABLE[state, "expire"] is TABLE[state, "failed"]
    assert not {(State.IDLE, event) for event in ("renew", "expire", "answered", "failed")} & TABLE.keys()


def test_the_drawing_is_the_table() -> None:
    """Run `python -m tests.pages` after a change of the table or of its words."""
    page = (DOCS / "containers.md").read_text(encoding="utf-8")
    assert between(page, "states", states()) == page
    with pytest.raises(ValueError, match="no marks for bench"):
        between("nothing", "bench", "")


def test_every_event_has_its_words() -> None:
    """And there is no other."""
    assert {event for _, event in TABLE} == set(EVENTS)


def test_containers_live_thirty_days() -> None:
    """From their creation."""
    assert timedelta(days=30) == LIFE


# ---------------------------------------------------------------- container time


def test_the_first_request_carries_the_minimum() -> None:
    """Five minutes at $0.05 an hour, an estimate."""
    charged = cost(work())
    assert [(line.kind, line.quantity, line.unit, line.nano, line.basis) for line in charged.lines] == [
        ("code_execution", "300", "second", MINIMUM_NANO, "estimated")
    ]
    assert charged.code is not None
    assert charged.code.charge == "billed"
    assert (charged.used_ms, charged.hours_ms) == (10_000, MINIMUM_MS)


def test_later_requests_carry_what_goes_beyond_the_minimum() -> None:
    """Within it nothing; beyond it only the seconds beyond."""
    covered = cost(work(), used=10_000)
    assert covered.lines == ()
    assert covered.code is not None
    assert covered.code.charge == "covered"
    assert covered.used_ms == 20_000
    beyond = cost(work(60_000), used=290_000)
    assert [line.quantity for line in beyond.lines] == ["50"]
    assert beyond.used_ms == 350_000


def test_files_bill_without_a_run() -> None:
    """They are preloaded: the minimum, and no seconds of code."""
    charged = cost(work(runs=0, preloaded=True))
    assert nano(charged) == MINIMUM_NANO
    assert charged.code is not None
    assert (charged.code.runs, charged.code.seconds.high) == (0, 0.0)
    assert charged.used_ms == 0
    assert cost(work(), used=charged.used_ms).lines == ()


def test_code_that_goes_on_bills_its_time() -> None:
    """A response that only has the result of an earlier call ran code, though it made none."""
    opened = cost(work(runs=0, resumed=True))
    assert (nano(opened), opened.used_ms) == (MINIMUM_NANO, 10_000)
    assert opened.code is not None
    assert (opened.code.runs, opened.code.seconds.likely) == (0, 10.0)
    assert nano(cost(work(60_000, runs=0, resumed=True), used=290_000)) == 694_444


def test_nothing_run_and_nothing_loaded_costs_nothing() -> None:
    """And the session is as it was."""
    assert cost(work(runs=0)) == Charge(None, (), None)
    assert cost(work(runs=0), used=7) == Charge(None, (), 7)


def test_free_code_opens_no_session() -> None:
    """It has no line, and what is billed later in the same container carries the minimum."""
    free = cost(work(free=True))
    assert free.code is not None
    assert (free.code.charge, free.lines, free.used_ms, free.hours_ms) == ("free", (), None, 0)
    assert nano(cost(work(), used=free.used_ms)) == MINIMUM_NANO


def test_free_code_may_count_toward_the_free_hours() -> None:
    """As it would have billed, if the setting says so."""
    assert cost(work(free=True), code=CodeSettings(free_use_counts=True)).hours_ms == MINIMUM_MS


def test_the_minimum_may_be_per_request() -> None:
    """Then no session covers anything."""
    assert nano(cost(work(), used=10_000, code=PER_REQUEST)) == MINIMUM_NANO
    assert nano(cost(work(360_000), used=10_000, code=PER_REQUEST)) == 5_000_000


def test_waiting_may_bill() -> None:
    """Then the whole response counts, and the pause before it."""
    waiting = work(10_000, elapsed_ms=40_000, idle_ms=290_000)
    assert cost(waiting).used_ms == 10_000
    assert cost(waiting, code=CodeSettings(idle_bills=True)).used_ms == 330_000


def test_code_cannot_run_longer_than_the_response_took() -> None:
    """The likely time is bounded by the elapsed one."""
    assert cost(work(likely_ms=900_000, elapsed_ms=5_000)).used_ms == 5_000


def test_without_a_price_it_is_unmetered_and_never_free() -> None:
    """No line and no claim."""
    charged = charge(work(), None, PriceBook(), NOW, free_ms=0)
    assert charged.code is not None
    assert (charged.code.charge, charged.lines) == ("unmetered", ())
    early = charge(work(), None, BOOK.prices, datetime(2020, 1, 1, tzinfo=UTC), free_ms=0)
    assert early.code is not None


def test_free_hours_come_back_as_a_credit() -> None:
    """Whole while they last, in part for the last of them."""
    assert nano(cost(work(), free_ms=10**9), "allowance_credit") == -MINIMUM_NANO
    assert nano(cost(work(), free_ms=-5), "allowance_credit") == 0
    part = cost(work(), free_ms=72_000)
    assert [(line.kind, line.quantity, line.nano) for line in part.lines] == [
        ("code_execution", "300", MINIMUM_NANO),
        ("allowance_credit", "72", -1_000_000),
    ]


@given(MS, st.none() | MS, st.integers(-5, 4_000_000), st.sampled_from([CodeSettings(), PER_REQUEST]))
def test_a_credit_is_never_more_than_its_line(ms: int, used: int | None, free_ms: int, code: CodeSettings) -> None:
    """Amounts are 0 or more, credits 0 or less, and together they are never below 0."""
    charged = cost(work(ms), used, free_ms, code)
    line, credit = nano(charged), nano(charged, "allowance_credit")
    assert line >= 0 >= credit
    assert line + credit >= 0
    if free_ms >= charged.hours_ms:
        assert line + credit == 0


@given(MS, MS, st.none() | MS)
def test_longer_work_never_costs_less(shorter: int, longer: int, used: int | None) -> None:
    """Monotone in time."""
    assume(shorter <= longer)
    assert nano(cost(work(shorter), used)) <= nano(cost(work(longer), used))


@given(st.lists(st.integers(1, 400_000), min_size=1, max_size=8))
def test_a_session_costs_the_same_however_it_is_split(parts: list[int]) -> None:
    """The lines of its requests add up to the nano-dollar, and so do the hours."""
    used, amount, hours = None, 0, 0
    for ms in parts:
        charged = cost(work(ms), used)
        used, amount, hours = charged.used_ms, amount + nano(charged), hours + charged.hours_ms
    whole = cost(work(sum(parts)))
    assert (amount, hours, used) == (nano(whole), whole.hours_ms, whole.used_ms)


# ---------------------------------------------------------------- preloading


def test_uploads_of_the_history_load_again() -> None:
    """Unless the setting says that only new ones do."""
    later = ask(messages=[UPLOAD, ANSWER, USER])
    only_new = CodeSettings(history_uploads_bill=False)
    assert preloads(ask(messages=[UPLOAD]), only_new)
    assert preloads(later, CodeSettings())
    assert not preloads(later, only_new)
    assert preloads(ask(messages=[USER, ANSWER, UPLOAD]), only_new)
    assert not preloads(ask(), CodeSettings())


def test_skills_may_load() -> None:
    """A setting."""
    request = ask(container={"skills": [{"type": "anthropic", "skill_id": "xlsx"}]})
    assert not preloads(request, CodeSettings())
    assert preloads(request, CodeSettings(skills_preload_bills=True))
