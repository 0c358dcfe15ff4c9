"""`policies/*.yaml` becomes the policies, in the order of the files; none is without a reason or out of reach."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from planner.core.catalog import Catalog, Text
from planner.core.findings import did_you_mean
from planner.core.rulefile.read import Reader, place, word
from planner.core.rulefile.tree import Items, Node, Pairs
from planner.core.rules import (
    BundleRule,
    ContainerRule,
    Match,
    Parses,
    Policy,
    PolicyMode,
    Portion,
    Then,
    VersionRule,
    named,
    shadowed_by,
)

# Tool types that policies may match and the catalog says nothing about. Source: types.ToolUnionParam of the SDK.
_OTHER_TOOLS = ("custom", "bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_", "mcp_toolset")
_SNAPSHOT = "-20990101"


class ThenShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy decides; a bundle may be written as one word."""

    bundle: Literal["never", "when-cheaper", "always"] | BundleRule | None = None
    tool_version: VersionRule | None = None
    container: ContainerRule | None = None
    parses: tuple[Parses, ...] | None = None


class PolicyShape(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `policies`."""

    name: Text
    why: Text
    mode: PolicyMode
    match: Match = Match()
    when: str | None = None
    then: ThenShape
    rollout: Portion = Portion(100)
    holdout: Portion = Portion(0)


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of `policies/`."""

    policies: tuple[PolicyShape, ...] = ()


def read_policies(files: Iterable[tuple[Reader, Node | None]], catalog: Catalog | None) -> tuple[Policy, ...]:
    """Return the policies of all files; names are checked against the catalog where there is one."""
    placed: list[tuple[Reader, Pairs, Policy]] = []
    for reader, root in files:
        if reader.top(root, ("policies",)):
            for node, shape in reader.rows(root, "policies", PolicyShape, lambda node: f"policy {word(node, 'name')}"):
                policy = _policy(shape)
                _check(reader, node, policy)
                if catalog is not None:
                    _check_names(reader, node, policy, catalog)
                placed.append((reader, node, policy))
    policies = tuple(policy for _, _, policy in placed)
    culprits = shadowed_by(policies)
    seen: dict[str, str] = {}
    for reader, node, policy in placed:
        subject = f"policy {policy.name}"
        here = f"{reader.path}:{node.line}"
        if seen.setdefault(policy.name, here) != here:
            problem = f"a policy of this name stands at {seen[policy.name]}"
            reader.find(place(node, "name"), "duplicate-name", subject, problem, "Name it differently.")
        elif policy.name in culprits:
            problem = f"it can never decide: {culprits[policy.name]} stands before it and always does"
            reader.find(node, "unreachable-policy", subject, problem, "Move it up, or narrow the other.")
    return policies


def _policy(shape: PolicyShape) -> Policy:
    then, bundle = shape.then, shape.then.bundle
    return Policy(
        name=shape.name,
        why=shape.why,
        mode=shape.mode,
        match=shape.match,
        when=shape.when,
        then=Then(
            bundle=BundleRule(act=bundle) if isinstance(bundle, str) else bundle,
            tool_version=then.tool_version,
            container=then.container,
            parses=then.parses,
        ),
        rollout=shape.rollout,
        holdout=shape.holdout,
    )


def _check(reader: Reader, node: Pairs, policy: Policy) -> None:
    subject = f"policy {policy.name}"
    if policy.when is not None:
        problem = '"when" needs the extra cel'
        remedy = "Use match, or install the extra cel once this release reads it."
        reader.find(place(node, "when"), "needs-cel", subject, problem, remedy)
    if not named(policy.then):
        problem = '"then" decides nothing'
        remedy = f"Name one of: {', '.join(Then.__struct_fields__)}."
        reader.find(place(node, "then"), "decides-nothing", subject, problem, remedy)


def _check_names(reader: Reader, node: Pairs, policy: Policy, catalog: Catalog) -> None:
    subject = f"policy {policy.name}"
    known = catalog.known_models
    for pattern, at in _patterns(policy.match.model, place(node, "match", "model")):
        if not any(fnmatchcase(model, pattern) for id_ in known for model in (id_, id_ + _SNAPSHOT)):
            remedy = did_you_mean(pattern, known)
            reader.find(at, "unknown-model", subject, f'"{pattern}" matches no known model', remedy)
    types = tuple(tool.type for tool in catalog.tools)
    for pattern, at in _patterns(policy.match.tools, place(node, "match", "tools")):
        if not pattern.startswith(_OTHER_TOOLS) and not any(fnmatchcase(type_, pattern) for type_ in types):
            remedy = did_you_mean(pattern, types)
            reader.find(at, "unknown-tool", subject, f'"{pattern}" matches no known tool type', remedy)
    bundle = policy.then.bundle
    if bundle is None:
        return
    template = catalog.template(bundle.tool)
    at = place(node, "then", "bundle", "tool")
    if template is None:
        remedy = did_you_mean(bundle.tool, [each.name for each in catalog.templates])
        reader.find(at, "unknown-template", subject, f'the catalog has no template "{bundle.tool}"', remedy)
    elif template.live and bundle.act != "never":
        problem = f"{bundle.tool} widens what the agent can reach"
        remedy = "Choose inert_web_fetch unless the agent may use it."
        reader.find(at, "widens-reach", subject, problem, remedy, "warning")


def _patterns(patterns: tuple[str, ...] | None, node: Node) -> list[tuple[str, Node]]:
    items = node.items if isinstance(node, Items) else ()
    return list(zip(patterns or (), items, strict=True)) if patterns else []
