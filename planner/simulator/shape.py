"""The outer shape of a Messages request: required fields, types, limits, and what a newer API version rejects."""

from collections.abc import Iterator

from planner.simulator.cache import LIFETIMES, MAX_BREAKPOINTS
from planner.simulator.canonical import Json, blocks_of
from planner.simulator.errors import ApiError, invalid, not_found
from planner.simulator.models import Model, find

OLD_VERSION = "2023-06-01"
NEW_VERSION = "2026-10-21"
VERSIONS = (OLD_VERSION, NEW_VERSION)
ROLES = ("user", "assistant", "system")
CHOICES = ("auto", "any", "tool", "none")
FORCED = ("any", "tool")
SAMPLING = ("temperature", "top_p", "top_k")
MAX_MESSAGES = 100_000
MIN_THINKING = 1_024


def check_version(version: str | None) -> str:
    """The API version asked for.

    Raises:
        ApiError: 400, missing or unknown.
    """
    if version is None:
        raise invalid("anthropic-version: header is required")
    if version not in VERSIONS:
        raise invalid(f'anthropic-version: "{version}" is not a valid API version')
    return version


def check_model(body: Json) -> Model:
    """The model asked for.

    Raises:
        ApiError: 400 when missing, 404 when there is no such model.
    """
    name = body.get("model")
    if name is None:
        raise invalid("model: Field required")
    if not isinstance(name, str):
        raise invalid("model: Input should be a valid string")
    model = find(name)
    if model is None:
        raise not_found(f"model: {name}")
    return model


def check(body: Json, model: Model, version: str, *, counting: bool) -> None:
    """Everything that can be judged without knowing the tools or the history.

    Raises:
        ApiError: 400 that names the field.
    """
    if not counting:
        _check_max_tokens(body, model)
    _check_messages(body)
    _check_system(body)
    _check_stops(body)
    _check_sampling(body, version)
    _check_choice(body, model)
    _check_thinking(body)
    _check_cache_control(body)
    _check_speed(body, model)


def _check_max_tokens(body: Json, model: Model) -> None:
    limit = body.get("max_tokens")
    if limit is None:
        raise invalid("max_tokens: Field required")
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise invalid("max_tokens: Input should be a valid integer")
    if limit < 1:
        raise invalid("max_tokens: Input should be greater than or equal to 1")
    if limit > model.max_tokens:
        raise invalid(
            f"max_tokens: {limit} > {model.max_tokens}, "
            f"which is the maximum allowed number of output tokens for {model.id}"
        )


def _check_messages(body: Json) -> None:
    messages = body.get("messages")
    if messages is None:
        raise invalid("messages: Field required")
    if not isinstance(messages, list):
        raise invalid("messages: Input should be a valid list")
    if not messages:
        raise invalid("messages: at least one message is required")
    if len(messages) > MAX_MESSAGES:
        raise invalid(f"messages: List should have at most {MAX_MESSAGES} items after validation, not {len(messages)}")
    for index, message in enumerate(messages):
        _check_message(f"messages.{index}", message)


def _check_message(where: str, message: object) -> None:
    if not isinstance(message, dict):
        raise invalid(f"{where}: Input should be a valid dictionary")
    role = message.get("role")
    if role not in ROLES:
        raise invalid(f'{where}.role: Input should be "user", "assistant" or "system"')
    content = message.get("content")
    if content is None:
        raise invalid(f"{where}.content: Field required")
    if not isinstance(content, str | list):
        raise invalid(f"{where}.content: Input should be a valid string or list")
    if isinstance(content, list):
        for index, block in enumerate(content):
            if not isinstance(block, dict) or not isinstance(block.get("type"), str):
                raise invalid(f"{where}.content.{index}.type: Field required")
            if block["type"] == "text" and not isinstance(block.get("text"), str):
                raise invalid(f"{where}.content.{index}.text: Field required")


def _check_system(body: Json) -> None:
    system = body.get("system")
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise invalid("system: Input should be a valid string or list")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise invalid(f"system.{index}: Input should be a text block")


def _check_stops(body: Json) -> None:
    stops = body.get("stop_sequences")
    if stops is None:
        return
    if not isinstance(stops, list) or not all(isinstance(item, str) and item.strip() for item in stops):
        raise invalid("stop_sequences: each stop sequence must contain non-whitespace")


def _check_sampling(body: Json, version: str) -> None:
    for name in SAMPLING:
        if body.get(name) is None:
            continue
        if version >= NEW_VERSION:
            raise invalid(f"{name}: Extra inputs are not permitted")
        if not isinstance(body[name], int | float):
            raise invalid(f"{name}: Input should be a valid number")


def _check_choice(body: Json, model: Model) -> None:
    choice = body.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in CHOICES:
        raise invalid("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")
    if kind in FORCED and model.refuses_forced_choice:
        raise invalid(f"tool_choice: forced tool use (`{kind}`) is not supported on {model.id}")
    tools = blocks_of(body.get("tools"))
    if kind in FORCED and not tools:
        raise invalid("tool_choice: tool_choice may only be specified while providing tools")
    if kind == "tool" and all(tool.get("name") != choice.get("name") for tool in tools):
        raise invalid(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")


def _check_thinking(body: Json) -> None:
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or budget < MIN_THINKING:
        raise invalid(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_THINKING}")
    limit = body.get("max_tokens")
    if isinstance(limit, int) and budget >= limit:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`")


def _check_cache_control(body: Json) -> None:
    controls = list(_cache_controls(body))
    if len(controls) > MAX_BREAKPOINTS:
        raise invalid(
            f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {len(controls)}."
        )
    short = False
    for where, control in controls:
        if not isinstance(control, dict) or control.get("type") != "ephemeral":
            raise invalid(f"{where}.cache_control.type: Input should be 'ephemeral'")
        ttl = control.get("ttl", "5m")
        if not isinstance(ttl, str) or ttl not in LIFETIMES:
            raise invalid(f"{where}.cache_control.ephemeral.ttl: Input should be '5m' or '1h'")
        if ttl == "1h" and short:
            raise invalid(
                f"{where}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Blocks are processed in the following order: `tools`, `system`, `messages`."
            )
        short = short or ttl == "5m"


def _cache_controls(body: Json) -> Iterator[tuple[str, object]]:
    for part in ("tools", "system"):
        for index, block in enumerate(blocks_of(body.get(part))):
            if block.get("cache_control") is not None:
                yield f"{part}.{index}", block["cache_control"]
    for number, message in enumerate(blocks_of(body.get("messages"))):
        for index, block in enumerate(blocks_of(message.get("content"))):
            if block.get("cache_control") is not None:
                yield f"messages.{number}.content.{index}", block["cache_control"]
    if body.get("cache_control") is not None:
        yield "cache_control", body["cache_control"]


def _check_speed(body: Json, model: Model) -> None:
    speed = body.get("speed")
    if speed not in (None, "standard", "fast"):
        raise invalid("speed: Input should be 'standard' or 'fast'")
    if speed == "fast" and not model.fast:
        raise invalid(f"speed: fast mode is not supported on {model.id}")
    geo = body.get("inference_geo")
    if geo is not None and not model.geo:
        raise invalid(f"inference_geo: is not supported on {model.id}")
    if geo not in (None, "global", "us"):
        raise invalid("inference_geo: Input should be 'global' or 'us'")


def check_prompt(tokens: int, model: Model) -> None:
    """Refuse a prompt longer than the model's context.

    Raises:
        ApiError: 400.
    """
    if tokens > model.context:
        raise ApiError(400, f"prompt is too long: {tokens} tokens > {model.context} maximum")
