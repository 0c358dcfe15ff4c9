"""Free hours as pages show them: a sentence for each way in which they can stand, and a table with every figure."""

import asyncio
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec
import pytest

from planner.core.reports.freehours import free_hours
from planner.core.rulebook.book import FreeHoursSettings
from planner.dashboard.pages.freehours import gauges, hours_table, metered
from tests.doubles.months import made
from tests.doubles.paged import NOW, SumsStore, room


@cache
def store() -> SumsStore:
    """The month up to that day."""
    return SumsStore(entry for entry in made().entries if entry.at < NOW.isoformat())


def stand(limit: float = 25.0, query: str = "", now: Any = NOW) -> Any:
    """The free hours on that day."""
    hours = asyncio.run(metered(room(store(), "containers", query), NOW.date().replace(day=1)))
    return free_hours(hours, now, FreeHoursSettings(limit=limit))


@pytest.mark.parametrize(
    ("limit", "words"), [(0, "No free hours are set"), (0.5, "are used up"), (10_000, "They last: ")]
)
def test_a_sentence_for_each_standing(limit: float, words: str) -> None:
    """With the bar that it is about."""
    for each, bar, said in gauges(stand(limit), NOW):
        assert words in said, each
        assert 0 <= bar.used <= 100


def test_when_they_run_out() -> None:
    """Within days or within a day; before anything is known that is said."""
    (each, *_) = stand()
    soon = msgspec.structs.replace(each, runs_out=NOW + timedelta(hours=5))
    later = msgspec.structs.replace(each, runs_out=NOW + timedelta(days=3, hours=1))
    young = msgspec.structs.replace(
        each, allowance=msgspec.structs.replace(each.allowance, known=False, used=1.0, limit=5.0), runs_out=None
    )
    open_ = msgspec.structs.replace(each.allowance, used=1.0, limit=5.0, known=True)
    said = [
        words
        for _, _, words in gauges(
            (msgspec.structs.replace(soon, allowance=open_), msgspec.structs.replace(later, allowance=open_), young),
            NOW,
        )
    ]
    assert "within a day" in said[0]
    assert "in 3 days" in said[1]
    assert "takes 3 days of traffic" in said[2]
    assert hours_table((young,)).rows[0].cells[3:] == (None, None, None, None, None)


def test_only_the_organizations_asked_for() -> None:
    """All of them without a filter."""
    both = {each.organization for each in stand()}
    assert len(both) == 2
    one = min(both)
    assert [each.organization for each in stand(query=f"organization={one}")] == [one]
    assert [row.cells[0] for row in hours_table(stand()).rows] == sorted(both)
