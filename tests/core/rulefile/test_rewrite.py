"""A setting is changed in its file's text, and every other byte stays."""

from datetime import date
from difflib import ndiff

import pytest

from planner.core.rulebook.book import Settings
from planner.core.rulefile import load
from planner.core.rulefile.rewrite import RewriteError, with_setting
from planner.rulesource import read_files

DAY = date(2026, 12, 1)
KEY = "free_hours.used_elsewhere"
SHIPPED = read_files(None)["settings.yaml"].decode()


def test_only_the_value_and_its_day_change() -> None:
    """In the shipped file, comments, order and quotes included."""
    text, row = with_setting(SHIPPED, KEY, 120.5, checked=DAY, source="planner estimate: 2026-11")
    changed = [line for line in ndiff(SHIPPED.splitlines(), text.splitlines()) if line[:1] in "+-"]
    assert changed == [
        "-     value: 0",
        "+     value: 120.5",
        "-     checked: 2026-11-22",
        "+     checked: 2026-12-01",
    ]
    assert row.splitlines()[:2] == [f"  {KEY}:", "    value: 120.5"]
    book = load({**read_files(None), "settings.yaml": text.encode()})
    assert book.settings.free_hours.used_elsewhere == 120.5


def test_writing_twice_changes_nothing() -> None:
    """The same value on the same day is the same text."""
    once, _ = with_setting(SHIPPED, KEY, 7, checked=DAY, source="s")
    assert with_setting(once, KEY, 7, checked=DAY, source="s")[0] == once


def test_a_row_that_is_not_there_is_added() -> None:
    """Behind the others, and the rules read it."""
    first = SHIPPED.index("  free_hours.used_elsewhere:")
    last = SHIPPED.index("  haiku55_tier_on:")
    text, row = with_setting(SHIPPED[:first] + SHIPPED[last:], KEY, 3, checked=DAY, source="planner estimate")
    assert text.startswith(SHIPPED[:first])
    assert row.startswith(f"  {KEY}:\n    value: 3\n")
    book = load({**read_files(None), "settings.yaml": text.encode()})
    assert book.settings.free_hours.used_elsewhere == 3


def test_an_empty_file_becomes_one() -> None:
    """With its schema line and the row."""
    text, _ = with_setting("", KEY, 3, checked=DAY, source="planner estimate")
    book = load({**read_files(None), "settings.yaml": text.encode()})
    assert book.settings.free_hours.used_elsewhere == 3
    assert Settings().free_hours.used_elsewhere == 0


@pytest.mark.parametrize(
    "text",
    [
        "settings: [",
        "- a list",
        "settings: {}",
        f"settings:\n  {KEY}: 3\n",
        f"settings: {{{KEY}: {{value: 1, mark: A}}}}\n",
    ],
)
def test_what_cannot_be_changed_is_refused(text: str) -> None:
    """Rather than written in a way that nobody asked for."""
    with pytest.raises(RewriteError):
        with_setting(text, KEY, 3, checked=DAY, source="s")
