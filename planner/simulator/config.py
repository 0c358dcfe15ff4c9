"""What a simulator is built from: prices, keys, scenarios, switches and pacing, all in one frozen value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from planner.clock import Clock, SystemClock

ORGANIZATION = "6f1f2c9e-0000-4000-8000-5151515151aa"
WORKSPACE = "wrkspc_01SimulatorDefault"
MEGABYTE = 1024 * 1024

# Input tokens that a declared server tool adds to each sampling iteration. web_search_20260209 is a public measurement
# on Opus 4.8; the others are stand-ins of a plausible size, because nobody has published figures.
TOOL_TOKENS: Mapping[str, int] = {
    "code_execution_20250522": 680,
    "code_execution_20250825": 1_240,
    "code_execution_20260120": 1_610,
    "code_execution_20260521": 1_690,
    "web_search_20250305": 720,
    "web_search_20260209": 5_535,
    "web_search_20260318": 5_580,
    "web_fetch_20250910": 610,
    "web_fetch_20260209": 4_870,
    "web_fetch_20260309": 4_890,
    "web_fetch_20260318": 4_930,
}


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An API key: who it belongs to and what it may do."""

    key: str
    id: str = "apikey_01Simulator"
    workspace: str = WORKSPACE
    organization: str | None = None
    admin: bool = False
    zdr: bool = False
    hipaa: bool = False


