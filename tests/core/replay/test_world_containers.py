"""The world of a replay: containers, their sessions, and free hours, by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from planner.core.replay.calls import Call, Response
from tests.doubles.replaying import CODE, FETCH, HOUR, MINIMUM, NOW, RAN, SEARCH, bill, call, world

# ---------------------------------------------------------------- containers


def played(calls: list[Call], **facts: Any) -> list[Response]:
    """Calls of one conversation, each in the container of the one before unless it names one."""
    found: list[Response] = []
    here = world(**facts)
    for each in calls:
        container = found[-1].container if found and each.container is None else each.container
        found.append(here.call(msgspec.structs.replace(each, container=container)))
    return found


def uses(*times: float, seconds: float = 10) -> list[Call]:
    """Runs of so many seconds; a request takes one second more, and none of output."""
    return [call(at, work=RAN | {"code_seconds": seconds}) for at in times]


def billed(calls: list[Call], **facts: Any) -> list[float]:
    """Container seconds billed for each."""
    return [each.billed_ms / 1000 for each in played(calls, **facts)]


def test_a_minimum_costs_five_minutes_of_an_hour() -> None:
    """$0.0041667, rounded to the nano-dollar."""
    assert bill(call(work=RAN))["code_execution"] == 4_166_667 == MINIMUM


def test_a_session_has_one_minimum_or_each_request_has() -> None:
    """Within five idle minutes of a container."""
    assert billed(uses(0, 60, 120)) == [300, 0, 0]
    assert billed(uses(0, 60, 120), code_minimum_per="request") == [300, 300, 300]
    assert billed(uses(0, 200, seconds=180)) == [300, 60]
    assert billed(uses(0, seconds=400)) == [400]


def test_another_container_is_another_minimum() -> None:
    """Nobody threaded it."""
    here = world()
    found = [here.call(each) for each in uses(0, 60)]
    assert [each.billed_ms for each in found] == [300_000, 300_000]
    assert found[0].container != found[1].container
    assert [each.started for each in found] == [True, True]
    assert here.starts == 2


@pytest.mark.parametrize("after", ["refuse", "restore"])
def test_five_idle_minutes_end_a_session(after: str) -> None:
    """A restored container is the same one with a new session; a refused one is a new one."""
    restores = after == "restore"
    first, second = played(uses(0, 311), container_after_idle=after)
    assert (second.billed_ms, second.container == first.container) == (0, True)
    first, second = played(uses(0, 312), container_after_idle=after)
    assert (second.billed_ms, second.container == first.container) == (300_000, restores)
    assert second.started is not restores


def test_a_container_lives_thirty_days() -> None:
    """Restored or not."""
    first, second = played(uses(0, 30 * 86_400), container_after_idle="restore")
    assert second.container == first.container
    first, second = played(uses(0, 30 * 86_400 + 1), container_after_idle="restore")
    assert second.container != first.container


def test_an_answer_tells_when_its_container_goes_idle() -> None:
    """Five minutes behind its end."""
    (found,) = played(uses(0))
    assert found.expires_at == NOW + timedelta(seconds=11 + 300)


def test_idle_time_may_bill() -> None:
    """Eleven seconds of answer, then 289 of pause and eleven again: 311 of which 300 are paid."""
    assert billed(uses(0, 300), code_idle_bills=True) == [300, 11]


def test_a_foreign_principal_cannot_use_a_container() -> None:
    """Nor one of another workspace or organization: it gets a new one."""
    for changes in ({"principal": "q"}, {"workspace": "v"}, {"organization": "n"}):
        first, second = played([call(work=RAN), call(60, work=RAN, **changes)])
        assert second.container != first.container
        assert second.started
        assert second.billed_ms == 300_000


def test_a_callers_own_name_stands_for_the_container_of_its_conversation() -> None:
    """The one that it ran in last, at first; then for the same, from whichever conversation; else for a new one."""
    here = world()
    first = here.call(call(0, work=RAN))
    named = [here.call(call(at, work=RAN, container="own", conversation=name)) for at, name in ((60, "c"), (120, "d"))]
    assert {each.container for each in named} == {first.container}
    assert [each.billed_ms for each in named] == [0, 0]
    other = here.call(call(180, work=RAN, container="other", conversation="e"))
    assert other.started
    assert here.call(call(200, work=RAN, container="other", conversation="e")).container == other.container
    foreign = here.call(call(220, work=RAN, container="own", principal="q"))
    assert foreign.started
    late = here.call(call(900, work=RAN, container="own"))
    assert (late.started, late.billed_ms) == (True, 300_000)


def test_files_bill_though_no_code_runs() -> None:
    """In the first request alone, or in each, as the fact is."""
    calls = [call(60 * turn, turn=turn, work={"files": 1}) for turn in (1, 2)]
    here = world()
    assert [here.call(each).billed_ms for each in calls] == [300_000, 300_000]
    here = world(code_history_uploads_bill=False)
    assert [here.call(each).billed_ms for each in calls] == [300_000, 0]


def test_skills_may_bill_as_files_do() -> None:
    """A fact that nobody has published."""
    assert world().call(call(skills=1)).billed_ms == 0
    assert world(code_skills_preload_bills=True).call(call(skills=1)).billed_ms == 300_000


def test_without_code_there_is_no_container() -> None:
    """Not even where one is named."""
    found = world().call(call(container="container_1"))
    assert (found.container, found.expires_at, found.started, found.billed_ms) == (None, None, False, 0)


# ---------------------------------------------------------------- free code and free hours


@pytest.mark.parametrize(
    ("direct", "deferred", "facts", "free"),
    [
        (False, False, {}, True),
        (True, False, {}, True),
        (True, False, {"code_direct_web_tool_frees": False}, False),
        (False, True, {}, False),
        (False, True, {"code_deferred_web_tool_frees": True}, True),
        (True, True, {"code_deferred_web_tool_frees": True, "code_direct_web_tool_frees": False}, False),
    ],
)
def test_what_frees_code(facts: dict[str, Any], *, direct: bool, deferred: bool, free: bool) -> None:
    """A web tool of the newer kind, where nothing of it says otherwise."""
    web = msgspec.structs.replace(FETCH, direct=direct, deferred=deferred)
    found = world(**facts).call(call(tools=(CODE, web), work=RAN))
    assert found.billed_ms == (0 if free else 300_000)
    assert ("code_execution" in (found.bill or {})) is not free
    assert found.container is not None


def test_an_older_web_tool_frees_nothing() -> None:
    """Of 2025."""
    assert world().call(call(tools=(CODE, SEARCH), work=RAN)).billed_ms == 300_000


def test_free_use_may_use_up_free_hours() -> None:
    """A fact that nobody has published: either way it costs nothing itself."""
    for counts, hours in ((False, 0), (True, 300 / 3_600)):
        here = world(code_free_use_counts=counts)
        found = here.call(call(tools=(CODE, FETCH), work=RAN))
        assert found.bill == {"input": 20_000_000}
        assert here.hours("o", NOW) == pytest.approx(hours)


def test_free_hours_come_first() -> None:
    """Of a minimum that crosses the limit only what lies beyond is charged: 33 minutes are free, seven uses have 35."""
    here = world(free_hours_limit=0.55)
    found = [(here.call(each).bill or {}).get("code_execution", 0) for each in uses(*range(0, 8_000, 1_000))]
    assert found[:6] == [0] * 6
    assert found[6] == round(120 / 3_600 * HOUR)
    assert found[7] == MINIMUM


def test_hours_are_an_organizations() -> None:
    """Those of another do not use them up."""
    here = world(free_hours_limit=1 / 12)
    costs = [
        (here.call(call(number, work=RAN, organization=name)).bill or {})["code_execution"]
        for number, name in enumerate("abab")
    ]
    assert costs == [0, 0, MINIMUM, MINIMUM]


def test_hours_used_elsewhere_pass_with_the_month() -> None:
    """Four of them by its end: of two free hours both are left at first, one after a quarter, none after half."""
    for at, left in (
        (datetime(2026, 11, 1, tzinfo=UTC), 2.0),
        (NOW, 0.0),
        (datetime(2026, 11, 8, 12, tzinfo=UTC), 1.0),
    ):
        here = world(free_hours_limit=2, free_hours_used_elsewhere=4)
        cost = here.hour_cost("o", at, 10 * 3_600_000)
        assert cost == round((10 - left) * HOUR)


def test_a_month_begins_anew_at_midnight_utc() -> None:
    """Whatever the zone in which the time is written."""
    end = datetime(2026, 12, 1, tzinfo=UTC)
    here = world(free_hours_limit=1, free_hours_used_elsewhere=1)
    hour = 3_600_000
    assert here.hour_cost("o", end - timedelta(seconds=1), hour) == pytest.approx(HOUR, rel=1e-6)
    from_elsewhere = end.astimezone(datetime.fromisoformat("2026-12-01T00:00:00+05:00").tzinfo)
    assert here.hour_cost("o", from_elsewhere, hour) == 0
    assert here.hours("o", end - timedelta(seconds=1)) == here.hours("o", end) == 1


def test_a_model_without_a_price_uses_free_hours_too() -> None:
    """What its tokens cost is unknown; that its container ran is not."""
    here = world(free_hours_limit=1)
    here.call(call(model="fable", work=RAN))
    assert here.hours("o", NOW) == pytest.approx(300 / 3_600)


def test_a_response_says_whether_its_code_was_free() -> None:
    """Beside a web tool that frees it, and only where anything ran."""
    assert world().call(call(tools=(CODE, FETCH), work=RAN)).free
    assert not world().call(call(tools=(CODE, FETCH))).free
    assert not world().call(call(work=RAN)).free
