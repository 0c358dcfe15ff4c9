"""A policy is a row with a reason: for each action the first policy that matches and names it decides.

Shadow policies never consume an action; one missed by its roll-out falls through; one hit by its hold-out ends the
action; one whose `when` cannot be evaluated does not match, and is counted. What is said here in rows is carried out by
`planner.core.rulebook.policyset`.
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Annotated, Final, Generic, Literal, TypeVar

import msgspec

from planner.core.rulebook.catalog import Amount, Text, Texts

PolicyMode = Literal["off", "shadow", "enforce"]
By = Literal["prefix-day", "prefix", "principal"]
Parses = Literal["v2", "nested"]
Billing = Literal["api", "subscription"]
Flag = Literal["zdr", "hipaa"]
TagKey = Literal["team", "project", "agent", "environment", "feature"]
Patterns = Texts | None
Count = Annotated[int, msgspec.Meta(ge=1)]

V = TypeVar("V")

EVERYTHING: Final = 100


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers from `at_least` up to, and without, `below`; a side that is left out is open.

    Attributes:
        at_least: the smallest number that is in it.
        below: the first number that is not in it any more.
    """

    at_least: Amount | None = None
    below: Amount | None = None

    def __contains__(self, number: float) -> bool:
        """Say whether a number lies in it."""
        return (self.at_least is None or number >= self.at_least) and (self.below is None or number < self.below)


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests a policy is for: every key that is given must match; any of its values will do.

    Attributes:
        team: globs of the caller's team.
        project: globs of the caller's project.
        principal: globs of who calls, a name of `callers.yaml` or a key's fingerprint.
        organization: globs of the organization in which the caller is answered.
        workspace: globs of the workspace in which the caller is answered.
        model: globs of the model as requested.
        tools: globs of tool types, of which the request must declare one; `custom` is a client tool.
        tags: globs of the request's tags by their key; each key that is given must match.
        billing: how the caller pays, by the token (`api`) or by a `subscription`.
        flags: what `callers.yaml` says of the caller, of which one must be there.
        stream: whether the answer is streamed.
        prompt_tokens: range of the first prompt, estimated by the size of the body.
        max_tokens: range of what the answer may hold; 0 where the request does not say.
        tools_count: range of how many tools are declared.
    """

    team: Patterns = None
    project: Patterns = None
    principal: Patterns = None
    organization: Patterns = None
    workspace: Patterns = None
    model: Patterns = None
    tools: Patterns = None
    tags: dict[TagKey, Texts] | None = None
    billing: Annotated[tuple[Billing, ...], msgspec.Meta(min_length=1)] | None = None
    flags: Annotated[tuple[Flag, ...], msgspec.Meta(min_length=1)] | None = None
    stream: bool | None = None
    prompt_tokens: Range | None = None
    max_tokens: Range | None = None
    tools_count: Range | None = None


class UrlSources(msgspec.Struct, frozen=True, kw_only=True):
    """Which sources may feed the addresses that an added fetch tool can reach.

    Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-fetch-tool, checked 2026-11-22.

    Attributes:
        user_input: addresses in the user's messages.
        client_tool_results: addresses in results of the caller's own tools.
        server_tool_results: addresses in earlier results of server tools.
    """

    user_input: Literal["all", "none"] = "none"
    client_tool_results: Literal["all", "none"] = "none"
    server_tool_results: Literal["all", "none"] = "none"


class BundleRule(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to make code free with a web tool, and by which means.

    Attributes:
        act: never, when it is expected to be cheaper, or always where it is possible.
        by: put the template `tool` last into `tools` (`add`), or raise a basic web tool that the caller declares.
        tool: name of the catalog's template that is added.
        domains: the only domains that the added tool may reach.
        max_uses: how often the added tool may be called in a request.
        url_sources: which addresses an added fetch tool may reach.
    """

    act: Literal["never", "when-cheaper", "always"]
    by: Literal["add", "upgrade"] = "add"
    tool: Text = "inert_web_fetch"
    domains: Texts | None = None
    max_uses: Count | None = None
    url_sources: UrlSources | None = None