class Switches(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={
        "code_minimum_per": "code.minimum_per",
        "code_idle_bills": "code.idle_bills",
        "code_free_use_counts": "code.free_use_counts",
        "code_direct_web_tool_frees": "code.direct_web_tool_frees",
        "code_deferred_web_tool_frees": "code.deferred_web_tool_frees",
        "code_skills_preload_bills": "code.skills_preload_bills",
        "code_history_uploads_bill": "code.history_uploads_bill",
        "free_hours_limit": "free_hours.limit",
        "free_hours_month": "free_hours.month",
        "container_after_idle": "container.after_idle",
        "cache_web_tool_change_keeps_tools": "cache.web_tool_change_keeps_tools",
    },
):
    """The facts nobody has established, by the dotted names of `rules/settings.yaml`, with the same defaults."""

    code_minimum_per: Literal["session", "request"] = "session"
    code_idle_bills: bool = False
    code_free_use_counts: bool = False
    code_direct_web_tool_frees: bool = True
    code_deferred_web_tool_frees: bool = False
    code_skills_preload_bills: bool = False
    code_history_uploads_bill: bool = True
    free_hours_limit: int = 1550
    free_hours_month: Literal["utc"] = "utc"
    haiku55_tier_on: Literal["summed_prompt", "iteration_prompt"] = "summed_prompt"
    container_after_idle: Literal["refuse", "restore"] = "refuse"
    cache_web_tool_change_keeps_tools: bool = False
    tool_tokens: Mapping[str, int] = {}

    def with_settings(self, settings: Mapping[str, Any]) -> "Switches":
        """These switches with some changed, by dotted name.

        `tool_tokens.<type>` sets one tool's definition tokens: a number, or an interval of which `likely` is taken.

        Raises:
            msgspec.ValidationError: an unknown name or a value of the wrong type.
        """
        known = msgspec.to_builtins(self)
        prefix = "tool_tokens."
        tokens = {
            name.removeprefix(prefix): value["likely"] if isinstance(value, Mapping) else value
            for name, value in settings.items()
            if name.startswith(prefix)
        }
        plain = {name: value for name, value in settings.items() if not name.startswith(prefix)}
        merged = {**known, **plain, "tool_tokens": {**known["tool_tokens"], **tokens}}
        return msgspec.convert(merged, Switches)

    def with_texts(self, settings: Mapping[str, str]) -> "Switches":
        """These switches with some changed, by dotted name, as they are written on a command line.

        Raises:
            msgspec.ValidationError: an unknown name or a value of the wrong type.
        """
        known = msgspec.to_builtins(self)
        prefix = "tool_tokens."
        tokens = {name.removeprefix(prefix): text for name, text in settings.items() if name.startswith(prefix)}
        plain = {name: text for name, text in settings.items() if not name.startswith(prefix)}
        merged = {**known, **plain, "tool_tokens": {**known["tool_tokens"], **tokens}}
        return msgspec.convert(merged, Switches, strict=False)

    def definition_tokens(self, tool_type: str) -> int | None:
        """Input tokens a server tool's definition costs per iteration; None: count its bytes like a client tool."""
        return self.tool_tokens.get(tool_type, TOOL_TOKENS.get(tool_type))


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a simulator needs; `Config.default()` adds the shipped prices and scenarios."""

    prices: tuple[str, ...] = ()
    """YAML texts in the format of `rules/prices/*.yaml`; a model without a row is served but `unpriced` on the bill."""
    scenarios: tuple[str, ...] = ()
    """YAML texts of scenarios, tried in order."""
    seed: str = "planner"
    clock: Clock = msgspec.field(default_factory=SystemClock)
    switches: Switches = Switches()
    organization: str = ORGANIZATION
    keys: tuple[Key, ...] = ()
    accept_unknown_keys: bool = True
    """An unlisted key works in the default workspace; one that begins with `sk-ant-admin` is an admin key."""
    event_delay: float = 0.0
    """Seconds between the events of a stream."""
    time_factor: float = 0.0
    """Seconds really waited per second of scripted code or slowness: 0 answers at once, 1 takes the real time."""
    sse_chunk: Literal["event", "whole"] | int = "event"
    """How a stream without pauses is cut into body chunks: one an event, one for all, or so many bytes each."""
    encoding: Literal["gzip", "br", "zstd"] | None = None
    """Compress responses with this when the client accepts it."""
    max_iterations: int = 10
    """Server-side iterations of one request before `pause_turn`."""
    container_idle: float = 300.0
    container_life: float = 30 * 86_400.0
    container_start: float = 0.0
    """Seconds until a fresh container answers its first command, scaled like scripted ones; nobody publishes them."""
    dead_container_500: bool = False
    """An old container id answers a bare 500 instead of a 400 that names the container."""
    pending_timeout: float = 240.0
    preserved_thinking: bool = True
    """The account is young: thinking is bound to its prefix on every model that can; else on Fable/Mythos 5.2 only."""
    fast_served: bool = True
    web_search_enabled: bool = True
    bill_partial: bool = True
    """A stream that broke off is billed for what had been sent."""
    batch_delay: float = 60.0
    report_delay: float = 300.0
    bill: tuple[bytes, ...] = ()
    """Charged items with which the bill begins, each a line of JSON as in docs/simulator.md, "A prepared bill"."""
    bill_kept: int = 200_000
    """Requests the bill remembers one by one; totals cover all."""
    messages_limit: int = 32 * MEGABYTE
    batches_limit: int = 256 * MEGABYTE
    files_limit: int = 500 * MEGABYTE
    base_url: str | None = None
    """Absolute base of `results_url`; None: the address `serve` listens on, else the request's `Host`."""

    @classmethod
    def default(cls, **changes: Any) -> "Config":  # noqa: ANN401 - the fields of this struct, each with its own type
        """The shipped prices and scenarios, with any field changed."""
        shipped: dict[str, Any] = {"prices": shipped_prices(), "scenarios": shipped_scenarios()}
        return cls(**{**shipped, **changes})


def shipped_scenarios() -> tuple[str, ...]:
    """The texts of the bundled scenarios, by file name."""
    folder = Path(__file__).parent / "scenarios"
    return tuple(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml")))


def shipped_prices() -> tuple[str, ...]:
    """The texts of the price files of the wheel, else of the source tree; empty when there are none."""
    package = Path(__file__).parent.parent
    for folder in (package / "rules" / "prices", package.parent / "rules" / "prices"):
        if files := sorted(folder.glob("*.yaml")):
            return tuple(path.read_text(encoding="utf-8") for path in files)
    return ()
