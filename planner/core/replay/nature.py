"""The facts of the world that a replay plays in, and how `--world key=value` changes them."""

from collections.abc import Mapping
from math import isfinite, nan
from typing import Literal

import msgspec


class Nature(msgspec.Struct, frozen=True, kw_only=True):
    """Names as in `rules/settings.yaml`, with `_` for the dot; sizes are tokens an iteration."""

    code_minimum_per: Literal["session", "request"] = "session"
    code_idle_bills: bool = False
    code_free_use_counts: bool = False
    code_direct_web_tool_frees: bool = True
    code_deferred_web_tool_frees: bool = False
    code_skills_preload_bills: bool = False
    code_history_uploads_bill: bool = True
    free_hours_limit: float = 1_550
    free_hours_used_elsewhere: float = 0
    haiku55_tier_on: Literal["summed_prompt", "iteration_prompt"] = "summed_prompt"
    container_after_idle: Literal["refuse", "restore"] = "refuse"
    cache_web_tool_change_keeps_tools: bool = False
    tool_tokens: dict[str, float] = {}
    tool_tokens_scale: float = 1.0
    upgrade_tokens: float = 400
    lift_tokens: float = 150
    futile_call_probability: float = 0.0
    futile_call_tokens: float = 400
    hour_pico: int = 50_000_000_000
    minimum_seconds: float = 300.0
    search_pico: int = 10_000_000_000
    cache_minimum: dict[str, int] = {}


def altered(nature: Nature, changes: Mapping[str, str]) -> Nature:
    """The world with facts changed as `--world key=value` says, dots for underscores.

    Raises:
        ValueError: a key that the world does not know, or a value of the wrong kind; the text says which.
    """
    plain: dict[str, object] = {}
    sizes = dict(nature.tool_tokens)
    for key, text in changes.items():
        group, _, rest = key.partition(".")
        if group == "tool_tokens" and rest and rest != "scale":
            sizes[rest] = _number(key, text)
            if rest not in nature.tool_tokens:
                raise ValueError(f"the world has no tool {rest!r}: it knows {', '.join(sorted(nature.tool_tokens))}")
        else:
            plain[key.replace(".", "_")] = text
    unknown = sorted(set(plain) - (set(Nature.__struct_fields__) - {"tool_tokens", "cache_minimum"}))
    if unknown:
        given = next(key for key in changes if key.replace(".", "_") == unknown[0])
        raise ValueError(f"the world has no fact {given!r}: it knows {', '.join(world_keys())}")
    try:
        wanted = msgspec.convert(plain, Nature, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"a fact of the world has a wrong value: {error}") from error
    chosen = {name: getattr(wanted, name) for name in plain}
    for name, value in chosen.items():
        if name.endswith("_probability") and not 0 <= value <= 1:
            raise ValueError(f"{_dotted(name)} is a share from 0 to 1, not {plain[name]!r}")
        if not _possible(value):
            raise ValueError(f"{_dotted(name)} is a number from 0 up, not {plain[name]!r}")
    return msgspec.structs.replace(nature, **chosen, tool_tokens=sizes)


def world_keys() -> tuple[str, ...]:
    """Every key that `--world` takes, as it is written there."""
    names = (name for name in Nature.__struct_fields__ if name not in {"tool_tokens", "cache_minimum"})
    return (*(_dotted(name) for name in names), "tool_tokens.<type>")


def _dotted(name: str) -> str:
    for group in ("code", "free_hours", "container", "cache", "tool_tokens"):
        if name.startswith(f"{group}_"):
            return f"{group}.{name.removeprefix(f'{group}_')}"
    return name


def _number(key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not _possible(number):
        raise ValueError(f"{key} takes a number of tokens from 0 up, not {text!r}")
    return number


def _possible(value: object) -> bool:
    """Whether a fact can be so: what is a number is finite, and not negative."""
    return not isinstance(value, int | float) or (isfinite(value) and value >= 0)
