"""The quantities that a plan rests on: which are told, and by whom."""

from typing import Any, Final

from planner.core.conversations import Retype, ToolEdit
from planner.core.learning.sizes import Combination, Declared, Sizes, combination
from planner.core.preview.beliefs import OVERRIDDEN, PRIOR, beliefs, settings_shown
from tests.doubles.deciding import BOOK, NOW, ask, book, cached, facts

LIFT: Final = Retype("code_execution_20250825", "code_execution_20260120")
NAME: Final = "edit_tokens.code_execution_20250825>code_execution_20260120+web_fetch_20260318"
MODEL: Final = "claude-haiku-5-5"
INERT: Final = book().catalog.render("inert_web_fetch", MODEL).decode()
KEY: Final = Combination(MODEL, (Declared("code_execution_20250825"),), INERT, (LIFT,))
EDIT: Final = ToolEdit(retypes=(LIFT,), append=INERT, name="web_fetch", free=True)
REQUEST: Final[dict[str, Any]] = {"model": MODEL, "system": cached()}


def test_known_sizes_of_other_edits_are_told_too() -> None:
    """What is known of this model with these tools, also where nothing is edited; not what is of others."""
    request, rules = ask(**REQUEST), book()
    sizes = Sizes()
    sizes.count(KEY, 2_200, NOW)
    sizes.count(combination("claude-opus-5", request.tools, EDIT), 9, NOW)
    sizes.count(combination(MODEL, (), EDIT), 9, NOW)
    rows = [
        each
        for each in beliefs(request, ToolEdit(), facts(request, now=NOW, sizes=sizes), rules)
        if each.name.startswith("edit_tokens.")
    ]
    assert [each.name for each in rows] == [NAME]


def test_every_quantity_says_where_it_is_from() -> None:
    """An edit that nobody has counted and the priors are the catalog's."""
    rows = {each.name: each for each in beliefs(ask(**REQUEST), EDIT, facts(now=NOW), book())}
    assert rows[NAME].source == rows["code_probability"].source == PRIOR
    assert all(each.source and each.low <= each.likely <= each.high for each in rows.values())


def test_settings_have_their_sources() -> None:
    """None of those of the shipped rules is one of a command line."""
    rows = {each.name: each for each in settings_shown(BOOK)}
    assert rows["free_hours.limit"].value == 1550
    assert OVERRIDDEN not in {each.source for each in rows.values()}
