"""The requests of a plan as they are sent: bodies of `POST /v1/messages`, made of what the steps ask.

Where several steps go out in one request, each is asked for under a heading of its own, and its result is what the
answer has under that heading.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from planner.core.workflow.cost import Life
from planner.core.workflow.definitions import INERT
from planner.core.workflow.problem import Problem, Request
from planner.core.workflow.steps import PLACE

TOGETHER: Final = (
    "Do the following tasks one after the other. Begin the answer to each with its heading line, exactly as it stands"
    " here, and write nothing before the first heading."
)
SOON: Final = '(see your answer under "## {}")'


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a body is made of besides the plan.

    Attributes:
        results: of the steps that are done, by name.
        contexts: the shared texts, by name.
        uploads: ids of uploaded files, by step.
        container: the id to go on in.
        life: the cache lifetime behind the context.
        marked: whether a breakpoint stands at the end of the prompt.
    """

    results: Mapping[str, str]
    contexts: Mapping[str, str]
    uploads: Mapping[str, Sequence[str]]
    container: str | None
    life: Life
    marked: bool


def body(problem: Problem, request: Request, parts: Parts) -> dict[str, Any]:
    """The body of one request of a plan; KeyError for a result that is not there yet."""
    steps = [problem.steps[step] for step in request.steps]
    model = problem.models[request.steps[0]]
    content: list[dict[str, Any]] = [
        {"type": "container_upload", "file_id": file_id}
        for step in steps
        for file_id in parts.uploads.get(step.name, ())
    ]
    prompt: dict[str, Any] = {"type": "text", "text": _prompt(problem, request, parts.results)}
    if parts.marked:
        prompt["cache_control"] = {"type": "ephemeral"}
    made: dict[str, Any] = {"model": model, "max_tokens": sum(step.most_tokens for step in steps)}
    context = steps[0].context
    if context is not None:
        system: dict[str, Any] = {"type": "text", "text": parts.contexts[context]}
        if parts.life != "none":
            system["cache_control"] = {"type": "ephemeral", "ttl": parts.life}
        made["system"] = [system]
    tools = _tools(problem, request, model)
    if tools:
        made["tools"] = tools
    skills = tuple(dict.fromkeys(skill for step in steps for skill in step.skills))
    container: dict[str, Any] = {} if parts.container is None else {"id": parts.container}
    if skills:
        container["skills"] = [{"type": "anthropic", "skill_id": skill, "version": "latest"} for skill in skills]
    if container:
        made["container"] = container if skills else parts.container
    made["messages"] = [{"role": "user", "content": [*content, prompt]}]
    return made


def split(names: Sequence[str], answer: str) -> dict[str, str]:
    """The result of each step: the whole answer of one, or of several what stands under each heading.

    Where a heading is missing, the whole answer is the result of its step: nothing is lost to those that follow.
    """
    if len(names) == 1:
        return {names[0]: answer.strip()}
    places = {name: re.search(rf"^##\s+{re.escape(name)}\s*$", answer, re.MULTILINE) for name in names}
    found = sorted((place.start(), place.end(), name) for name, place in places.items() if place is not None)
    begins = [begin for begin, _, _ in found]
    ends = [*begins[1:], len(answer)][: len(found)]
    parts = {name: answer[begin:end].strip() for (_, begin, name), end in zip(found, ends, strict=True)}
    return {name: parts.get(name) or answer.strip() for name in names}


def _prompt(problem: Problem, request: Request, results: Mapping[str, str]) -> str:
    steps = [problem.steps[step] for step in request.steps]
    inside = {step.name for step in steps}

    def put(found: re.Match[str]) -> str:
        name = found[1]
        return SOON.format(name) if name in inside else results[name]

    texts = [PLACE.sub(put, step.ask or "") for step in steps]
    if len(texts) == 1:
        return texts[0]
    tasks = (f"## {step.name}\n{text}" for step, text in zip(steps, texts, strict=True))
    return "\n\n".join((TOGETHER, *tasks))


def _tools(problem: Problem, request: Request, model: str) -> list[dict[str, Any]]:
    """The definitions as they go out; ours last, as the planner puts it in."""
    definitions = problem.definitions(request.steps, request.web)
    catalog = problem.book.catalog
    declared = {type_ for step in request.steps for type_ in problem.steps[step].tools}
    template, row = catalog.template(INERT), catalog.model(model)
    ours = template.type if request.web == "inert" and template is not None else None
    tools: list[dict[str, Any]] = []
    for type_ in () if definitions is None else definitions.types:
        version = catalog.tool(type_)
        if type_ == ours or version is None:
            continue
        tool: dict[str, Any] = {"type": type_, "name": version.family}
        raised = request.web == "upgraded" and type_ not in declared and version.family != "code_execution"
        if version.frees_code and (raised or row is None or not row.ptc):
            tool["allowed_callers"] = ["direct"]  # what the basic version does, and all that models without ptc take
        tools.append(tool)
    if ours is not None:
        tools.append(msgspec.json.decode(catalog.render(INERT, model)))
    return tools
