"""`catalog.yaml` becomes a catalog whose rows only name tool versions and templates that exist."""

import msgspec

from planner.core.findings import did_you_mean
from planner.core.rulebook.catalog import (
    Catalog,
    Deny,
    Interval,
    ModelRow,
    Prior,
    Priors,
    Template,
    ToolVersion,
    is_exact,
)
from planner.core.rulefile.read import Reader, place, word
from planner.core.rulefile.tree import Items, Node, Pairs


class CatalogFile(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of `catalog.yaml`.

    Attributes:
        tools: versions of server tools.
        models: which models take which of them; the first row that matches a model holds.
        templates: tools that the planner may add.
        priors: what is assumed of an agent before it has been watched.
        deny: pairs of models and tool versions that are broken for now.
    """

    tools: tuple[ToolVersion, ...]
    models: tuple[ModelRow, ...]
    templates: tuple[Template, ...]
    priors: Priors
    deny: tuple[Deny, ...] = ()


def read_catalog(reader: Reader, root: Node | None) -> Catalog | None:
    """Return the catalog, or None where its priors or the file itself cannot be read."""
    if not reader.top(root, CatalogFile.__struct_fields__) or not isinstance(root, Pairs):
        return None
    for key in ("tools", "models", "templates", "priors"):
        if key not in root.values and key not in reader.meant:
            remedy = "Copy it from the shipped catalog."
            reader.find(root, "missing-field", "this file", f'"{key}" is missing', remedy)
    tools = reader.rows(root, "tools", ToolVersion, lambda node: f'tool "{word(node, "type")}"')
    models = reader.rows(root, "models", ModelRow, lambda node: f'model "{word(node, "name")}"')
    templates = reader.rows(root, "templates", Template, lambda node: f'template "{word(node, "name")}"')
    deny = reader.rows(root, "deny", Deny, lambda _: "deny")
    types = _types(root)
    for node, tool in tools:
        _check_tool(reader, node, tool, types)
    for node, model in models:
        for key in ("code", "web"):
            _check_types(reader, place(node, key), types, f'model "{model.name}"')
    for node, template in templates:
        _check_template(reader, node, template, types)
    for node, entry in deny:
        _check_types(reader, place(node, "tools"), types, f'deny "{entry.tools[0]}"')
    _check_unique(reader, tools, "tool", "type")
    _check_unique(reader, templates, "template", "name")
    _check_models(reader, models)
    priors = _priors(reader, root, types)
    if priors is None:
        return None
    return Catalog(
        tools=tuple(row for _, row in tools),
        models=tuple(row for _, row in models),
        templates=tuple(row for _, row in templates),
        priors=priors,
        deny=tuple(row for _, row in deny),
    )


def check_interval(reader: Reader, node: Node, interval: Interval | Prior, subject: str) -> None:
    """Find an interval whose numbers do not ascend."""
    if not interval.low <= interval.likely <= interval.high:
        problem = f"low, likely and high must ascend, not {interval.low:g}, {interval.likely:g}, {interval.high:g}"
        reader.find(node, "not-ascending", subject, problem, "Put them in order.")


def _types(root: Pairs) -> tuple[str, ...]:
    """Return every tool type that the file names, rows with a problem included: it is told once, not where used."""
    rows = root.values.get("tools")
    return tuple(word(row, "type") for row in rows.items if isinstance(row, Pairs)) if isinstance(rows, Items) else ()


def _priors(reader: Reader, root: Pairs, types: tuple[str, ...]) -> Priors | None:
    node = root.values.get("priors")
    priors = None if node is None else reader.read(node, Priors, "priors")
    if priors is None or not isinstance(node, Pairs):
        return None
    sizes = place(node, "tool_tokens")
    if isinstance(sizes, Pairs):
        for type_, at in sizes.keys.items():
            if type_ not in types:
                reader.find(at, "unknown-tool", "priors", f'no tool is called "{type_}"', did_you_mean(type_, types))
    for name in Priors.__struct_fields__:
        value = getattr(priors, name)
        if value is None:
            continue
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for key, prior in rows:
            at_ = place(node, name, key) if key else place(node, name)
            check_interval(reader, at_, prior, f'prior "{name}"')
    return priors


def _check_tool(reader: Reader, node: Pairs, tool: ToolVersion, types: tuple[str, ...]) -> None:
    subject = f'tool "{tool.type}"'
    if not tool.type.startswith(tool.family + "_"):
        problem = f'the type does not begin with the family "{tool.family}"'
        reader.find(place(node, "family"), "wrong-family", subject, problem, "Correct one of them.")
    if tool.min_code_with is not None and tool.min_code_with not in types:
        problem = f'no tool is called "{tool.min_code_with}"'
        remedy = did_you_mean(tool.min_code_with, types)
        reader.find(place(node, "min_code_with"), "unknown-tool", subject, problem, remedy)


def _check_types(reader: Reader, node: Node, types: tuple[str, ...], subject: str) -> None:
    for item in node.items if isinstance(node, Items) else ():
        text = getattr(item, "text", "")
        if text not in types and not reader.full:
            reader.find(item, "unknown-tool", subject, f'no tool is called "{text}"', did_you_mean(text, types))


def _check_template(reader: Reader, node: Pairs, template: Template, types: tuple[str, ...]) -> None:
    type_, subject = template.tool.get("type"), f'template "{template.name}"'
    if type_ is None:
        reader.find(place(node, "tool"), "missing-field", subject, '"tool.type" is missing', "Add type.")
    elif type_ not in types:
        problem = f'its tool has the unknown type "{type_}"'
        remedy = did_you_mean(str(type_), types)
        reader.find(place(node, "tool", "type"), "unknown-tool", subject, problem, remedy)


def _check_unique(
    reader: Reader, rows: list[tuple[Pairs, ToolVersion]] | list[tuple[Pairs, Template]], kind: str, key: str
) -> None:
    seen: dict[str, int] = {}
    for node, row in rows:
        name = getattr(row, key)
        line = seen.setdefault(name, node.line)
        if line != node.line:
            problem = f"already described on line {line}"
            reader.find(place(node, key), "duplicate-name", f'{kind} "{name}"', problem, "Keep one of them.")


def _check_models(reader: Reader, models: list[tuple[Pairs, ModelRow]]) -> None:
    seen: dict[str, str] = {}
    for node, row in models:
        for pattern in row.models:
            if is_exact(pattern) and seen.setdefault(pattern, row.name) != row.name:
                problem = f'"{pattern}" already belongs to "{seen[pattern]}"'
                reader.find(
                    place(node, "models"), "duplicate-name", f'model "{row.name}"', problem, "Keep one of them."
                )
