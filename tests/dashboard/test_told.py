"""The shapes of what the dashboard answers are those of its answers, whatever page is asked for."""

import asyncio
import json

import msgspec
import pytest

from planner.dashboard.pages import PAGES
from planner.dashboard.told import ErrorTold, PageTold, Wrong
from tests.doubles.paged import SumsStore, answered
from tests.doubles.reported import month


def test_an_error_is_anthropics() -> None:
    """What is not there is left out, and what it says itself stands."""
    told = msgspec.json.encode(ErrorTold(error=Wrong("api_error", "planner: no")))
    assert json.loads(told) == {"type": "error", "error": {"type": "api_error", "message": "planner: no"}}
    assert msgspec.json.decode(told, type=ErrorTold).findings == ()


@pytest.mark.parametrize("name", [page.name for page in PAGES])
def test_a_page_has_its_shape(name: str) -> None:
    """Nothing is left out of the shape, and nothing of it is missing."""
    answer = asyncio.run(answered(SumsStore(month()), name, form="json"))
    page = msgspec.json.decode(answer.body, type=PageTold)
    assert page.page == name
    assert page.tables
    assert msgspec.json.encode(page) == answer.body
    for table in page.tables.values():
        names = [column.name for column in table.columns]
        assert all(list(row) == names for row in table.rows)
