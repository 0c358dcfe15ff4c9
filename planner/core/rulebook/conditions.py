"""`when` of a policy: a typed expression over what is known of a request, never over what anybody wrote in it.

The language is CEL (https://github.com/google/cel-spec), compiled and checked before it is ever asked, through one
small interface, so that nothing else here knows which library does it. An expression can reach nothing but the
variables below; its size is bounded, and a run-time error is an error, never a match.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, Protocol

import msgspec

Type = Literal["string", "int", "double", "bool", "list(string)", "map(string, string)"]

MOST_CHARACTERS: Final = 1_000
MOST_MACROS: Final = 2
"""Loops in one expression: with lists bounded as below, the work of one that is written in bad will stays bounded."""
MOST_ITEMS: Final = 64
"""Values of a list variable that an expression sees, in the request's order."""

_COMPILED: Final = 1_024
_MACRO: Final = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
_NO_CODE: Final = re.compile(
    r"""
      \"\"\"(?:\\.|[^\\])*?\"\"\"
    | '''(?:\\.|[^\\])*?'''
    | "(?:\\.|[^"\\\n])*"
    | '(?:\\.|[^'\\\n])*'
    | `[^`\n]*`
    | //[^\n]*
    """,
    re.DOTALL | re.VERBOSE,
)
"""Quoted text, quoted names and comments, whichever begins first: each may look as if it held one of the others."""
_FAULT: Final = re.compile(r"^(?:[A-Z_]+: )?ERROR: <input>:(\d+):(\d+): (.*)$", re.MULTILINE)
_UNDECLARED: Final = re.compile(r"undeclared reference to '(\w+)'")
_STATUS: Final = re.compile(r"^([A-Z_]+): (.*?)(?: \[\1\])?$", re.DOTALL)
_NOISE: Final = re.compile(r" \(in container ''\)| expecting .*$| \[[A-Z_]+\]$")
"""What a message has for people who write compilers: the name space, a status, every token that could have come."""
_OVERLOAD: Final = re.compile(r"found no matching overload for '(.+)' applied to '(\(.*\))'")
_OPERATORS: Final = {"_?_:_": "? :", "_[_]": "[ ]", "@in": "in"}
"""Operators that are not written as the compiler calls them, less the places of their operands."""


class Variable(msgspec.Struct, frozen=True):
    """Something that an expression can ask for."""

    name: str
    type: Type
    means: str


VARIABLES: Final = (
    Variable("principal", "string", "who calls: the name in `callers.yaml`, else the key's fingerprint"),
    Variable("team", "string", 'the caller\'s team, "" where none is known'),
    Variable("project", "string", "the caller's project, likewise"),
    Variable("organization", "string", 'the organization in which the caller is answered, "" while it is not known'),
    Variable("workspace", "string", "the workspace, likewise"),
    Variable("billing", "string", '`"api"` or `"subscription"`'),
    Variable("flags", "list(string)", "`zdr`, `hipaa`, as `callers.yaml` says"),
    Variable("tags", "map(string, string)", "the allowed tags of the request; ask `has(tags.feature)` first"),
    Variable("model", "string", 'the model as requested, "" where none is named'),
    Variable("tools", "list(string)", '`type` of each declared tool, in order; `"custom"` for a client tool'),
    Variable("tools_count", "int", "declared tools"),
    Variable("max_tokens", "int", "as requested, 0 where it is not said"),
    Variable("stream", "bool", "whether the answer is streamed"),
    Variable("begins", "bool", "whether a conversation begins with this request"),
    Variable("has_session", "bool", "whether the container of a `planner-session` could be gone on in"),
    Variable("has_files", "bool", "whether files are loaded into its container"),
    Variable("cached", "bool", "whether a cache breakpoint lies behind its tools"),
    Variable("prompt_tokens", "int", "the first prompt, estimated by the size of the body"),
    Variable("hour", "int", "0 to 23, UTC"),
    Variable("weekday", "int", "1 is Monday, 7 is Sunday, UTC"),
    Variable("profile_requests", "double", "requests that the agent is known by, older ones faded; 0 for a new agent"),
    Variable("profile_code_share", "double", "share of its requests that run code; as all the following, believed"),
    Variable("profile_code_seconds", "double", "seconds of code in a request that runs any"),
    Variable("profile_iterations", "double", "sampling iterations of a request"),
    Variable("profile_cached_share", "double", "part of its prompts that is read from the cache"),
    Variable("profile_turns", "double", "requests of a conversation"),
    Variable("free_hours_known", "bool", "whether enough is known of the month's container hours to forecast them"),
    Variable("free_hours_used", "double", "container hours of the organization this month, estimated"),
    Variable("free_hours_limit", "double", "free hours of a month"),
    Variable("free_hours_exceeded", "double", "chance, 0 to 1, that they are exceeded by the end of the month"),
)
"""The catalogue: flat and typed. Prompts, tool definitions and answers are not in it, and are never bound."""

