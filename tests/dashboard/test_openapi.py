"""The description of our own API: fresh, of every address there is, and sound."""

import asyncio
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema_rs import Draft202012Validator

from planner import __version__
from planner.app import App
from planner.dashboard.api import PARAMETERS
from planner.dashboard.asked import DESCRIPTION, Ask
from planner.dashboard.making import Maker
from planner.dashboard.openapi import PLAN, WHY, description
from planner.dashboard.pages import BY_NAME
from planner.rulesource import load_rules
from planner.settings import Settings
from tests.doubles.paged import standing
from tests.pages import DOCS, api_page

DOCUMENT = description(__version__)


def test_the_document_is_fresh() -> None:
    """Run `python -m tests.pages` after a change of what the planner answers."""
    assert (DOCS / "openapi.json").read_text(encoding="utf-8") == api_page()


def test_it_is_served_as_it_is_documented() -> None:
    """By the process that makes the pages, in the version that runs."""

    async def no_store() -> Any:
        raise AssertionError("the document needs no ledger")

    answer = asyncio.run(Maker(no_store).answer(Ask(page=DESCRIPTION, form="json", standing=standing())))
    assert answer.body == msgspec.json.encode(description(standing().version))


def test_every_address_is_in_it(tmp_path: Path) -> None:
    """The routes of the application and of what is mounted in it, with their methods; only files of pages are not."""
    app = App(Settings(store=f"sqlite:///{tmp_path}/planner.db"), load_rules(None).required())
    own = {route.path: route.methods for route in app.asgi.routes if route.path != "/"}
    below = {f"/planner{route.path}": route.methods for route in app._pages.routes}  # noqa: SLF001 - whose routes are tested
    served = {(path, method.lower()) for path, methods in (own | below).items() for method in methods}
    served = {(path, method) for path, method in served if method not in {"head", "options"}}
    page = rf"/({'|'.join(BY_NAME)})(?=/|$)"
    served = {(re.sub(page, "/{page:str}", path), method) for path, method in served}
    told = {
        (re.sub(page, "/{page:str}", path), method) for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    told = {(path.replace("{table}.csv", "{table}"), method) for path, method in told}
    told = {(re.sub(r"\{(table|request_id)\}", r"{\1:str}", path), method) for path, method in told}
    assert served - told == {("/planner/static/{digest:str}/{name:str}", "get")}
    assert told - served == set()
    for name in BY_NAME:
        assert {f"/planner/{name}", f"/planner/api/{name}", f"/planner/api/{name}/{{table}}.csv"} <= DOCUMENT[
            "paths"
        ].keys()


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_parameter_of_a_page_is_told(name: str) -> None:
    """Those that it takes, and no other: a page reads what is in its table alone."""
    shared = DOCUMENT["components"]["parameters"]
    for path in (f"/planner/api/{name}", f"/planner/api/{name}/{{table}}", f"/planner/api/{name}/{{table}}.csv"):
        said = [
            each.get("$ref", "").rsplit("/", 1)[-1] for each in DOCUMENT["paths"][path]["get"].get("parameters", ())
        ]
        assert [shared[key] for key in said if key] == [each.described for each in BY_NAME[name].takes]


def test_who_asks_is_told_in_full() -> None:
    """Every parameter that is taken, with its words."""
    told = {each["name"]: each["schema"] for each in DOCUMENT["paths"][PLAN]["post"]["parameters"]}
    assert set(told) == set(PARAMETERS)
    assert told["mode"]["enum"] == ["observe", "off", "plan"]


def test_it_is_sound() -> None:
    """Every reference leads somewhere, every schema is one, no operation has the name of another."""
    text = msgspec.json.encode(DOCUMENT).decode()
    for ref in set(re.findall(r'"\$ref":"#/([^"]+)"', text)):
        found: Any = DOCUMENT
        for part in ref.split("/"):
            found = found[part]
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator(schema | {"components": DOCUMENT["components"]})
    names = [each["operationId"] for methods in DOCUMENT["paths"].values() for each in methods.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("status", sorted(WHY))
def test_every_error_is_told_where_it_is_answered(status: int) -> None:
    """No status is explained in vain."""
    assert f'"{status}":' in msgspec.json.encode(DOCUMENT["paths"]).decode()
