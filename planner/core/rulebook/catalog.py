"""The catalog says which tool version works with which model, what a tool that we add looks like, and what we assume.

Dated rows and priors from `rules/catalog.yaml`; everything here is data and lookups, deciding happens above.
Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from fnmatch import translate
from typing import Annotated, Any, Final, Literal

import msgspec

Mark = Literal["A", "B", "C", "?"]
Family = Literal["code_execution", "web_search", "web_fetch"]
Blocks = Literal["v1", "v2"]
Ability = Literal["ptc", "state", "dynamic_filtering", "use_cache", "response_inclusion"]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Texts = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
Amount = Annotated[float, msgspec.Meta(ge=0)]

Bounds = tuple[tuple[str, Any], ...]
"""Members that a policy sets in a tool of a template: the name, and a hashable value."""

LONGEST_REMEMBERED: Final = 256
"""Characters of a client's word that is remembered: what is longer is no name of anything, and is looked at anew."""

OTHER_TOOLS: Final = ("custom", "bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_", "mcp_toolset")
"""How tool types begin that rules may name and the catalog says nothing of. Source: types.ToolUnionParam of the SDK."""

_MODELS_REMEMBERED = 1_024  # ids come from clients, so what is remembered of them is bounded


TAIL: Final = 1.2815515655446004
"""Standard deviations from the middle of a normal distribution to its 10 % and 90 % points, between which lie 80 %."""


