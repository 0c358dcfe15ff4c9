"""The reference of rule files is generated, and says types in words."""

import re

import pytest

from planner.core.findings import CODES
from planner.core.rulefile.schema import DAY
from tests.pages import DOCS
from tests.reference import reference_page, type_in_words

PAGE = reference_page()


def test_the_page_is_the_generated_one() -> None:
    """Run `python -m tests.pages` after a change of what a rule file may hold, or of a finding's code."""
    assert (DOCS / "rules-reference.md").read_text(encoding="utf-8") == PAGE


def test_every_code_is_on_the_page() -> None:
    """A reader who filters by one finds what it means."""
    assert [code for code in CODES if f"| `{code}` | {CODES[code]} |" not in PAGE] == []


def test_every_link_leads_to_one_heading() -> None:
    """Two headings of one name would make a link lead to the wrong table."""
    heads = [title.strip("`").lower() for title in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)]
    assert len(heads) == len(set(heads))
    assert set(re.findall(r"\(#(\w+)\)", PAGE)) <= set(heads)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"$ref": "#/$defs/Tier"}, "[Tier](#tier)"),
        ({"anyOf": [{"enum": ["a", "b"]}, {"$ref": "#/$defs/Rule"}]}, "`a` · `b` or [Rule](#rule)"),
        ({"type": "string", "minLength": 1}, "text"),
        ({"type": "string", "format": "date", "pattern": DAY}, "day, as `2026-11-22`"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, "list of text, at least one"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "table of number, by name"),
        (
            {"type": "object", "additionalProperties": {"type": "number"}, "propertyNames": {"enum": ["a", "b"]}},
            "table of number, by `a` · `b`",
        ),
        ({"type": "object"}, "table"),
        ({"type": "integer", "minimum": 1}, "whole number, 1 or more"),
        ({"type": "number", "minimum": 0, "maximum": 100}, "number from 0 to 100"),
        ({"type": "boolean"}, "`true` · `false`"),
        ({}, "as the key asks"),
    ],
)
def test_types_are_words(made: dict[str, object], words: str) -> None:
    """A platform engineer reads them without knowing any schema language."""
    assert type_in_words(made) == words
