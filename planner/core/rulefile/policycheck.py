"""What is wrong with a policy by itself, also where only some of its fields could be read."""

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, Final, get_args

import msgspec

from planner.core.findings import did_you_mean, excerpt_of
from planner.core.rulebook.book import CallerRow
from planner.core.rulebook.catalog import OTHER_TOOLS, Catalog
from planner.core.rulebook.conditions import TYPES, BadExpressionError, Fault, NoCelError, compile_condition
from planner.core.rulebook.policies import VERSION_WORDS, BundleRule, Policy, TagKey, Then, WebRule, named
from planner.core.rulebook.policyset import RANGES
from planner.core.rulefile.domains import wrong_with
from planner.core.rulefile.expression import names, tag_keys, words
from planner.core.rulefile.partial import Row
from planner.core.rulefile.read import Reader, place
from planner.core.rulefile.tree import Items, Node, Pairs, Scalar, position_in

SNAPSHOT: Final = "-20990101"
CLAIMED: Final = ("team", "project")
"""What a client may say of itself in `planner-tags`, unless `callers.yaml` says otherwise."""
WHOSE: Final = frozenset({"principal", "team", "project", "tags"})
"""What says whose conversations may share a container."""
KNOWN: Final = frozenset({"principal", "organization", "workspace", "billing", "flags"})
"""What no client can say of itself."""

_MIXED: Final = re.compile(r"\((int, double|double, int)\)")
_NO_HEADER: Final = re.compile(r"[^\x20-\x7e]")
_TAGS: Final[tuple[str, ...]] = get_args(TagKey)


def check(reader: Reader, row: Row[Any], policy: Policy, catalog: Catalog | None) -> None:
    """Find what is wrong with a policy; names are checked against the catalog where there is one."""
    node, subject = row.node, f'policy "{policy.name}"'
    if _NO_HEADER.search(policy.name):
        problem = f'no header can carry all of its name: planner-plan says "{_NO_HEADER.sub("?", policy.name)}"'
        reader.find(place(node, "name"), "unusual-name", subject, problem, "Name it in ASCII.", "warning")
    if policy.when is not None and isinstance(at := place(node, "when"), Scalar):
        _check_when(reader, at, subject, policy.when)
    if not named(policy.then) and "then" not in row.lost:
        problem = '"then" decides nothing'
        remedy = f"Name one of: {', '.join(Then.__struct_fields__)}."
        reader.find(place(node, "then"), "decides-nothing", subject, problem, remedy)
    _check_span(reader, node, policy, subject)
    _check_session(reader, node, policy, subject)
    if policy.then.web is not None:
        _check_web(reader, row, policy.then.web, subject)
    if policy.then.bundle is not None:
        _check_domains(reader, place(node, "then", "bundle", "domains"), subject)
    if catalog is not None:
        _check_names(reader, node, policy, catalog)


def check_claims(reader: Reader, node: Pairs, policy: Policy, callers: Iterable[CallerRow]) -> None:
    """Find a refusal that a client escapes, or brings upon others, by what it says of itself."""
    if policy.mode != "enforce" or policy.then.deny is None:
        return
    mentioned = names(policy.when or "")
    asked = {key for key in policy.match.__struct_fields__ if getattr(policy.match, key) is not None} | mentioned
    if not asked & {*CLAIMED, "tags"} or asked & KNOWN:
        return
    said = words(policy.when or "")
    for key in CLAIMED:
        wanted = (*(getattr(policy.match, key) or ()), *(said if key in mentioned else ()))
        known = {getattr(row, key) for row in callers} - {None}
        if any(fnmatchcase(each, pattern) for each in known for pattern in wanted):
            return
    problem = "it asks for what clients say of themselves in planner-tags, and callers.yaml knows no such team"
    remedy = "Ask for principal, or name the callers in callers.yaml with their team."
    reader.find(place(node, "then", "deny"), "claimable-team", f'policy "{policy.name}"', problem, remedy, "warning")


