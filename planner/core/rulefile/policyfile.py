"""`policies/*.yaml` becomes the policies, in the order of the files; none is without a reason or out of reach."""

import re
from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from planner.core.catalog import Catalog, Text
from planner.core.conditions import TYPES, BadExpressionError, Fault, NoCelError, compile_condition
from planner.core.findings import did_you_mean, excerpt_of
from planner.core.policyset import RANGES, never_decides
from planner.core.rulefile.read import Reader, place, word
from planner.core.rulefile.tree import Items, Node, Pairs, Scalar, position_in
from planner.core.rules import (
    VERSION_WORDS,
    BundleRule,
    ContainerRule,
    DisconnectRule,
    Match,
    Parses,
    Policy,
    PolicyMode,
    Portion,
    TagKey,
    Then,
    WebRule,
    named,
)

# Tool types that policies may match and the catalog says nothing about. Source: types.ToolUnionParam of the SDK.
_OTHER_TOOLS = ("custom", "bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_", "mcp_toolset")
_SNAPSHOT = "-20990101"

_MIXED: Final = re.compile(r"\((int, double|double, int)\)")


class ThenShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy decides about each action; what it does not name it leaves to the policies behind it.

    Attributes:
        bundle: whether code execution is made free with a web tool; one word, or a table that says by which means.
        tool_version: `keep`, `newest-compatible`, `pin` (nothing may change it), or the one version to declare.
        container: whether warm containers are threaded, within a conversation or within a caller's session.
        parses: formats that the client is known to read, so that versions may be raised beyond them.
        web: bounds for the web tools that the caller declares.
        on_disconnect: when the caller hangs up, close the upstream (`abort`) or read the answer to its end (`drain`).
        deny: refuse the request, with this message for the caller.
        tags: tags to record the request under; they beat the client's, and `callers.yaml` beats them.
    """

    bundle: Literal["never", "when-cheaper", "always"] | BundleRule | None = None
    tool_version: Text | None = None
    container: ContainerRule | None = None
    parses: tuple[Parses, ...] | None = None
    web: WebRule | None = None
    on_disconnect: DisconnectRule | None = None
    deny: Text | None = None
    tags: dict[TagKey, Text] | None = None


class PolicyShape(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `policies`.

    Attributes:
        name: how it is called in headers, ledger, metrics and findings.
        why: what it is for, in a sentence for whoever reads it in a year.
        mode: `enforce`, `shadow` (evaluated and reported beside the others), or `off`.
        match: which requests it is for; without it, all.
        when: a CEL expression over the documented variables, asked only where `match` holds; needs the extra `cel`.
        then: what it decides.
        rollout: the share of its requests that it is for; the rest falls through to the policies behind it.
        holdout: the share of its requests that is left untouched, to measure what it is worth.
        since: the first day on which it holds, from 00:00 UTC.
        until: the first day on which it does not hold any more.
    """

    name: Text
    why: Text
    mode: PolicyMode
    match: Match = Match()
    when: Text | None = None
    then: ThenShape
    rollout: Portion = Portion(100)
    holdout: Portion = Portion(0)
    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = None


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of `policies/`.

    Attributes:
        policies: in their order; for each action the first that matches and names it decides.
    """

    policies: tuple[PolicyShape, ...] = ()


def read_policies(files: Iterable[tuple[Reader, Node | None]], catalog: Catalog | None) -> tuple[Policy, ...]:
    """Return the policies of all files; names are checked against the catalog where there is one."""
    placed: list[tuple[Reader, Pairs, Policy]] = []
    for reader, root in files:
        if reader.top(root, ("policies",)):
            for node, shape in reader.rows(
                root, "policies", PolicyShape, lambda node: f'policy "{word(node, "name")}"'
            ):
                policy = _policy(shape)
                _check(reader, node, policy)
                if catalog is not None:
                    _check_names(reader, node, policy, catalog)
                placed.append((reader, node, policy))
    _check_order(placed)
    return tuple(policy for _, _, policy in placed)


def _policy(shape: PolicyShape) -> Policy:
    then, bundle = shape.then, shape.then.bundle
    actions = {action: getattr(then, action) for action in Then.__struct_fields__}
    return Policy(
        name=shape.name,
        why=shape.why,
        mode=shape.mode,
        match=shape.match,
        when=shape.when,
        then=Then(**{**actions, "bundle": BundleRule(act=bundle) if isinstance(bundle, str) else bundle}),
        rollout=shape.rollout,
        holdout=shape.holdout,
        since=shape.since,
        until=shape.until,
    )


def _check_order(placed: list[tuple[Reader, Pairs, Policy]]) -> None:
    """Find names that stand twice, and policies that an earlier one leaves nothing to decide."""
    silenced = never_decides([policy for _, _, policy in placed])
    seen: dict[str, str] = {}
    for reader, node, policy in placed:
        subject = f'policy "{policy.name}"'
        here = f"{reader.path}:{node.line}"
        if seen.setdefault(policy.name, here) != here:
            problem = f"a policy of this name stands at {seen[policy.name]}"
            reader.find(place(node, "name"), "duplicate-name", subject, problem, "Name it differently.")
            continue
        lost = silenced.get(policy.name, {})
        if lost and set(lost) == set(named(policy.then)):
            problem = f'it can never decide: "{next(iter(lost.values()))}" stands before it and always does'
            reader.find(node, "unreachable-policy", subject, problem, "Move it up, or narrow the other.")
            continue
        for action, culprit in lost.items():
            problem = f'its {action} is never asked for: "{culprit}" stands before it and always decides that'
            remedy = f"Leave {action} out, move the policy up, or narrow the other."
            reader.find(place(node, "then", action), "shadowed-action", subject, problem, remedy, "warning")


def _check(reader: Reader, node: Pairs, policy: Policy) -> None:
    """Find what is wrong with a policy by itself."""
    subject = f'policy "{policy.name}"'
    if policy.when is not None and isinstance(at := place(node, "when"), Scalar):
        _check_when(reader, at, subject, policy.when)
    if not named(policy.then):
        problem = '"then" decides nothing'
        remedy = f"Name one of: {', '.join(Then.__struct_fields__)}."
        reader.find(place(node, "then"), "decides-nothing", subject, problem, remedy)
    if policy.since is not None and policy.until is not None and policy.since >= policy.until:
        problem = f'"until" ({policy.until}) is not after "from" ({policy.since})'
        remedy = "The policy would never hold: correct a date."
        reader.find(place(node, "until"), "empty-period", subject, problem, remedy)
    for key in RANGES:
        range_ = getattr(policy.match, key)
        if range_ is not None and (range_.at_least or 0) >= (float("inf") if range_.below is None else range_.below):
            problem = f'no number lies in "match.{key}"'
            reader.find(place(node, "match", key), "empty-range", subject, problem, "Correct at_least or below.")
    _check_web(reader, node, policy, subject)


def _check_web(reader: Reader, node: Pairs, policy: Policy, subject: str) -> None:
    web = policy.then.web
    if web is None:
        return
    if web == WebRule():
        remedy = f"Name one of: {', '.join(WebRule.__struct_fields__)}."
        reader.find(place(node, "then", "web"), "decides-nothing", subject, '"then.web" bounds nothing', remedy)
    if web.allowed_domains is not None and web.blocked_domains is not None:
        problem = "a web tool takes allowed or blocked domains, not both"
        where = place(node, "then", "web", "blocked_domains")
        reader.find(where, "both-domains", subject, problem, "Keep allowed_domains: what is not in it is blocked.")


def _check_when(reader: Reader, node: Scalar, subject: str, text: str) -> None:
    """Find everything that is wrong with an expression."""
    try:
        compile_condition(text)
    except NoCelError:
        problem = '"when" needs the extra cel, which is not installed'
        remedy = "Install it (pip install 'claude-cost-planner[cel]'), or say it with match."
        reader.find(node, "needs-cel", subject, problem, remedy)
    except BadExpressionError as error:
        for fault in error.faults:
            line, col, source = position_in(node, fault.line, fault.col)
            shown = excerpt_of(source, col)
            problem = f'"when": {fault.problem}'
            reader.find(node, "bad-expression", subject, problem, _remedy(fault), at=(line, col), excerpt=shown)


def _remedy(fault: Fault) -> str:
    if fault.unknown is not None:
        return did_you_mean(fault.unknown, TYPES)
    if _MIXED.search(fault.problem):
        return "Compare counts with whole numbers (20) and the others with decimals (20.0, 0.8)."
    return "Correct it: docs/rules.md has the language and the variables."


def _check_names(reader: Reader, node: Pairs, policy: Policy, catalog: Catalog) -> None:
    """Find names of models, tools, versions and templates that do not exist."""
    subject = f'policy "{policy.name}"'
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
    version = policy.then.tool_version
    versions = (*VERSION_WORDS, *(tool.type for tool in catalog.tools if tool.family == "code_execution"))
    if version is not None and version not in versions:
        remedy = did_you_mean(version, versions)
        problem = f'"then.tool_version" cannot be "{version}"'
        reader.find(place(node, "then", "tool_version"), "unknown-value", subject, problem, remedy)
    if policy.then.bundle is not None:
        _check_bundle(reader, place(node, "then", "bundle"), subject, policy.then.bundle, catalog)


def _check_bundle(reader: Reader, node: Node, subject: str, bundle: BundleRule, catalog: Catalog) -> None:
    """Find a template that does not exist, bounds that it does not take, and what an agent could reach by it."""
    template = catalog.template(bundle.tool)
    if template is None:
        remedy = did_you_mean(bundle.tool, [each.name for each in catalog.templates])
        problem = f'the catalog has no template "{bundle.tool}"'
        reader.find(place(node, "tool"), "unknown-template", subject, problem, remedy)
        return
    for bound in ("domains", "max_uses", "url_sources"):
        if getattr(bundle, bound) is not None and bundle.by == "upgrade":
            remedy = "Bound the caller's own web tools with then.web."
            problem = f'"then.bundle.{bound}" bounds a tool that is added, and this policy adds none'
            reader.find(place(node, bound), "unknown-field", subject, problem, remedy)
    if bundle.url_sources is not None and not template.type.startswith("web_fetch_"):
        problem = f"{bundle.tool} is no fetch tool, and only those have url_sources"
        reader.find(place(node, "url_sources"), "unknown-field", subject, problem, "Leave it out, or choose another.")
    if bundle.act == "never" or bundle.by == "upgrade":
        return
    fed = bundle.url_sources is not None and "all" in msgspec.structs.astuple(bundle.url_sources)
    if template.live or fed:
        problem = f"{bundle.tool} {'with these url_sources ' if fed else ''}widens what the agent can reach"
        remedy = f"{'Leave them out' if fed else 'Choose inert_web_fetch'} unless the agent may use it."
        reader.find(place(node, "url_sources" if fed else "tool"), "widens-reach", subject, problem, remedy, "warning")


def _patterns(patterns: tuple[str, ...] | None, node: Node) -> list[tuple[str, Node]]:
    items = node.items if isinstance(node, Items) else ()
    return list(zip(patterns or (), items, strict=True)) if patterns else []
