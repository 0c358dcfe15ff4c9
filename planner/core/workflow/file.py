"""A workflow file becomes a workflow, or findings: every problem at once, each with its line and column."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from planner.core.findings import Finding, did_you_mean, errors
from planner.core.rulebook.catalog import Catalog, Interval, is_exact
from planner.core.rulefile.catalogfile import check_interval
from planner.core.rulefile.read import Reader, place, word
from planner.core.rulefile.tree import Items, Node, Pairs, Scalar, parse
from planner.core.workflow.steps import MOST_SKILLS, Context, Needs, Step, Workflow, asked, interval

NEEDED: Final = (("code_seconds", "code_execution"), ("searches", "web_search"))
"""What a step does, and the family of a tool that it needs for it."""


class WorkflowReading(msgspec.Struct, frozen=True):
    """What reading gave: a workflow, unless one of the findings is an error."""

    workflow: Workflow | None
    findings: tuple[Finding, ...]


def read_workflow(path: str, text: bytes, catalog: Catalog, *, to_run: bool = False) -> WorkflowReading:
    """Read a workflow file; its models and tools are looked up in the catalog.

    One that is `to_run` must say what each step asks, and what its contexts are.
    """
    root, findings = parse(path, text)
    reader = Reader(path)
    workflow = None
    if root is None and not findings:
        reader.find(
            Scalar(1, 1, "", "null"), "missing-field", "this workflow", "the file is empty", "Begin with steps:."
        )
    if root is not None:
        workflow = reader.read(root, Workflow, "this workflow")
    if isinstance(root, Pairs):
        _check(reader, root, catalog, to_run=to_run)
    found = tuple(sorted((*findings, *reader.findings)))
    return WorkflowReading(None if errors(found) else workflow, found)


class Known(msgspec.Struct, frozen=True):
    """The names that steps may use, those of broken rows included: what is wrong with them is told where they stand."""

    steps: tuple[str, ...]
    contexts: tuple[str, ...]
    model: str | None
    catalog: Catalog


def _check(reader: Reader, root: Pairs, catalog: Catalog, *, to_run: bool) -> None:
    listed, contexts = place(root, "steps"), root.values.get("contexts")
    nodes = listed.items if isinstance(listed, Items) else ()
    known = Known(
        tuple(word(node, "name") for node in nodes),
        tuple(contexts.values) if isinstance(contexts, Pairs) else (),
        word(root, "model") if "model" in root.values else None,
        catalog,
    )
    sound = Reader(reader.path).rows(root, "steps", Step, lambda node: word(node, "name"))
    if known.model is not None and any(step.model is None for _, step in sound):
        _check_known(reader, place(root, "model"), known.model, "this workflow", catalog)
    for node, step in sound:
        _check_names(reader, node, step, known)
        _check_model(reader, node, step, known)
        _check_tools(reader, node, step, known)
        for key in Needs._fields:
            check_interval(reader, place(node, key), interval(getattr(step, key)), f'step "{step.name}": {key}')
        if len(step.skills) > MOST_SKILLS:
            problem, remedy = f"{len(step.skills)} Skills", f"A request takes {MOST_SKILLS} at most: split the step."
            reader.find(place(node, "skills"), "out-of-range", f'step "{step.name}"', problem, remedy)
        if interval(step.iterations).low < 1:
            problem, remedy = '"iterations" is less than 1', "Count the first one too."
            reader.find(place(node, "iterations"), "out-of-range", f'step "{step.name}"', problem, remedy)
    for name in known.contexts:
        tokens = Reader(reader.path).read(place(root, "contexts", name), Context, "")
        if tokens is not None:
            at = place(root, "contexts", name, "tokens")
            check_interval(reader, at, interval(tokens.tokens), f'context "{name}": tokens')
    _check_order(reader, sound)
    if to_run:
        _check_run(reader, root, sound)


def _check_run(reader: Reader, root: Pairs, sound: Sequence[tuple[Node, Step]]) -> None:
    """Find what a run would lack: words to send, and results that would not be there in time."""
    known = {step.name: step for _, step in sound}
    for node, step in sound:
        subject = f'step "{step.name}"'
        if step.ask is None:
            problem, remedy = "it does not say what it asks", "Add ask: with the words to send."
            reader.find(node, "missing-field", subject, problem, remedy)
        for other in asked(step.ask or ""):
            if other not in _before(step, known):
                problem = f'"ask" wants the result of "{other}", which it does not follow'
                reader.find(place(node, "ask"), "unknown-step", subject, problem, "Add it to after.")
    contexts = root.values.get("contexts")
    for name, node in (contexts.values if isinstance(contexts, Pairs) else {}).items():
        if isinstance(node, Pairs) and ("text" in node.values) == ("file" in node.values):
            problem, remedy = "it has no text, or two", "Add text: or file:, one of them."
            reader.find(node, "missing-field", f'context "{name}"', problem, remedy)


def _before(step: Step, known: Mapping[str, Step]) -> set[str]:
    """The names of all steps that must have ended before a step."""
    before: set[str] = set()
    left = list(step.follows)
    while left:
        name = left.pop()
        if name not in before and name in known:
            before.add(name)
            left += known[name].follows
    return before


def _check_names(reader: Reader, node: Node, step: Step, known: Known) -> None:
    subject = f'step "{step.name}"'
    first = place(node, "name")
    if known.steps.count(step.name) > 1:
        remedy = "Name it differently: others follow it by its name."
        reader.find(first, "duplicate-name", subject, "another step has this name", remedy)
    if step.context is not None and step.context not in known.contexts:
        remedy = did_you_mean(step.context, known.contexts)
        reader.find(
            place(node, "context"), "unknown-context", subject, f'no context is called "{step.context}"', remedy
        )
    others = [name for name in known.steps if name != step.name]
    for key in ("after", "files_from"):
        for other, at in _words(node, key, getattr(step, key)):
            if other not in others:
                problem = f'"{key}" names "{other}", which is no other step'
                reader.find(at, "unknown-step", subject, problem, did_you_mean(other, others))


def _check_model(reader: Reader, node: Node, step: Step, known: Known) -> None:
    subject = f'step "{step.name}"'
    if step.model is not None:
        _check_known(reader, place(node, "model"), step.model, subject, known.catalog)
    elif known.model is None:
        problem, remedy = "it has no model, and neither has the workflow", "Add model: to one of them."
        reader.find(node, "missing-field", subject, problem, remedy)


def _check_known(reader: Reader, node: Node, model: str, subject: str, catalog: Catalog) -> None:
    if not is_exact(model) or catalog.model(model) is None:
        remedy = did_you_mean(model, catalog.known_models)
        reader.find(node, "unknown-model", subject, f'the catalog knows no model "{model}"', remedy)


def _check_tools(reader: Reader, node: Node, step: Step, known: Known) -> None:
    subject, families, catalog = f'step "{step.name}"', set(), known.catalog
    for type_, at in _words(node, "tools", step.tools):
        tool = catalog.tool(type_)
        if tool is None:
            remedy = did_you_mean(type_, [each.type for each in catalog.tools])
            reader.find(at, "unknown-tool", subject, f'no tool is called "{type_}"', remedy)
            return
        families.add(tool.family)
    frees = any(catalog.frees_code(type_) for type_ in step.tools)  # such a tool brings code execution along
    for key, family in NEEDED:
        quantity = getattr(step, key)
        high = quantity.high if isinstance(quantity, Interval) else quantity
        if high and family not in families and not (family == "code_execution" and frees):
            problem = f'"{key}" needs a tool that it does not declare'
            reader.find(place(node, key), "needs-tool", subject, problem, f"Add a version of {family} to its tools.")
    contained = next((key for key in ("files", "attach", "skills", "files_from") if getattr(step, key)), None)
    if contained and "code_execution" not in families and not frees:
        key = contained
        problem = f'"{key}" needs a container, and no tool of it has one'
        reader.find(place(node, key), "needs-tool", subject, problem, "Add a version of code_execution to its tools.")


def _check_order(reader: Reader, sound: Sequence[tuple[Node, Step]]) -> None:
    """Find the steps that wait for each other in a circle, each circle once; what is broken waits for nothing."""
    names = {step.name for _, step in sound}
    follows = {step.name: [name for name in step.follows if name in names - {step.name}] for _, step in sound}
    done: set[str] = set()
    while ready := {name for name, wanted in follows.items() if name not in done and not set(wanted) - done}:
        done |= ready
    for node, step in sound:
        way = [] if step.name in done else [step.name]
        while way and (before := next((name for name in follows[way[-1]] if name not in done), None)) not in way:
            if before is None:  # it only waits for a circle that is told already
                way = []
                break
            way.append(before)
        if not way or before is None:
            continue
        circle = way[way.index(before) :]
        problem = f"it waits for itself: {' after '.join((*circle, before))}"
        remedy = "Take one of them out of after or files_from."
        reader.find(place(node, "after"), "circle", f'step "{step.name}"', problem, remedy)
        done |= set(circle)


def _words(node: Node, key: str, words: tuple[str, ...]) -> list[tuple[str, Node]]:
    listed = place(node, key)
    places = listed.items if isinstance(listed, Items) else tuple(listed for _ in words)
    return list(zip(words, places, strict=True))