def _check_span(reader: Reader, node: Pairs, policy: Policy, subject: str) -> None:
    """Find days, numbers and shares in which nothing lies."""
    if policy.since is not None and policy.until is not None and policy.since >= policy.until:
        problem = f'"until" ({policy.until}) is not after "from" ({policy.since})'
        remedy = "The policy would never hold: correct a date."
        reader.find(place(node, "until"), "empty-period", subject, problem, remedy)
    for key in RANGES:
        range_ = getattr(policy.match, key)
        if range_ is not None and (range_.at_least or 0) >= (float("inf") if range_.below is None else range_.below):
            problem = f'no number lies in "match.{key}"'
            reader.find(place(node, "match", key), "empty-range", subject, problem, "Correct at_least or below.")
    if policy.rollout.percent == 0 and policy.mode != "off":
        problem, remedy = "its roll-out lets nobody in", "Write mode: off, which says so."
        where = place(node, "rollout", "percent")
        reader.find(where, "empty-rollout", subject, problem, remedy, "warning")


def _check_session(reader: Reader, node: Pairs, policy: Policy, subject: str) -> None:
    """Find a shared container that nobody in particular has asked for."""
    if policy.mode == "off" or policy.then.container != "session":
        return
    asked = {key for key in WHOSE if getattr(policy.match, key)} | (WHOSE & names(policy.when or ""))
    if not asked:
        problem = "whoever sends planner-session shares files and variables between conversations"
        remedy = "Name whose may see each other's, in match: principal, team, project or tags."
        reader.find(place(node, "then", "container"), "shared-session", subject, problem, remedy, "warning")


def _check_web(reader: Reader, row: Row[Any], web: WebRule, subject: str) -> None:
    at = place(row.node, "then", "web")
    if web == WebRule() and "then" not in row.lost:
        remedy = f"Name one of: {', '.join(WebRule.__struct_fields__)}."
        reader.find(at, "decides-nothing", subject, '"then.web" bounds nothing', remedy)
    if web.allowed_domains is not None and web.blocked_domains is not None:
        problem = "a web tool takes allowed or blocked domains, not both"
        remedy = "Keep allowed_domains: what is not in it is blocked."
        reader.find(place(at, "blocked_domains"), "both-domains", subject, problem, remedy)
    for key in ("allowed_domains", "blocked_domains"):
        _check_domains(reader, place(at, key), subject)


def _check_domains(reader: Reader, node: Node, subject: str) -> None:
    """Find what no web tool takes for a domain."""
    for item in node.items if isinstance(node, Items) else ():
        if isinstance(item, Scalar) and item.kind == "str" and item.text.strip():
            wrong = wrong_with(item.text)
            if wrong is not None:
                reader.find(item, "bad-domain", subject, f'"{item.text}" {wrong[0]}', wrong[1])


def _check_when(reader: Reader, node: Scalar, subject: str, text: str) -> None:
    """Find everything that is wrong with an expression."""
    faults: tuple[Fault, ...] = ()
    try:
        compile_condition(text)
    except NoCelError:
        problem = '"when" needs the extra cel, which is not installed'
        remedy = "Install it (pip install 'claude-cost-planner[cel]'), or say it with match."
        reader.find(node, "needs-cel", subject, problem, remedy)
    except BadExpressionError as error:
        faults = error.faults
    for fault in faults:
        _find_fault(reader, node, subject, fault, _remedy(fault))
    for key, line, col in tag_keys(text):
        if key not in _TAGS:
            _find_fault(reader, node, subject, Fault(line, col, f'no request has a tag "{key}"'), _tag_meant(key))


def _find_fault(reader: Reader, node: Scalar, subject: str, fault: Fault, remedy: str) -> None:
    line, col, source = position_in(node, fault.line, fault.col)
    problem, shown = f'"when": {fault.problem}', excerpt_of(source, col)
    reader.find(node, "bad-expression", subject, problem, remedy, at=(line, col), excerpt=shown)


def _tag_meant(key: str) -> str:
    return did_you_mean(key, _TAGS)


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
        if not any(fnmatchcase(model, pattern) for id_ in known for model in (id_, id_ + SNAPSHOT)):
            remedy = did_you_mean(pattern, known)
            reader.find(at, "unknown-model", subject, f'"{pattern}" matches no known model', remedy)
    types = tuple(tool.type for tool in catalog.tools)
    for pattern, at in _patterns(policy.match.tools, place(node, "match", "tools")):
        if not pattern.startswith(OTHER_TOOLS) and not any(fnmatchcase(type_, pattern) for type_ in types):
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


def _patterns(patterns: tuple[str | None, ...] | None, node: Node) -> Iterator[tuple[str, Node]]:
    """Patterns with their places; None stands for one that could not be read."""
    items = node.items if isinstance(node, Items) else ()
    for pattern, item in zip(patterns or (), items, strict=False):
        if pattern is not None:
            yield pattern, item
