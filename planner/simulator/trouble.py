"""What is wrong with a scenario file or a setting, said before anything runs: where it is, what it is, what to do.

The form is that of the planner's own findings, `file:line:col: subject: problem. remedy`; the code is the simulator's.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from planner.simulator.config import TOOL_TOKENS, Switches
from planner.simulator.scenario import File, Scenario

TOOL: Final = "tool_tokens."
UNKNOWN: Final = re.compile(r"unknown field `([^`]+)`")
AT: Final = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)


def check_settings(settings: Mapping[str, str]) -> list[str]:
    """One line a setting that the simulator cannot take, by its name in `rules/settings.yaml`."""
    return [line for name, text in settings.items() if (line := _check_setting(name, text)) is not None]


def _check_setting(name: str, text: str) -> str | None:
    subject = f"--set:1:1: setting {name}:"
    if name.startswith(TOOL):
        tool = name.removeprefix(TOOL)
        if tool not in TOOL_TOKENS:
            return f'{subject} no server tool is called "{tool}". {_nearest(tool, TOOL_TOKENS)}'
    else:
        known = [each for each in msgspec.to_builtins(Switches()) if each != TOOL.rstrip(".")]
        if name not in known:
            return f"{subject} the simulator does not read it. {_nearest(name, [*known, f'{TOOL}<type>'])}"
    try:
        Switches().with_texts({name: text})
    except msgspec.ValidationError as error:
        return f"{subject} {text!r} cannot be its value. {_split(error)[0]}."
    return None


def check_scenarios(path: str, text: str) -> list[str]:
    """What is wrong with the text of a scenario file: the first problem of its form, else all wrong expressions."""
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        data: Any = YAML(typ="safe", pure=True).load(text)
        scenarios = msgspec.convert(data or {}, File).scenarios
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{mark.line + 1}:{mark.column + 1}" if mark is not None else "1:1"
        return [f"{path}:{where}: this file: it is not YAML. {str(error.problem).capitalize()}."]
    except (YAMLError, RecursionError) as error:
        return [f"{path}:1:1: this file: it is not YAML. {error}"]
    except msgspec.ValidationError as error:
        return [_misshapen(path, root, error)]
    return list(_expressions(path, root, scenarios))


def _misshapen(path: str, root: Node | None, error: msgspec.ValidationError) -> str:
    """A field that is unknown, missing or of the wrong type, at its place."""
    problem, steps = _split(error)
    subject = _subject(steps)
    unknown = UNKNOWN.search(problem)
    if unknown is None:
        return f"{path}:{_place(root, steps)}: {subject}: {problem[:1].lower()}{problem[1:]}. See docs/simulator.md."
    place = _place(root, [*steps, unknown[1]], key=True)
    return f"{path}:{place}: {subject}: unknown field `{unknown[1]}`. {_nearest(unknown[1], _fields(steps))}"


def _expressions(path: str, root: Node | None, scenarios: Iterable[Scenario]) -> Iterator[str]:
    """Regular expressions that are none: they would fail only when a request comes."""
    for number, scenario in enumerate(scenarios):
        here: list[str | int] = ["scenarios", number, "match"]
        texts = {"text": scenario.match.text} if scenario.match.text is not None else {}
        found = [([*here, name], text) for name, text in texts.items()]
        found += [([*here, "metadata", name], text) for name, text in scenario.match.metadata.items()]
        for steps, text in found:
            try:
                re.compile(text)
            except re.error as error:
                yield (
                    f"{path}:{_place(root, steps)}: {_subject(steps)}: {text!r} is no regular expression. "
                    f"{str(error).capitalize()}."
                )


def _split(error: msgspec.ValidationError) -> tuple[str, list[str | int]]:
    """What msgspec says, and the way to the place of which it says it, as far as that is told."""
    match = AT.fullmatch(str(error))
    problem, way = (match[1], match[2] or "") if match is not None else (str(error), "")
    steps: list[str | int] = []
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", way):
        if index == "...":
            break
        steps.append(name or int(index))
    return problem.removeprefix("Object contains "), steps


def _subject(steps: Iterable[str | int]) -> str:
    words = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps]
    return "".join(words).lstrip(".") or "this file"


def _place(root: Node | None, steps: Iterable[str | int], *, key: bool = False) -> str:
    """`line:column` of the nearest node on the way that is there; of the last one its key, when that is asked for."""
    node, mark = root, root.start_mark if root is not None else None
    for step in steps:
        found: tuple[Node, Node] | None = None
        if isinstance(node, MappingNode):
            found = next(((name, value) for name, value in node.value if name.value == step), None)
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = (node.value[step], node.value[step])
        if found is None:
            break
        node, mark = found[1], found[0 if key else 1].start_mark
    return f"{mark.line + 1}:{mark.column + 1}" if mark is not None else "1:1"


def _fields(steps: Iterable[str | int]) -> list[str]:
    """The fields that may stand at the end of a way through a scenario file."""
    kind: inspect.Type | None = inspect.type_info(File)
    for step in steps:
        kind = _inner(kind)
        if isinstance(kind, inspect.StructType) and isinstance(step, str):
            kind = next((field.type for field in kind.fields if field.encode_name == step), None)
        elif isinstance(kind, inspect.VarTupleType):
            kind = kind.item_type
    kind = _inner(kind)
    return [field.encode_name for field in kind.fields] if isinstance(kind, inspect.StructType) else []


def _inner(kind: inspect.Type | None) -> inspect.Type | None:
    """The type without its `None`."""
    if isinstance(kind, inspect.UnionType):
        return next((each for each in kind.types if not isinstance(each, inspect.NoneType)), None)
    return kind


def _nearest(word: str, known: Iterable[str]) -> str:
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1)
    return f'Did you mean "{near[0]}"?' if near else f"Use one of: {', '.join(words)}."
