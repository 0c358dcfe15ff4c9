"""What the API says to a `tools` array it cannot serve."""

from collections.abc import Sequence

from planner.simulator.canonical import Json, blocks_of
from planner.simulator.config import Config, Key
from planner.simulator.errors import invalid
from planner.simulator.models import Model
from planner.simulator.tools import (
    ANTHROPIC,
    CODE,
    DIRECT_ONLY,
    FAMILIES,
    FETCH,
    PROGRAMMATIC_SINCE,
    SEARCH,
    SERVER,
    called_by_code,
    callers,
    filters,
    tool_type,
    version,
)

CALLERS = ("direct", "code_execution_20250825", "code_execution_20260120", "code_execution_20260521")
FETCH_ONLY_SINCE = {"use_cache": "20260309", "response_inclusion": "20260318"}
CONFLICT = (
    "Auto-injecting tools would conflict with existing tool names: ['code_execution']. Each tool name must be unique."
)


def check(body: Json, model: Model, key: Key, config: Config) -> None:
    """Judge the tools of a request.

    Raises:
        ApiError: 400 that names the tool.
    """
    value = body.get("tools")
    if value is None:
        return
    if not isinstance(value, list):
        raise invalid("tools: Input should be a valid list")
    for index, tool in enumerate(value):
        if not isinstance(tool, dict):
            raise invalid(f"tools.{index}: Input should be a valid dictionary")
        _check_tool(f"tools.{index}", tool)
    tools = blocks_of(value)
    _check_names(tools)
    _check_injection(tools)
    _check_model(tools, model)
    _check_organization(tools, key, config)


def _check_tool(where: str, tool: Json) -> None:
    kind = tool_type(tool)
    if kind in SERVER:
        _check_server_tool(where, kind, tool)
    elif kind.startswith(FAMILIES) or not (kind == "custom" or kind.startswith(ANTHROPIC)):
        expected = ", ".join(f"'{name}'" for name in ("custom", *SERVER))
        raise invalid(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {expected}"
        )
    elif kind == "custom":
        if not isinstance(tool.get("name"), str):
            raise invalid(f"{where}.custom.name: Field required")
        if not isinstance(tool.get("input_schema"), dict):
            raise invalid(f"{where}.custom.input_schema: Field required")


def _check_server_tool(where: str, kind: str, tool: Json) -> None:
    name = "code_execution" if kind in CODE else "web_search" if kind in SEARCH else "web_fetch"
    if tool.get("name") != name:
        raise invalid(f"{where}.{kind}.name: Input should be '{name}'")
    for caller in callers(tool):
        if caller not in CALLERS:
            expected = ", ".join(f"'{item}'" for item in CALLERS)
            raise invalid(f"{where}.{kind}.allowed_callers: Input should be one of {expected}")
    uses = tool.get("max_uses")
    if uses is not None and (kind in CODE or not isinstance(uses, int) or uses <= 0):
        wrong = "Extra inputs are not permitted" if kind in CODE else "Input should be greater than 0"
        raise invalid(f"{where}.{kind}.max_uses: {wrong}")
    if tool.get("allowed_domains") is not None and tool.get("blocked_domains") is not None:
        raise invalid(f"{where}.{kind}: Only one of `allowed_domains` and `blocked_domains` can be specified")
    for field, since in FETCH_ONLY_SINCE.items():
        if field in tool and version(kind) < since:
            raise invalid(f"{where}.{kind}.{field}: Extra inputs are not permitted")
    if tool.get("url_sources") is not None:
        _check_sources(f"{where}.{kind}", kind, tool["url_sources"])


def _check_sources(where: str, kind: str, sources: object) -> None:
    if kind not in FETCH:
        raise invalid(f"{where}.url_sources: Extra inputs are not permitted")
    if not isinstance(sources, dict):
        raise invalid(f"{where}.url_sources: Input should be a valid dictionary")
    for name, value in sources.items():
        tagged = value.get("type") if isinstance(value, dict) else None
        allowed = {"user_input": ("all", "none")}.get(name, ("all", "none", "only", "except"))
        if name not in ("user_input", "client_tool_results", "server_tool_results") or tagged not in allowed:
            raise invalid(f"{where}.url_sources.{name}.type: Input should be one of {', '.join(allowed)}")


def _check_names(tools: Sequence[Json]) -> None:
    names = [str(tool["name"]) for tool in tools if "name" in tool]
    if len(names) != len(set(names)):
        raise invalid("tools: Tool names must be unique.")


def _check_injection(tools: Sequence[Json]) -> None:
    injects = any(filters(tool) and called_by_code(tool) for tool in tools)
    for tool in tools:
        kind = tool_type(tool)
        older = kind in CODE and version(kind) < PROGRAMMATIC_SINCE
        if injects and (older or (kind not in CODE and tool.get("name") == "code_execution")):
            raise invalid(CONFLICT)


def _check_model(tools: Sequence[Json], model: Model) -> None:
    if model.programmatic:
        return
    wrong = [str(tool["name"]) for tool in tools if called_by_code(tool) and tool_type(tool) not in CODE]
    if wrong:
        raise invalid(
            f"'{model.id}' does not support programmatic tool calling. "
            f'Set allowed_callers to ["direct"] on these tools: {", ".join(wrong)}.'
        )


def _check_organization(tools: Sequence[Json], key: Key, config: Config) -> None:
    for tool in tools:
        kind = tool_type(tool)
        if kind in SEARCH and not config.web_search_enabled:
            raise invalid("Web search is not enabled for this organization. An admin can enable it in the Console.")
        runs_code = kind in CODE or (filters(tool) and called_by_code(tool))
        if key.hipaa and runs_code:
            raise invalid(f"The `{tool['name']}` tool is not available to organizations with HIPAA enabled.")
        if key.zdr and (kind in CODE or (filters(tool) and list(callers(tool)) != DIRECT_ONLY)):
            hint = "" if kind in CODE else ' Set allowed_callers to ["direct"].'
            raise invalid(
                f"The `{tool['name']}` tool ({kind}) is not available to organizations with zero data retention.{hint}"
            )
