"""Days and hours: quotas are whole and add up, and each agent works when it works."""

from datetime import UTC, datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from planner.traffic.rhythm import days_of, moment, quotas
from planner.traffic.teams import AGENTS

DAYS = days_of(datetime(2026, 10, 17, 5, tzinfo=UTC))


def test_the_days_of_a_month() -> None:
    """From its first midnight, whatever moment of it is named."""
    assert (DAYS[0], len(DAYS)) == (datetime(2026, 10, 1, tzinfo=UTC), 31)
    assert len(days_of(datetime(2028, 2, 29, tzinfo=UTC))) == 29


@given(st.integers(0, 20_000))
def test_quotas_add_up(entries: int) -> None:
    """To every number, and each agent has its share but for one; batches come in pairs."""
    found = quotas(AGENTS, DAYS, entries)
    assert sum(map(sum, found)) == entries
    whole = sum(agent.share for agent in AGENTS)
    for agent, days in zip(AGENTS, found, strict=True):
        assert abs(sum(days) - entries * agent.share / whole) < 1
        assert not agent.batches or all(count % 2 == 0 for count in days[:-1])


def test_an_office_rests_on_sundays_and_at_night() -> None:
    """And a nightly job works then."""
    found = quotas(AGENTS, DAYS, 300_000)
    by_name = {agent.name: index for index, agent in enumerate(AGENTS)}
    sunday, monday = DAYS[3], DAYS[4]
    assert (sunday.weekday(), monday.weekday()) == (6, 0)
    legal = found[by_name["legal-files"]]
    assert legal[3] == 0 < legal[4]
    dice = Random("hours")  # noqa: S311 - no secret depends on it
    hours = {agent.name: {moment(agent, monday, dice).hour for _ in range(500)} for agent in AGENTS}
    assert hours["nightly-digest"] == {1, 2, 3}
    assert hours["legal-files"] <= set(range(6, 21))
    assert len(hours["product-chat"]) == 24
