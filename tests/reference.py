"""docs/rules-reference.md: every field of every rule file, and every code of a finding, as the code has them."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from planner.core.findings import CODES
from planner.core.rulebook.conditions import VARIABLES
from planner.core.rulefile import SHAPES
from planner.core.rulefile.fields import structs_of, summary
from planner.core.rulefile.read import DECIMAL
from planner.core.rulefile.schema import DAY, definitions, name_of, schema

HEAD: Final = """# Rule files, field by field

What `planner rules check` reads, and what each of its findings means; what rule files are stands in the
[contract](contract.md#rule-files). Editors show the same while you write, where a file begins with a line like
`# yaml-language-server: $schema=schema/settings.json`: the schemas stand in `rules/schema/`, and `planner rules schema
--out DIR` writes them anywhere. A field that is not *needed* may be left out. This page is generated from the code by
`python -m tests.pages`.
"""
FILES: Final = {
    "prices": "prices/*.yaml",
    "catalog": "catalog.yaml",
    "policies": "policies/*.yaml",
    "callers": "callers.yaml",
    "budgets": "budgets.yaml",
    "settings": "settings.yaml",
    "tests": "tests/*.yaml",
}
PATTERNS: Final = {
    DAY: "day, as `2026-11-22`",
    "^[0-9a-f]{16}$": "16 hex digits",
    DECIMAL: 'decimal in quotes, as `"0.25"`',
}
WHEN: Final = """## Variables of `when`

What an expression can ask for; there is nothing else that it could reach. `int` is compared with whole numbers (`20`),
`double` with decimals (`20.0`, `0.8`).
"""
FINDINGS: Final = """## Findings

`file:line:col: policy "name": problem. what to do [code]`. All of them are told at once; a warning says so before its
subject, and leaves the rules in force. `--format json` has the same by field, `--format github` annotates a pull
request.
"""


def reference_page() -> str:
    """The text of docs/rules-reference.md."""
    codes = "\n".join(f"| `{code}` | {means} |" for code, means in CODES.items())
    parts = [HEAD, *(part for kind in SHAPES for part in _kind(kind))]
    parts.append(_variables())
    return "\n".join([*parts, f"{FINDINGS}\n| code | means |\n|---|---|\n{codes}\n"])


def type_in_words(made: dict[str, Any]) -> str:
    """The schema of a value in words: `list of text, at least one`."""
    if "$ref" in made:
        name = made["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in made:
        return " or ".join(type_in_words(each) for each in made["anyOf"])
    if "enum" in made:
        return " · ".join(f"`{word}`" for word in made["enum"])
    if made.get("type") == "string":
        pattern = made.get("pattern", "")
        return PATTERNS.get(pattern, "text")
    if made.get("type") == "array":
        return f"list of {type_in_words(made['items'])}{', at least one' if made.get('minItems') else ''}"
    if made.get("type") == "object":
        values = made.get("additionalProperties")
        keys = " · ".join(f"`{key}`" for key in made.get("propertyNames", {}).get("enum", ())) or "name"
        return f"table of {type_in_words(values)}, by {keys}" if isinstance(values, dict) else "table"
    names = {"null": "`null`", "boolean": "`true` · `false`", "integer": "whole number", "number": "number"}
    return names[made["type"]] + _limits(made) if "type" in made else "as the key asks"


def _limits(made: dict[str, Any]) -> str:
    least, most = made.get("minimum"), made.get("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return f", {least} or more" if least is not None else ""


def _kind(kind: str) -> Iterator[str]:
    yield f"## `{FILES[kind]}`\n"
    shapes = definitions(SHAPES[kind])
    for struct in structs_of(SHAPES[kind]):
        made = shapes[name_of(struct)]
        title = f"### {name_of(struct)}\n\n" if struct is not SHAPES[kind] else ""
        own = sorted(msgspec.structs.fields(struct), key=lambda field: field.name not in struct.__annotations__)
        rows = "\n".join(_row(field, made["properties"][field.encode_name]) for field in own)
        yield f"{title}{summary(struct)}\n\n| field | type | default | means |\n|---|---|---|---|\n{rows}\n"
    if kind == "settings":
        yield _settings()


def _row(field: msgspec.structs.FieldInfo, made: dict[str, Any]) -> str:
    default = "*needed*" if field.required else _default(field)
    return f"| `{field.encode_name}` | {type_in_words(made)} | {default} | {_cell(made['description'])} |"


def _default(field: msgspec.structs.FieldInfo) -> str:
    made = field.default if field.default is not msgspec.NODEFAULT else field.default_factory
    if made is msgspec.UNSET:
        return ""
    value = msgspec.to_builtins(made() if callable(made) else made)
    if isinstance(value, dict):
        said = {key: each for key, each in value.items() if each not in (None, [], (), {})}
        plain = said and not any(isinstance(each, dict | list) for each in said.values())
        return "`{" + ", ".join(f"{key}: {_spelt(each)}" for key, each in said.items()) + "}`" if plain else ""
    return "" if value in (None, "", [], ()) else f"`{_spelt(value)}`"


def _settings() -> str:
    table = schema("settings")["properties"]["settings"]
    rows = []
    for key, row in table["properties"].items():
        value = row["properties"]["value"]
        rows.append(
            f"| `{key}` | {type_in_words(value)} | `{_spelt(value.get('default'))}` | {_cell(row['description'])} |"
        )
    (sizes,) = table["patternProperties"].values()
    kind = type_in_words(sizes["properties"]["value"])
    rows.append(f"| `tool_tokens.<type>` | {kind} | the catalog's prior | {_cell(sizes['description'])} |")
    return (
        "### Settings\n\n| key | value | default | means |\n|---|---|---|---|\n" + "\n".join(rows) + "\n" + _interval()
    )


def _variables() -> str:
    rows = "\n".join(f"| `{each.name}` | `{each.type}` | {_cell(each.means)} |" for each in VARIABLES)
    return f"{WHEN}\n| variable | type | means |\n|---|---|---|\n{rows}\n"


def _interval() -> str:
    made = schema("settings")["$defs"]["Interval"]
    rows = "\n".join(
        f"| `{key}` | {type_in_words(each)} | *needed* | {each['description']} |"
        for key, each in made["properties"].items()
    )
    return f"\n### Interval\n\n{made['description']}\n\n| field | type | default | means |\n|---|---|---|---|\n{rows}\n"


def _spelt(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
