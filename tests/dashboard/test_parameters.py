"""What addresses may ask for: described once, read from the same table, and nothing in it in vain."""

import asyncio
import re
from typing import Any

import msgspec
import pytest
from jsonschema_rs import Draft202012Validator

from planner.dashboard.pages import BY_NAME
from planner.dashboard.parameters import (
    BY,
    COMPARE,
    CONTAINERS_BY,
    LIVE,
    MIN_COST,
    STATEMENT,
    TAGS,
    Parameter,
    bearer,
    components,
    key_of,
)
from planner.dashboard.view import View
from tests.dashboard.pages.test_bill import statement
from tests.doubles.months import made
from tests.doubles.paged import NOW, SumsStore, answered, room


class Watched(View, frozen=True, kw_only=True):
    """A view that remembers what it was asked for."""

    read: set[str] = msgspec.field(default_factory=set)

    def one(self, name: str) -> str:
        """As a view does."""
        self.read.update(key_of(each) for each in self.takes if each.bears(name))
        return super().one(name)

    def every(self, name: str) -> tuple[str, ...]:
        """Likewise."""
        self.read.update(key_of(each) for each in self.takes if each.bears(name))
        return super().every(name)

    def asked(self, parameters: tuple[Parameter, ...]) -> tuple[tuple[str, str], ...]:
        """Likewise."""
        self.read.update(map(key_of, parameters))
        return super().asked(parameters)


def test_there_is_one_of_each_key() -> None:
    """Two that differ may not share it; the same may be of many pages."""
    found = components(page.takes for page in BY_NAME.values())
    assert {key_of(each) for page in BY_NAME.values() for each in page.takes} == found.keys()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", key) for key in found)
    with pytest.raises(ValueError, match="'by'"):
        components([(BY,), (Parameter(name="by", text="another"),)])


def test_each_is_described() -> None:
    """By a sentence, and a schema that is one."""
    for each in components(page.takes for page in BY_NAME.values()).values():
        assert each.text.endswith(".")
        assert each.described["in"] == "query"
        Draft202012Validator(each.schema)


def test_names_that_begin_alike() -> None:
    """Tags are any number of parameters, each with a key of its own."""
    assert TAGS.bears("tags.feature")
    assert not TAGS.bears("tags.")
    assert not TAGS.bears("tags")
    assert bearer((BY, TAGS), "tags.a") is TAGS
    assert bearer((BY, TAGS), "team") is None


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_no_page_takes_what_it_does_not_read(name: str) -> None:
    """Whoever names a parameter is not passed over in silence."""
    store = SumsStore(made().entries[:400])
    store.made = [msgspec.json.encode(statement()).decode()]
    page, usual = BY_NAME[name], room(store, name, f"id={made().entries[0].request_id}")
    view = Watched(page=name, words=usual.view.words, today=NOW.date(), takes=page.takes)

    async def make() -> dict[str, Any]:
        content = await page.make(msgspec.structs.replace(usual, view=view))
        return content.said

    asyncio.run(make())
    assert view.read == set(map(key_of, page.takes))


def test_what_is_asked_for_changes_the_answer() -> None:
    """A parameter of each kind, by what a page then tells."""
    store = SumsStore(made().entries)
    store.made = [msgspec.json.encode(statement()).decode()]

    def told(page: str, query: str = "") -> bytes:
        return asyncio.run(answered(store, page, query, form="json")).body

    for page, query in (
        ("cost", f"{BY.name}=model"),
        ("cost", f"{COMPARE.name}=previous"),
        ("cost", "kind=output"),
        ("cost", "tags.feature=x"),
        ("containers", f"{CONTAINERS_BY.name}=model"),
        ("decisions", "action=version"),
        ("decisions", "model=claude-haiku-4-5"),
        ("overview", "team=data"),
        ("bill", f"{STATEMENT.name}=2020-01/nobody"),
        ("requests", f"{MIN_COST.name}=1"),
        ("requests", "model=claude-haiku-4-5"),
        ("requests", "before=2026-10-05"),
    ):
        assert told(page, query) != told(page), (page, query)
    assert told("requests", f"{LIVE.name}=off") == told("requests")  # of people alone