class WebRule(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds the web tools that callers declare; a bound only ever narrows what the caller says itself.

    Attributes:
        max_uses: how often each web tool may be called in a request.
        allowed_domains: the only domains that web tools may reach.
        blocked_domains: domains that web tools may not reach.
    """

    max_uses: Count | None = None
    allowed_domains: Texts | None = None
    blocked_domains: Texts | None = None


VersionRule = str
"""`keep` what is declared; `newest-compatible`; `pin`, which forbids any change; or the one version to declare."""

VERSION_WORDS: Final = ("keep", "newest-compatible", "pin")

ContainerRule = Literal["never", "conversation", "session"]
DisconnectRule = Literal["abort", "drain"]


class Then(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy says about each action; it leaves alone what it does not name.

    `parses` are formats that the client is known to read; `deny` refuses the request with these words.
    """

    bundle: BundleRule | None = None
    tool_version: VersionRule | None = None
    container: ContainerRule | None = None
    parses: tuple[Parses, ...] | None = None
    web: WebRule | None = None
    on_disconnect: DisconnectRule | None = None
    deny: Text | None = None
    tags: dict[TagKey, Text] | None = None


class Portion(msgspec.Struct, frozen=True):
    """A stable share of the traffic, cut by what must stay together.

    Attributes:
        percent: how much of it, from 0 to 100.
        by: what is in or out as a whole: a prefix for a day, a prefix for good, or a principal.
    """

    percent: Annotated[float, msgspec.Meta(ge=0, le=100)]
    by: By = "prefix-day"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of `rules/policies/*.yaml`; `since` is inclusive, `until` exclusive, both 00:00 UTC."""

    name: Text
    why: Text
    mode: PolicyMode
    match: Match = Match()
    when: str | None = None
    then: Then
    rollout: Portion = Portion(EVERYTHING)
    holdout: Portion = Portion(0)
    since: date | None = None
    until: date | None = None


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What policies can see of a request without asking: who, with what, and where the roll-out cuts.

    `prefix` is the digest of (scope, model, tools, system), hashed only; `day` is UTC's.
    """

    principal: str
    team: str = ""
    project: str = ""
    organization: str = ""
    workspace: str = ""
    model: str
    tools: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    billing: Billing = "api"
    flags: tuple[str, ...] = ()
    stream: bool = False
    prompt_tokens: float = 0.0
    max_tokens: int = 0
    tools_count: int = 0
    prefix: str = ""
    day: date = date.min


class Shadowed(msgspec.Struct, Generic[V], frozen=True):
    """What a shadow policy would have decided."""

    policy: str
    value: V


class Ruling(msgspec.Struct, Generic[V], frozen=True):
    """The ruling on one action: `policy` is None when none names it, and `held_out` leaves the request untouched."""

    value: V
    policy: str | None = None
    held_out: bool = False
    shadow: tuple[Shadowed[V], ...] = ()


class Rulings(msgspec.Struct, frozen=True, kw_only=True):
    """The ruling on every action, under its name in `then`; where no policy speaks, the request stays as it is.

    `failed` are the policies whose `when` could not be evaluated, each with the kind of error.
    """

    bundle: Ruling[BundleRule] = Ruling(BundleRule(act="never"))
    tool_version: Ruling[VersionRule] = Ruling("keep")
    container: Ruling[ContainerRule] = Ruling("never")
    parses: Ruling[tuple[Parses, ...]] = Ruling(())
    web: Ruling[WebRule] = Ruling(WebRule())
    on_disconnect: Ruling[DisconnectRule] = Ruling("abort")
    deny: Ruling[str] = Ruling("")
    tags: Ruling[dict[str, str]] = Ruling({})
    failed: tuple[tuple[str, str], ...] = ()


ACTIONS: Final = Then.__struct_fields__
SILENT: Final = Rulings()


def falls_in(policy: str, kind: Literal["rollout", "holdout"], portion: Portion, subject: Subject) -> bool:
    """Say whether a subject is in a portion: a stable hash, independent for each policy and kind."""
    if portion.percent in (0, EVERYTHING):
        return portion.percent == EVERYTHING
    unit = subject.principal if portion.by == "principal" else subject.prefix
    day = subject.day if portion.by == "prefix-day" else None
    return _cut(policy, kind, unit, day) * EVERYTHING < portion.percent * 2**64


@lru_cache(maxsize=16_384)
def _cut(policy: str, kind: str, unit: str, day: date | None) -> int:
    """Where a unit falls, out of 2^64; remembered, since what must stay together comes again and again."""
    whole = unit if day is None else f"{unit}\0{day.isoformat()}"
    return int.from_bytes(hashlib.sha256(f"{policy}\0{kind}\0{whole}".encode()).digest()[:8])


def in_force(policy: Policy, day: date) -> bool:
    """Say whether a policy holds on a day (UTC)."""
    return (policy.since is None or policy.since <= day) and (policy.until is None or day < policy.until)


def named(then: Then) -> tuple[str, ...]:
    """Return the keys of the actions that a policy names."""
    return tuple(key for key in ACTIONS if getattr(then, key) is not None)
