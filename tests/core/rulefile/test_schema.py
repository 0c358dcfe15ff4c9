"""The schemas that editors use take what the reader takes, and refuse what has the wrong shape."""

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import pytest
from jsonschema_rs import Draft202012Validator, meta

from planner.core.rulefile import SHAPES, kind_of, schema, tree
from planner.core.rulefile.read import plain
from planner.core.rulefile.settingsfile import setting_types
from planner.rulesource import shipped_directory

ROOT: Final = Path(__file__).parent.parent.parent.parent
FIXTURES: Final = ROOT / "tests/rulefiles"
SHIPPED: Final = shipped_directory()
SOUND: Final = [
    (path, kind)
    for folder in (SHIPPED, FIXTURES / "good", FIXTURES / "tested")
    for path in sorted(folder.rglob("*.yaml"))
    if (kind := "tests" if path.parent.name == "tests" else kind_of(path.relative_to(folder).as_posix()))
]
COOKBOOK: Final = [
    (path, path.parent.name if path.parent.name in SHAPES else path.stem)
    for path in sorted((ROOT / "docs/cookbook").rglob("*.yaml"))
]
SHAPELESS: Final = frozenset({
    "bad-day",  # the calendar is no pattern
    "budgets.zero",  # a decimal string has no limits
    "no-model",  # what a request holds is the API's business
    "tool-a-number",  # likewise
    "catalog.template-without-type",  # what a tool holds is the API's business
    "policies.blank-why",  # an editor counts blanks as words
    "policies.bound-upgrade",  # what an upgrade cannot have
    "policies.unknown-version",  # the catalog knows versions
    "prices.bad-date",  # the calendar is no pattern
    "prices.discount-hours-of-model",  # two fields that exclude each other
    "prices.discount-nothing",  # a decimal string has no limits
    "prices.discount-too-much",
    "prices.wrong-unit",
})  # fmt: skip
"""Malformed files whose shape is sound: only the reader knows better."""

OF_SHAPE: Final = frozenset({
    "missing-field", "money-not-a-string", "out-of-range", "too-many-decimals", "unknown-field", "unknown-setting",
    "unknown-value", "wrong-type",
})  # fmt: skip


def malformed() -> list[Path]:
    """The fixtures whose one defect is one of shape."""
    found = []
    for path in sorted((*(FIXTURES / "bad").glob("*.yaml"), *(FIXTURES / "badtests").glob("*.yaml"))):
        codes = set(re.findall(r"\[([a-z0-9-]+)\]$", path.with_suffix(".txt").read_text(), re.MULTILINE))
        if codes <= OF_SHAPE:
            found.append(path)
    return found


def named(value: object) -> str:
    """What a test of one file is called: by its folders."""
    return "/".join(value.parts[-3:]) if isinstance(value, Path) else str(value)


def checker(kind: str) -> Draft202012Validator:
    """What an editor does with a schema."""
    return Draft202012Validator(json.loads(schema.render(kind)))


def content(path: Path) -> Any:
    """A file as an editor sees it: YAML 1.2 as JSON."""
    node, _ = tree.parse(path.name, path.read_bytes())
    assert node is not None
    return plain(node)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_schema_is_one(kind: str) -> None:
    """It keeps the rules of its dialect, and every reference in it leads somewhere."""
    made = schema.schema(kind)
    assert made["$schema"] == schema.DIALECT
    meta.validate(made)
    text = schema.render(kind)
    assert set(re.findall(r'"#/\$defs/(\w+)"', text)) == set(made.get("$defs", {}))


@pytest.mark.parametrize("kind", SHAPES)
def test_every_table_is_closed_and_every_field_explained(kind: str) -> None:
    """A misspelt field is marked while it is typed, and hovering over a field says what it means."""
    open_tables = []

    def walk(made: object, where: str) -> None:
        if isinstance(made, list):
            for each in made:
                walk(each, where)
        if not isinstance(made, dict):
            return
        if "properties" in made and made.get("type") == "object":
            assert made["additionalProperties"] is False, where
            for name, each in made["properties"].items():
                assert each["description"].endswith("."), f"{where}.{name}"
        elif made.get("type") == "object" and "additionalProperties" not in made:
            open_tables.append(where.rpartition(".")[2])
        for name, each in made.items():
            walk(each, f"{where}.{name}")

    walk(schema.schema(kind), kind)
    assert open_tables == OPEN.get(kind, [])


