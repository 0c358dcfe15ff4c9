"""What a request's `tools` array declares: which server tools, which versions, who may call them, what is free."""

from collections.abc import Sequence
from typing import Any

import msgspec

from planner.simulator.canonical import Json
from planner.simulator.config import Switches

CODE = (
    "code_execution_20250522",
    "code_execution_20250825",
    "code_execution_20260120",
    "code_execution_20260521",
)
SEARCH = ("web_search_20250305", "web_search_20260209", "web_search_20260318")
FETCH = ("web_fetch_20250910", "web_fetch_20260209", "web_fetch_20260309", "web_fetch_20260318")
SERVER = (*CODE, *SEARCH, *FETCH)
FAMILIES = ("code_execution_", "web_search_", "web_fetch_")
ANTHROPIC = (
    "bash_",
    "text_editor_",
    "memory_",
    "computer_",
    "browser_",
    "tool_search_tool_",
    "advisor_",
    "mcp_toolset",
)
LEGACY = CODE[0]
PROGRAMMATIC_SINCE = "20260120"
FILTERING_SINCE = "20260209"
CALLER = "code_execution_20260120"
DIRECT = "direct"
DIRECT_ONLY = [DIRECT]


def version(tool_type: str) -> str:
    """The date a tool type ends in."""
    return tool_type[-8:]


def tool_type(tool: Json) -> str:
    """A tool's type; `custom` when it has none."""
    value = tool.get("type")
    return value if isinstance(value, str) else "custom"


def filters(tool: Json) -> bool:
    """Whether a web tool is new enough for dynamic filtering."""
    kind = tool_type(tool)
    return kind in (*SEARCH, *FETCH) and version(kind) >= FILTERING_SINCE


def callers(tool: Json) -> Sequence[str]:
    """Who may call a tool: what it says, else code for web tools with dynamic filtering, else the model alone."""
    value = tool.get("allowed_callers")
    if isinstance(value, list):
        return [item for item in value if isinstance(item, str)]
    return [CALLER] if filters(tool) else DIRECT_ONLY


def called_by_code(tool: Json) -> bool:
    """Whether code in the container may call the tool."""
    return any(caller.startswith("code_execution_") for caller in callers(tool))


class Toolbox(msgspec.Struct, frozen=True, kw_only=True):
    """The tools of a request, sorted by what the simulator does with them."""

    tools: Sequence[Json]
    code: str | None
    """The code execution version in force: declared, else 20260120 where a web tool brings it, else None."""
    declared_code: bool
    search: Json | None
    fetch: Json | None
    clients: dict[str, Json]
    frees: bool
    """A web tool in the request makes its code execution free."""

    @property
    def programmatic(self) -> bool:
        """Whether code may call tools."""
        return self.code is not None and version(self.code) >= PROGRAMMATIC_SINCE


def toolbox(tools: Sequence[Json], switches: Switches) -> Toolbox:
    """Sort a validated `tools` array."""
    code = search = fetch = None
    clients: dict[str, Json] = {}
    frees = False
    for tool in tools:
        kind = tool_type(tool)
        if kind in CODE:
            code = kind
        elif kind in SEARCH:
            search = tool
        elif kind in FETCH:
            fetch = tool
        else:
            clients[str(tool.get("name", kind))] = tool
        frees = frees or _frees(tool, switches)
    injected = any(filters(tool) and called_by_code(tool) for tool in tools)
    return Toolbox(
        tools=tools,
        code=code or (CALLER if injected else None),
        declared_code=code is not None,
        search=search,
        fetch=fetch,
        clients=clients,
        frees=frees,
    )


def _frees(tool: Json, switches: Switches) -> bool:
    if not filters(tool):
        return False
    if tool.get("defer_loading") is True and not switches.code_deferred_web_tool_frees:
        return False
    return called_by_code(tool) or switches.code_direct_web_tool_frees


def sample_input(schema: Any) -> Json:  # noqa: ANN401 - a JSON schema from the caller, of any shape
    """The smallest input that a client tool's JSON schema asks for."""
    if not isinstance(schema, dict):
        return {}
    properties = schema.get("properties")
    required = schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return {}
    return {name: _sample(properties.get(name)) for name in required if isinstance(name, str)}


def _sample(schema: object) -> object:
    if not isinstance(schema, dict):
        return "value"
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    samples: Json = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}, "null": None}
    kind = schema.get("type")
    if kind == "object":
        return sample_input(schema)
    return samples.get(kind, "value") if isinstance(kind, str) else "value"