class Interval(msgspec.Struct, frozen=True):
    """What we believe a quantity to be: 80 % of cases lie from `low` to `high`.

    Attributes:
        low: one case in ten lies below.
        likely: what is expected.
        high: one case in ten lies above.
    """

    low: Amount
    likely: Amount
    high: Amount

    def __add__(self, other: "Interval") -> "Interval":
        """What is believed of a sum."""
        return Interval(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __sub__(self, other: "Interval") -> "Interval":
        """What is believed of a difference that cannot be negative."""
        pairs = ((self.low, other.low), (self.likely, other.likely), (self.high, other.high))
        low, likely, high = sorted(max(one - two, 0.0) for one, two in pairs)
        return Interval(low, likely, high)


class Prior(msgspec.Struct, frozen=True, kw_only=True):
    """An interval with its mark and its meaning, believed until an agent's own traffic says otherwise.

    Attributes:
        low: one case in ten lies below.
        likely: what is expected.
        high: one case in ten lies above.
        mark: how sure it is: A official, B official and seen in part, C reported by others, "?" nobody says.
        means: what is counted, and where the numbers come from.
    """

    low: Amount
    likely: Amount
    high: Amount
    mark: Mark
    means: str = ""

    @property
    def interval(self) -> Interval:
        """Return the three numbers alone."""
        return Interval(self.low, self.likely, self.high)


class ToolVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a server tool. Its `name` in a request is its family.

    Attributes:
        type: the version, as a request declares it.
        family: the tool that it is a version of; the type begins with it.
        since: the day on which it was released.
        blocks: the format of its results, which a client must parse: v1 code_execution_result, v2 bash and text editor.
        supports: what it can do beyond the first version of its family.
        min_code_with: of a web tool, the oldest code execution that may stand beside it.
        frees_code: true where its presence makes the code execution of a request free.
        source: the address of the page that says so.
        checked: the day on which the row was last compared with its source.
        mark: how sure it is: A official, B official and seen in part, C reported by others, "?" nobody says.
    """

    type: Text
    family: Family
    since: date
    blocks: Blocks = "v2"
    supports: tuple[Ability, ...] = ()
    min_code_with: str | None = None
    frees_code: bool = False
    source: Text
    checked: date
    mark: Mark


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the models that match take and do; the first row that matches a model holds.

    Attributes:
        name: by which people know the row.
        models: exact ids, which makes these models known, or globs.
        code: versions of code execution that the models take.
        web: versions of web tools that the models take.
        ptc: whether they have programmatic tool calling, without which newer web tools need direct callers.
        forced_tool_choice_ok: false where a tool choice of `any` or `tool` is refused.
        binds_thinking: true where thinking blocks are bound to the prefix, so that `tools` cannot change midway.
        min_cache_prefix: the fewest tokens that a prompt cache holds.
        context_tokens: how many tokens a request may have; near them nothing is added.
        source: the address of the page that says so.
        checked: the day on which the row was last compared with its source.
        mark: how sure it is: A official, B official and seen in part, C reported by others, "?" nobody says.
    """

    name: Text
    models: Texts
    code: tuple[str, ...]
    web: tuple[str, ...]
    ptc: bool
    forced_tool_choice_ok: bool
    binds_thinking: bool
    min_cache_prefix: Annotated[int, msgspec.Meta(ge=0)]
    context_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    source: Text
    checked: date
    mark: Mark


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the planner may add to a request.

    Attributes:
        name: by which policies choose it.
        why: what it is for.
        live: true where the tool can reach something, so that adding it widens what an agent can do.
        tool: the tool as it is declared in a request, key by key.
        without_ptc: what is added to it for models without programmatic tool calling.
    """

    name: Text
    why: Text
    live: bool
    tool: dict[str, Any]
    without_ptc: dict[str, Any] = {}

    @property
    def type(self) -> str:
        """Return the tool version that the template declares."""
        return str(self.tool["type"])


class Deny(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of models and tool versions that is broken for now: the planner never declares it by itself.

    Attributes:
        models: ids or globs of the models.
        tools: the tool versions that are not declared for them.
        why: what breaks.
        source: who says so.
        checked: the day on which that was last seen.
    """

    models: Texts
    tools: Texts
    why: Text
    source: Text
    checked: date


class Priors(msgspec.Struct, frozen=True, kw_only=True):
    """What is assumed of an agent before it has been watched.

    Attributes:
        tool_tokens: by tool version, the input tokens that declaring it adds to each iteration.
        upgrade_tokens: input tokens per iteration that raising a basic web tool adds.
        lift_tokens: input tokens per iteration that a newer code execution of the same block format adds.
        code_probability: share of the requests declaring code execution that run it.
        code_seconds: seconds of execution in a request that runs code.
        session_idle_seconds: seconds between two requests of one conversation.
        iterations: iterations on the server of a request that runs code.
        iteration_growth_tokens: input tokens that each iteration adds to the next.
        cached_share: share of the prompt tokens that are read from a prompt cache.
        turns: requests of one conversation.
        turns_without_client_tools: the same where only server tools are declared; without it, `turns` hold for all.
        conversations_per_epoch: conversations that begin on one warm prefix before it goes cold.
        futile_call_probability: share of the requests in which a model tries a tool that can reach nothing.
        futile_call_tokens: tokens of such a try and its error.
    """

    tool_tokens: dict[str, Prior]
    upgrade_tokens: Prior
    lift_tokens: Prior
    code_probability: Prior
    code_seconds: Prior
    session_idle_seconds: Prior
    iterations: Prior
    iteration_growth_tokens: Prior
    cached_share: Prior
    turns: Prior
    turns_without_client_tools: Prior | None = None
    conversations_per_epoch: Prior
    futile_call_probability: Prior
    futile_call_tokens: Prior


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every row of the catalog, looked up by tool type and model id; the first model row that matches wins."""

    tools: tuple[ToolVersion, ...]
    models: tuple[ModelRow, ...]
    templates: tuple[Template, ...]
    priors: Priors
    deny: tuple[Deny, ...] = ()
    _tools: dict[str, ToolVersion] = field(init=False, compare=False, repr=False)
    _models: tuple[tuple[Callable[[str], object], ModelRow], ...] = field(init=False, compare=False, repr=False)
    _deny: tuple[tuple[Callable[[str], object], Deny], ...] = field(init=False, compare=False, repr=False)
    _found: dict[str, ModelRow | None] = field(init=False, compare=False, repr=False)
    _rendered: dict[tuple[str, bool, Bounds], bytes] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tools", {tool.type: tool for tool in self.tools})
        object.__setattr__(self, "_models", tuple((matcher(row.models), row) for row in self.models))
        object.__setattr__(self, "_deny", tuple((matcher(row.models), row) for row in self.deny))
        object.__setattr__(self, "_found", {})
        object.__setattr__(self, "_rendered", {})

    @property
    def known_models(self) -> tuple[str, ...]:
        """Return every exact model id of the catalog, in file order."""
        return tuple(model for row in self.models for model in row.models if is_exact(model))

    def tool(self, type_: str) -> ToolVersion | None:
        """Return a tool version by its type, or None for one that the catalog does not know."""
        return self._tools.get(type_)

    def model(self, model: str) -> ModelRow | None:
        """Return the row of a model id, or None for a model that the catalog does not know."""
        if model in self._found:
            return self._found[model]
        found = next((row for matches, row in self._models if matches(model)), None)
        if len(model) <= LONGEST_REMEMBERED:
            if len(self._found) >= _MODELS_REMEMBERED:
                self._found.clear()
            self._found[model] = found
        return found

    def template(self, name: str) -> Template | None:
        """Return a template by its name."""
        return next((each for each in self.templates if each.name == name), None)

    def render(self, name: str, model: str, bounds: Bounds = ()) -> bytes:
        """Return the template as JSON for a model: the same bytes every time, keys in the order of the file.

        `bounds` are members that a policy sets in it. Errors: KeyError for a template that is not in the catalog.
        """
        row = self.model(model)
        key = name, row is None or row.ptc, bounds
        if key not in self._rendered:  # there are as many as policies name
            template = self.template(name)
            if template is None:
                raise KeyError(name)
            self._rendered[key] = _render(template, ptc=key[1], bounds=bounds)
        return self._rendered[key]

    def denied(self, model: str, type_: str) -> Deny | None:
        """Return the entry that forbids a tool version on a model, or None."""
        return next((row for matches, row in self._deny if type_ in row.tools and matches(model)), None)

    def takes(self, model: str, type_: str) -> bool:
        """Say whether a model takes a tool version and no deny entry forbids it; an unknown model takes nothing."""
        row = self.model(model)
        return row is not None and type_ in (*row.code, *row.web) and self.denied(model, type_) is None

    def frees_code(self, type_: str) -> bool:
        """Say whether the presence of a tool makes code execution free; false for an unknown type."""
        tool = self._tools.get(type_)
        return tool is not None and tool.frees_code

    def code_needed_beside(self, type_: str) -> str | None:
        """Return the oldest code execution that may stand beside a web tool, None where any may."""
        tool = self._tools.get(type_)
        return None if tool is None else tool.min_code_with

    def choices(
        self, model: str, declared: str, minimum: str | None = None, *, cross_blocks: bool = False
    ) -> tuple[str, ...]:
        """Return the versions of the declared tool's family that would do, oldest first.

        Each is taken by the model, is not denied, is `minimum` or newer, and (unless `cross_blocks`) answers in the
        block format that the caller already parses. Empty where the declared type is unknown.
        """
        tool = self._tools.get(declared)
        if tool is None:
            return ()
        return tuple(
            sorted(
                other.type
                for other in self.tools
                if other.family == tool.family
                and (cross_blocks or other.blocks == tool.blocks)
                and (minimum is None or other.type >= minimum)
                and self.takes(model, other.type)
            )
        )

    def nearest(
        self, model: str, declared: str, minimum: str | None = None, *, cross_blocks: bool = False
    ) -> str | None:
        """Return the declared version when it will do, else the next newer one, else the next older; else None."""
        choices = self.choices(model, declared, minimum, cross_blocks=cross_blocks)
        newer = [choice for choice in choices if choice >= declared]
        if newer:
            return newer[0]
        return choices[-1] if choices else None

    def newest(
        self, model: str, declared: str, minimum: str | None = None, *, cross_blocks: bool = False
    ) -> str | None:
        """Return the newest version that will do, or None."""
        choices = self.choices(model, declared, minimum, cross_blocks=cross_blocks)
        return choices[-1] if choices else None

    def upgrade_of(self, model: str, declared: str) -> str | None:
        """Return the oldest version of a basic web tool's family that frees code on the model, or None."""
        tool = self._tools.get(declared)
        if tool is None or tool.family == "code_execution" or tool.frees_code:
            return None
        return next((choice for choice in self.choices(model, declared) if self._tools[choice].frees_code), None)


def is_exact(pattern: str) -> bool:
    """Say whether a pattern is a plain id rather than a glob."""
    return not any(sign in pattern for sign in "*?[")


def matcher(patterns: Iterable[str]) -> Callable[[str], object]:
    """Return a test of a word against case-sensitive globs, of which one must match."""
    return re.compile("|".join(f"(?:{translate(pattern)})" for pattern in patterns)).match


def _render(template: Template, *, ptc: bool, bounds: Bounds) -> bytes:
    tool = template.tool if ptc else template.tool | template.without_ptc
    sources = {key: {"type": word} for key, word in dict(bounds).get("url_sources", ())}
    return msgspec.json.encode(tool | dict(bounds) | ({"url_sources": sources} if sources else {}))