OPEN: Final = {"catalog": ["tool", "without_ptc"], "tests": ["request"]}  # what stands there is the API's business


@pytest.mark.parametrize(("path", "kind"), [*SOUND, *COOKBOOK], ids=named)
def test_sound_files_pass(path: Path, kind: str) -> None:
    """The shipped rules, the cookbook and the good fixtures have no mark in an editor."""
    assert [error.message for error in checker(kind).iter_errors(content(path))] == []


@pytest.mark.parametrize("path", malformed(), ids=lambda path: path.stem)
def test_files_of_a_wrong_shape_are_refused(path: Path) -> None:
    """What the reader finds by the type of a field, an editor finds too; exceptions have their reasons above."""
    kind = "tests" if path.parent.name == "badtests" else path.name.split(".")[0]
    passes = checker(kind).is_valid(content(path))
    assert passes is (path.stem in SHAPELESS)


def test_enough_files_of_a_wrong_shape_are_tried() -> None:
    """And the exceptions are still there."""
    assert len(malformed()) >= 60
    assert {path.stem for path in malformed()} >= SHAPELESS


def test_every_setting_has_the_type_of_its_key() -> None:
    """Hours are a number, a word is one of its choices, a size may be a number or an interval."""
    table = schema.schema("settings")["properties"]["settings"]
    assert set(table["properties"]) == set(setting_types())
    row = {"mark": "A", "source": "x", "checked": "2026-11-22"}
    check = checker("settings").is_valid
    assert check({"settings": {"free_hours.limit": {"value": 0, **row}}})
    assert not check({"settings": {"free_hours.limit": {"value": "0", **row}}})
    assert check({"settings": {"haiku55_tier_on": {"value": "summed_prompt", **row}}})
    assert not check({"settings": {"haiku55_tier_on": {"value": "prompt", **row}}})
    assert check({"settings": {"tool_tokens.x": {"value": 7, **row}}})
    assert check({"settings": {"tool_tokens.x": {"value": {"low": 1, "likely": 2, "high": 3}, **row}}})
    assert not check({"settings": {"tool_tokens.x": {"value": {"low": 1}, **row}}})
    assert not check({"settings": {"tool_token.x": {"value": 7, **row}}})


def shipped(folder: Path = SHIPPED) -> list[tuple[Path, str]]:
    """Every shipped rule file, with its kind."""
    found = []
    for path in sorted(folder.rglob("*.yaml")):
        place = path.relative_to(folder)
        found.append((path, place.parts[0] if len(place.parts) > 1 else place.stem))
    return found


@pytest.mark.parametrize(("path", "kind"), [*shipped(), *COOKBOOK], ids=named)
def test_every_file_of_ours_names_its_schema(path: Path, kind: str) -> None:
    """In its first line, by a path that leads there from where the file stands, or will stand once it is copied."""
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match is not None
    folder = SHIPPED / kind if path.parent.name == kind else SHIPPED
    assert (folder / match[1]).resolve() == (SHIPPED / f"schema/{kind}.json").resolve()


def test_words_of_an_enumeration_stand_where_they_are_said() -> None:
    """An editor offers them, and no reference leads away."""

    class Colour(StrEnum):
        """A closed list."""

        RED = "red"
        BLUE = "blue"

    class PaintShape(msgspec.Struct, frozen=True):
        """A paint.

        Attributes:
            colour: what it looks like.
            others: what it could look like.
            by: who mixed it, null for nobody.
        """

        colour: Colour
        others: tuple[Colour, ...] | None = None
        by: Annotated[str, msgspec.Meta(extra={"null": True})] | msgspec.UnsetType | None = msgspec.UNSET

    assert schema.definitions(PaintShape)["Paint"]["properties"] == {
        "colour": {"description": "What it looks like.", "enum": ["blue", "red"]},
        "others": {"description": "What it could look like.", "type": "array", "items": {"enum": ["blue", "red"]}},
        "by": {"description": "Who mixed it, null for nobody.", "anyOf": [{"type": "string"}, {"type": "null"}]},
    }


@pytest.mark.parametrize("kind", SHAPES)
def test_the_committed_schema_is_the_generated_one(kind: str) -> None:
    """Run `python -m tests.pages` after a change of what a rule file may hold."""
    assert (SHIPPED / f"schema/{kind}.json").read_text(encoding="utf-8") == schema.render(kind)
    assert {path.stem for path in (SHIPPED / "schema").iterdir()} == set(SHAPES)