TYPES: Final[Mapping[str, Type]] = {variable.name: variable.type for variable in VARIABLES}


class Fault(msgspec.Struct, frozen=True):
    """What is wrong at one place of an expression; `line` and `col` count from 1 inside of it."""

    line: int
    col: int
    problem: str
    unknown: str | None = None


class BadExpressionError(ValueError):
    """An expression that does not compile; `faults` holds every problem that was found."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{each.line}:{each.col}: {each.problem}" for each in faults))


class NoCelError(ImportError):
    """The extra `cel`, which reads expressions, is not installed."""


class ConditionError(Exception):
    """An expression that could not be evaluated for one request; it says the kind of error alone, and no value."""


class Condition(Protocol):
    """A compiled expression."""

    def holds(self, bound: object) -> bool:
        """Evaluate it over what `bind` made of the variables. Raises ConditionError."""
        ...


@lru_cache(maxsize=_COMPILED)
def compile_condition(text: str) -> Condition:
    """Compile and check an expression, which must be true or false.

    Raises:
        BadExpressionError: with every problem and its place.
        NoCelError: the library is not installed.
    """
    env = _environment()
    if len(text) > MOST_CHARACTERS:
        problem = f"it has {len(text):,} characters, and {MOST_CHARACTERS:,} are read at most"
        raise BadExpressionError((Fault(1, 1, problem),))
    if len(_MACRO.findall(_NO_CODE.sub(" ", text))) > MOST_MACROS:
        raise BadExpressionError((Fault(1, 1, f"it loops over lists more than {MOST_MACROS} times"),))
    try:
        expression = env.compile(text)
    except RuntimeError as error:
        raise BadExpressionError(_faults(str(error))) from None
    kind = expression.return_type().name()
    if kind != "BOOL":
        raise BadExpressionError((Fault(1, 1, f"it must be true or false, not a value of type {kind.lower()}"),))
    return _Compiled(expression)


def bind(values: Mapping[str, Any]) -> object:
    """Make what conditions are evaluated over: a value for every variable of the catalogue, of its type."""
    return _environment().Activation(values)


class _Compiled:
    """An expression as the library holds it."""

    def __init__(self, expression: Any) -> None:  # noqa: ANN401 - the library may be missing, its types too
        self._expression = expression

    def holds(self, bound: object) -> bool:
        """See `Condition`. The library gives most run-time errors back as a value, and raises the others."""
        try:
            found = self._expression.eval(bound).value()
        except RuntimeError as error:  # a budget that is spent, text that is no Unicode
            found = error
        if found is True or found is False:
            return bool(found)
        kind = _STATUS.match(str(found))
        raise ConditionError("UNKNOWN" if kind is None else kind[1])


@lru_cache(maxsize=1)
def _environment() -> Any:  # noqa: ANN401 - see above
    """The variables with their types. Raises NoCelError."""
    try:
        from cel_expr_python import cel  # noqa: PLC0415 - an extra, which answering requests without `when` never loads
    except ImportError as error:
        raise NoCelError("expressions need the extra cel: pip install 'claude-cost-planner[cel]'") from error
    text = cel.Type.STRING
    types = {
        "string": text,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "bool": cel.Type.BOOL,
        "list(string)": cel.Type.List(text),
        "map(string, string)": cel.Type.Map(text, text),
    }
    return cel.NewEnv(variables={name: types[type_] for name, type_ in TYPES.items()})


def _faults(message: str) -> tuple[Fault, ...]:
    """The places that a compiler's message names; all of it in the first place where it names none."""
    found = tuple(
        Fault(int(line), int(col), _plain(_NOISE.sub("", problem)), _unknown(problem))
        for line, col, problem in _FAULT.findall(message)
    )
    if found:
        return found
    status = _STATUS.match(message)
    return (Fault(1, 1, message if status is None else status[2]),)


def _plain(problem: str) -> str:
    """A message in the words of whoever wrote the expression."""
    problem = problem.replace("mismatched input '<EOF>'", "it ends where something must follow")
    return _OVERLOAD.sub(lambda found: f"'{_operator(found[1])}' does not take {found[2]}", problem)


def _operator(name: str) -> str:
    return _OPERATORS.get(name) or name.strip("_") or name


def _unknown(problem: str) -> str | None:
    match = _UNDECLARED.match(problem)
    return None if match is None else match[1]
