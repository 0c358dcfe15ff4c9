"""`settings.yaml` and `--set key=value` become the settings, by the same code; a key that nobody reads is refused."""

from collections.abc import Mapping
from datetime import date
from typing import Any, cast

import msgspec
from msgspec import inspect

from planner.core.catalog import Catalog, Interval, Mark, Text
from planner.core.findings import did_you_mean
from planner.core.rulebook import SettingRow, Settings
from planner.core.rulefile.catalogfile import check_interval
from planner.core.rulefile.read import BAD, Reader, place, plain
from planner.core.rulefile.tree import Node, Pairs, Scalar, parse

OVERRIDES = "--set"  # stands where a path stands in a finding about an override
_TOOL_TOKENS = "tool_tokens"


class RowShape(msgspec.Struct, frozen=True, kw_only=True):
    """One setting in the file; its value is read under the type of its key."""

    value: Any
    mark: Mark
    source: Text
    checked: date
    means: str = ""
    if_wrong: str = ""


class SettingsFile(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of `settings.yaml`."""

    settings: dict[str, RowShape] = {}


def setting_types() -> dict[str, inspect.Type]:
    """Return every dotted key with the type of its value; `tool_tokens.<type>` are open and not among them."""
    types: dict[str, inspect.Type] = {}
    for field in cast("inspect.StructType", inspect.type_info(Settings)).fields:
        if isinstance(field.type, inspect.StructType):
            types |= {f"{field.name}.{inner.name}": inner.type for inner in field.type.fields}
        elif field.name != _TOOL_TOKENS:
            types[field.name] = field.type
    return types


def read_settings(
    reader: Reader, root: Node | None, overrides: Mapping[str, str], catalog: Catalog | None
) -> tuple[Settings, tuple[SettingRow, ...], Reader]:
    """Return the settings, their rows, and the reader that holds what is wrong with the overrides."""
    tools = tuple(tool.type for tool in catalog.tools) if catalog else None
    values: dict[str, Any] = {}
    rows: dict[str, SettingRow] = {}
    for key, at, node in _table(reader, root):
        shape = reader.read(node, RowShape, f"setting {key}")
        value = _value(reader, key, at, place(node, "value"), tools) if shape else BAD
        if shape and value is not BAD:
            values[key] = value
            rows[key] = SettingRow(key=key, **msgspec.structs.asdict(shape))
    ours = Reader(OVERRIDES)
    for key, text in overrides.items():
        given, findings = parse(OVERRIDES, text.encode())
        ours.findings += findings
        if findings:
            continue
        if given is None:
            given = Scalar(1, 1, "", "null")
        if (value := _value(ours, key, given, given, tools)) is not BAD:
            values[key] = value
            if key in rows:
                rows[key] = msgspec.structs.replace(rows[key], value=plain(given), overridden=True)
    return _settings(values), tuple(rows.values()), ours


def _table(reader: Reader, root: Node | None) -> list[tuple[str, Node, Node]]:
    """Return (key, its place, its row) of every setting in the file."""
    if not reader.top(root, ("settings",)) or not isinstance(root, Pairs):
        return []
    table = root.values.get("settings")
    if not isinstance(table, Pairs):
        problem = '"settings" must be a table of dotted keys'
        reader.find(root if table is None else table, "wrong-type", "this file", problem, "Write settings: {}.")
        return []
    return [(key, table.keys[key], node) for key, node in table.values.items()]


def _value(reader: Reader, key: str, at: Node, node: Node, tools: tuple[str, ...] | None) -> Any:  # noqa: ANN401 - by its key
    subject = f"setting {key}"
    group, _, rest = key.partition(".")
    if group == _TOOL_TOKENS:
        if tools is not None and rest not in tools:
            reader.find(at, "unknown-tool", subject, f'no tool is called "{rest}"', did_you_mean(rest, tools))
            return BAD
        return _size(reader, node, subject)
    types = setting_types()
    if key not in types:
        reader.find(at, "unknown-setting", subject, "nothing reads it", did_you_mean(key, types))
        return BAD
    return reader.value(node, types[key], subject, "value")


def _size(reader: Reader, node: Node, subject: str) -> Any:  # noqa: ANN401 - Interval or BAD
    if isinstance(node, Scalar):
        number = reader.value(node, inspect.type_info(float), subject, "value")
        return BAD if number is BAD else Interval(number, number, number)
    interval = reader.value(node, inspect.type_info(Interval), subject, "value")
    if interval is not BAD:
        check_interval(reader, node, interval, subject)
    return interval


def _settings(values: Mapping[str, Any]) -> Settings:
    settings = Settings()
    changes: dict[str, Any] = {}
    for key, value in values.items():
        group, _, rest = key.partition(".")
        if not rest:
            changes[group] = value
        elif group == _TOOL_TOKENS:
            changes[group] = {**changes.get(group, {}), rest: value}
        else:
            before = changes.get(group, getattr(settings, group))
            changes[group] = msgspec.structs.replace(before, **{rest: value})
    return msgspec.structs.replace(settings, **changes)
