"""The shape of each kind of rule file as JSON Schema, for editors: they complete, explain and check while one writes.

Made of the same structs that files are read by. A schema knows less than `planner rules check`: which names exist,
what dates leave open and which numbers can hardly be meant is said there alone.
Source: https://json-schema.org/draft/2020-12
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from planner.core.rulebook.book import Settings
from planner.core.rulefile import SHAPES
from planner.core.rulefile.fields import Struct, meaning, structs_of, summary
from planner.core.rulefile.settingsfile import TOOL_TOKENS, RowShape, setting_types

Json = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DAY: Final = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


def schema(kind: str) -> Json:
    """Return the schema of a kind of rule file; KeyError for a kind that does not exist."""
    shape = SHAPES[kind]
    defs = definitions(shape)
    top = defs.pop(name_of(shape))
    if kind == "settings":
        top["properties"] = {"settings": top["properties"]["settings"] | _settings()}
        defs = {name: each for name, each in definitions(Settings).items() if name == "Interval"}
    head = {"$schema": DIALECT, "title": f"Planner: {kind}", "description": summary(shape)}
    return head | top | ({"$defs": defs} if defs else {})


def render(kind: str) -> str:
    """Return the schema of a kind as the text of its file, `rules/schema/<kind>.json`."""
    return msgspec.json.format(msgspec.json.encode(schema(kind)), indent=2).decode() + "\n"


def definitions(shape: Struct) -> dict[str, Json]:
    """Return the schema of a struct and of each that stands inside of it, by name."""
    _, components = msgspec.json.schema_components([shape], ref_template="{name}")
    structs = structs_of(shape)
    words = {name: {"enum": made["enum"]} for name, made in components.items() if "enum" in made}
    return {name_of(struct): _described(struct, _spelt(components[struct.__name__], words)) for struct in structs}


def name_of(struct: Struct) -> str:
    """Return the name of a struct as people read it."""
    return struct.__name__.removesuffix("Shape")


def _spelt(made: Any, words: Mapping[str, Json]) -> Any:  # noqa: ANN401 - JSON
    """Return a schema in which the words of an enumeration stand where they may be said."""
    if isinstance(made, dict):
        if (name := str(made.get("$ref"))) in words:
            return {key: value for key, value in made.items() if key != "$ref"} | words[name]
        return {key: _spelt(value, words) for key, value in made.items()}
    return [_spelt(each, words) for each in made] if isinstance(made, list) else made


def _described(struct: Struct, made: Json) -> Json:
    """Return a struct's schema: no other fields than its own, each with what it means."""
    properties = {}
    for field in msgspec.structs.fields(struct):
        value = _tight(made["properties"][field.encode_name])
        info = inspect.type_info(field.type)
        if _may_be_null(info):
            value = {"anyOf": [*value.get("anyOf", [value]), {"type": "null"}]}
        if keys := _keys(info):
            value["propertyNames"] = {"enum": keys}
        properties[field.encode_name] = {"description": meaning(struct, field.name)} | value
    found: Json = {"type": "object", "description": summary(struct), "properties": properties}
    if made["required"]:
        found["required"] = made["required"]
    return found | {"additionalProperties": False}


def _may_be_null(info: inspect.Type) -> bool:
    """Say whether a type is marked to take `null` as a value; else a field that is not there is left out."""
    if isinstance(info, inspect.UnionType):
        return any(_may_be_null(each) for each in info.types)
    return isinstance(info, inspect.Metadata) and bool((info.extra or {}).get("null"))


def _keys(info: inspect.Type) -> list[str]:
    """Return the words that the keys of a table are limited to, none where any key will do."""
    if isinstance(info, inspect.UnionType):
        return [key for each in info.types for key in _keys(each)]
    if isinstance(info, inspect.DictType) and isinstance(info.key_type, inspect.LiteralType):
        return [str(value) for value in info.key_type.values]
    return []


def _tight(made: Json) -> Json:
    """Return the schema of a value without what no file may say: nothing at all, or a day that is none."""
    found = {key: _inner(key, value) for key, value in made.items()}
    if not isinstance(found.get("default"), str | int | float):
        found.pop("default", None)  # editors would write whole tables
    if found.get("format") == "date":
        found["pattern"] = DAY
    if "anyOf" in found:
        choices = [each for each in found["anyOf"] if each != {"type": "null"}]
        found |= {"anyOf": choices}
        if len(choices) == 1:
            del found["anyOf"]
            found |= choices[0]
    return found


def _inner(key: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    if key == "$ref":
        return f"#/$defs/{value.removesuffix('Shape')}"
    if key == "anyOf":
        return [_tight(each) for each in value]
    return _tight(value) if key in ("items", "additionalProperties") and isinstance(value, dict) else value


def _settings() -> Json:
    """Return what stands under `settings`: each dotted key with the type of its own value."""
    row = definitions(RowShape)["Row"]
    groups = definitions(Settings)
    rows = {}
    for key in setting_types():
        group, _, name = key.partition(".")
        of = groups[_group(group)] if name else groups["Settings"]
        value = dict(of["properties"][name or group])
        means = value.pop("description")
        rows[key] = row | {"description": means, "properties": row["properties"] | {"value": _with(row, value)}}
    sizes = groups["Settings"]["properties"][TOOL_TOKENS]
    size = {"anyOf": [{"type": "number", "minimum": 0}, sizes["additionalProperties"]]}
    measured = row | {"description": sizes["description"]}
    measured["properties"] = row["properties"] | {"value": _with(row, size)}
    return {
        "properties": rows,
        "patternProperties": {rf"^{TOOL_TOKENS}\.": measured},
        "additionalProperties": False,
    }


def _group(name: str) -> str:
    (field,) = (each for each in msgspec.structs.fields(Settings) if each.name == name)
    return str(field.type.__name__)


def _with(row: Json, value: Json) -> Json:
    return {"description": row["properties"]["value"]["description"]} | value
