"""The shape of a request: what a trace must know of it, in types, counts and digests, and nothing that anybody wrote.

An entry keeps it so that `planner export --format trace` and `planner rules diff` can play the ledger again.
"""

import msgspec

CUSTOM, OTHER = "custom", "other"
"""Types of tools that a client runs, and of those that no dated type names."""


class ToolShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """So many neighbours in `tools` that look alike.

    `name` is there only where it is that of a server tool; `callers` are `allowed_callers`, None where it is missing.
    `max_uses` is that of a web tool, None where it has none.
    """

    type: str
    name: str | None = None
    callers: tuple[str, ...] | None = None
    deferred: bool = False
    max_uses: int | None = None
    count: int = 1


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who a caller is by its own words and those of `callers.yaml`, which is what policies match."""

    team: str | None = None
    project: str | None = None
    tags: dict[str, str] = {}


class Shape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request and what it took.

    Attributes:
        own: the caller's own team, project and tags, where a policy had it recorded under others.
        conversation: digest of what it began with; conversations that begin alike share it.
        begins: whether it begins a conversation.
        message, after: digests of the answer's id, and of the answer that the request goes on from, where it is known.
        thread: whether it continues a message thread, whose tools and system came before.
        pending: whether something in a container waits for it.
        prefix: digest of model, tools and system.
        system: digest of the system prompt up to its first breakpoint; None where nothing was to be planned.
        tools: as the caller declared them.
        tool_choice: `auto`, `any`, `tool` or `none`.
        container: digest of the container that the caller itself named.
        skills, files: how many it names.
        body_bytes: how long the caller's own body was.
        max_tokens, stream, speed, inference_geo: as asked; words that are not known here are left out.
        marked: whether a cache breakpoint lies behind `tools`; `cache_ttl` how long such a cache lives.
        prompt_tokens: of the first sampling iteration, without what our edit is believed to have added to each,
            `added_tokens`.
        cached_tokens: how many of them stand in front of the last breakpoint.
        iterations, growth_tokens: sampling iterations, and what each adds to the next one's prompt.
        web_searches: those that bill.
        estimated: whether any of these counts is not as the answer told it.
    """

    own: Claims | None = None
    conversation: str
    begins: bool = False
    message: str | None = None
    after: str | None = None
    thread: bool = False
    pending: bool = False
    prefix: str
    system: str | None = None
    tools: tuple[ToolShape, ...] = ()
    tool_choice: str | None = None
    container: str | None = None
    skills: int = 0
    files: int = 0
    body_bytes: int = 0
    max_tokens: int | None = None
    stream: bool = False
    speed: str | None = None
    inference_geo: str | None = None
    marked: bool = False
    cache_ttl: str = "5m"
    prompt_tokens: int
    cached_tokens: int = 0
    iterations: int = 1
    growth_tokens: int = 0
    added_tokens: int = 0
    web_searches: int = 0
    estimated: bool = False
