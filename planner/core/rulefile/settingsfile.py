"""`settings.yaml` and `--set key=value` become the settings, by the same code; a key that nobody reads is refused."""

from collections.abc import Mapping
from datetime import date
from typing import Any, cast

import msgspec
from msgspec import inspect

from planner.core.findings import did_you_mean
from planner.core.rulebook.book import SettingRow, Settings
from planner.core.rulebook.catalog import Amount, Catalog, Interval, Mark, Text
from planner.core.rulefile.catalogfile import check_interval
from planner.core.rulefile.partial import BAD
from planner.core.rulefile.read import Reader, place, plain, shown, type_info
from planner.core.rulefile.tree import Node, Pairs, Scalar, parse

OVERRIDES = "--set"  # stands where a path stands in a finding about an override
TOOL_TOKENS = "tool_tokens"


class RowShape(msgspec.Struct, frozen=True, kw_only=True):
    """One setting in the file; its value is read under the type of its key.

    Attributes:
        value: what is so, or what you choose.
        mark: how sure it is: A official, B official and seen in part, C reported by others, "?" nobody says.
        source: who says so.
        checked: the day on which it was last compared with its source.
        means: what the value means.
        if_wrong: what you would see if it were wrong.
    """

    value: Any
    mark: Mark
    source: Text
    checked: date
    means: str = ""
    if_wrong: str = ""


class SettingsFile(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of `settings.yaml`.

    Attributes:
        settings: by dotted key, what nobody has published, or what is yours to choose.
    """

    settings: dict[str, RowShape] = {}


def setting_types() -> dict[str, inspect.Type]:
    """Return every dotted key with the type of its value; `tool_tokens.<type>` are open and not among them."""
    types: dict[str, inspect.Type] = {}
    for field in cast("inspect.StructType", type_info(Settings)).fields:
        if isinstance(field.type, inspect.StructType):
            types |= {f"{field.name}.{inner.name}": inner.type for inner in field.type.fields}
        elif field.name != TOOL_TOKENS:
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
        if reader.full:
            break
        type_ = _type(reader, key, at, tools)
        shape = reader.read(node, RowShape, f'setting "{key}"') if type_ else None
        value = _value(reader, key, type_, place(node, "value")) if shape else BAD
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
        if (value := _value(ours, key, _type(ours, key, given, tools), given)) is not BAD:
            values[key] = value
            if key in rows:
                rows[key] = msgspec.structs.replace(rows[key], value=plain(given), overridden=True)
    return _settings(values), tuple(rows.values()), ours


def _table(reader: Reader, root: Node | None) -> list[tuple[str, Node, Node]]:
    """Return (key, its place, its row) of every setting in the file."""
    if not reader.top(root, ("settings",)) or not isinstance(root, Pairs):
        return []
    table = root.values.get("settings")
    if table is None and "settings" in reader.meant:
        return []
    if not isinstance(table, Pairs):
        problem = '"settings" must be a table of dotted keys'
        reader.find(root if table is None else table, "wrong-type", "this file", problem, "Write settings: {}.")
        return []
    return [(key, table.keys[key], node) for key, node in table.values.items()]


def _type(reader: Reader, key: str, at: Node, tools: tuple[str, ...] | None) -> inspect.Type | None:
    """Return the type of a setting's value; None, with a finding, for a key that nothing reads."""
    group, _, rest = key.partition(".")
    if group == TOOL_TOKENS and rest:
        if tools is None or rest in tools:
            return type_info(Interval)
        problem = f'no tool is called "{shown(rest)}"'
        reader.find(at, "unknown-tool", f'setting "{key}"', problem, did_you_mean(rest, tools))
        return None
    types = setting_types()
    if key in types:
        return types[key]
    inside = next((known for known in types if known.startswith(f"{key}.")), None)
    remedy = f"Write dotted keys, such as {inside}." if inside else did_you_mean(key, types)
    reader.find(at, "unknown-setting", f'setting "{key}"', "nothing reads it", remedy)
    return None


def _value(reader: Reader, key: str, type_: inspect.Type | None, node: Node) -> Any:  # noqa: ANN401 - by its key
    if type_ is None:
        return BAD
    subject = f'setting "{key}"'
    if not key.startswith(f"{TOOL_TOKENS}."):
        return reader.value(node, type_, subject, "value")
    if isinstance(node, Scalar):
        number = reader.value(node, type_info(Amount), subject, "value")
        return BAD if number is BAD else Interval(number, number, number)
    interval = reader.value(node, type_, subject, "value")
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
        elif group == TOOL_TOKENS:
            changes[group] = {**changes.get(group, {}), rest: value}
        else:
            before = changes.get(group, getattr(settings, group))
            changes[group] = msgspec.structs.replace(before, **{rest: value})
    return msgspec.structs.replace(settings, **changes)
