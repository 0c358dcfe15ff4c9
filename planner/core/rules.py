"""A policy is a row with a reason: for each action the first policy that matches and names it decides.

Shadow policies never consume an action; one missed by its roll-out falls through; one hit by its hold-out ends the
action. Deciding is a function of the policies and a `Subject` alone, so the same request gets the same ruling.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from planner.core.catalog import Text, Texts, is_exact, matcher

Action = Literal["version", "bundle", "container", "parses"]
PolicyMode = Literal["off", "shadow", "enforce"]
By = Literal["prefix-day", "prefix", "principal"]
Parses = Literal["v2", "nested"]
Patterns = Texts | None

ACTIONS: tuple[Action, ...] = ("version", "bundle", "container", "parses")
V = TypeVar("V")

_PATTERNS_COMPILED = 4_096  # far above what rule files hold; they are trusted, requests add none


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests a policy is for: every key that is given must match, any of its globs will do."""

    team: Patterns = None
    project: Patterns = None
    principal: Patterns = None
    organization: Patterns = None
    workspace: Patterns = None
    model: Patterns = None
    tools: Patterns = None


class BundleRule(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to make code free with a web tool, and by which means.

    `add` puts the template `tool` last into `tools`; `upgrade` raises a basic web tool that the caller declares.
    """

    act: Literal["never", "when-cheaper", "always"]
    by: Literal["add", "upgrade"] = "add"
    tool: Text = "inert_web_fetch"


VersionRule = Literal["keep", "newest-compatible", "pin"]
ContainerRule = Literal["never", "conversation", "session"]


class Then(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy says about each action; None where it says nothing. `parses`: formats that the client can read."""

    bundle: BundleRule | None = None
    tool_version: VersionRule | None = None
    container: ContainerRule | None = None
    parses: tuple[Parses, ...] | None = None


class Portion(msgspec.Struct, frozen=True):
    """A stable share of the traffic, cut by what must stay together."""

    percent: Annotated[float, msgspec.Meta(ge=0, le=100)]
    by: By = "prefix-day"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of `rules/policies/*.yaml`."""

    name: Text
    why: Text
    mode: PolicyMode
    match: Match = Match()
    when: str | None = None
    then: Then
    rollout: Portion = Portion(100)
    holdout: Portion = Portion(0)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What policies can see of a request: who, with what, and where the roll-out cuts.

    `prefix` is the digest of (scope, model, tools, system), `day` the UTC day as `2026-11-22`; both are hashed only.
    """

    principal: str
    team: str = ""
    project: str = ""
    organization: str = ""
    workspace: str = ""
    model: str
    tools: tuple[str, ...] = ()
    prefix: str = ""
    day: str = ""


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
    """The ruling on every action."""

    version: Ruling[VersionRule]
    bundle: Ruling[BundleRule]
    container: Ruling[ContainerRule]
    parses: Ruling[tuple[Parses, ...]]


def decide(policies: Sequence[Policy], subject: Subject) -> Rulings:
    """Return what the policies say about a request; where they are silent, the request stays as it is."""
    live = [policy for policy in policies if policy.mode != "off" and matches(policy.match, subject)]
    return Rulings(
        version=_rule([(policy, policy.then.tool_version) for policy in live], subject, "keep"),
        bundle=_rule([(policy, policy.then.bundle) for policy in live], subject, BundleRule(act="never")),
        container=_rule([(policy, policy.then.container) for policy in live], subject, "never"),
        parses=_rule([(policy, policy.then.parses) for policy in live], subject, ()),
    )


def matches(match: Match, subject: Subject) -> bool:
    """Say whether every key of a match that is given holds for the subject."""
    for key in Match.__struct_fields__:
        patterns: Patterns = getattr(match, key)
        if patterns is not None:
            found = subject.tools if key == "tools" else (getattr(subject, key),)
            test = _compiled(patterns)
            if not any(test(value) for value in found):
                return False
    return True


def falls_in(policy: str, kind: Literal["rollout", "holdout"], portion: Portion, subject: Subject) -> bool:
    """Say whether a subject is in a portion: a stable hash, independent for each policy and kind."""
    if portion.percent in (0, 100):
        return portion.percent == 100
    unit = {
        "prefix-day": f"{subject.prefix}\0{subject.day}",
        "prefix": subject.prefix,
        "principal": subject.principal,
    }[portion.by]
    digest = hashlib.sha256(f"{policy}\0{kind}\0{unit}".encode()).digest()
    return int.from_bytes(digest[:8]) * 100 < portion.percent * 2**64


def shadowed_by(policies: Sequence[Policy]) -> dict[str, str]:
    """Return, for each policy that can never decide anything, the name of an earlier policy that always does before.

    Only what is sure is named: an enforced policy without `when` and with a full roll-out, whose match covers the
    later one's, for every action that the later one names.
    """
    found = {}
    for i, policy in enumerate(policies):
        if policy.mode == "off":
            continue
        culprits = []
        for action in named(policy.then):
            before = (other for other in policies[:i] if action in named(other.then) and _always_before(other, policy))
            culprits.append(next(before, None))
        if culprits and all(culprits):
            found[policy.name] = next(other.name for other in culprits if other)
    return found


def named(then: Then) -> tuple[str, ...]:
    """Return the keys of the actions that a policy names."""
    return tuple(key for key in Then.__struct_fields__ if getattr(then, key) is not None)


def _rule(named_values: list[tuple[Policy, V | None]], subject: Subject, silent: V) -> Ruling[V]:
    shadow: list[Shadowed[V]] = []
    for policy, value in named_values:
        if value is None or not falls_in(policy.name, "rollout", policy.rollout, subject):
            continue
        if policy.mode == "shadow":
            shadow.append(Shadowed(policy.name, value))
        elif falls_in(policy.name, "holdout", policy.holdout, subject):
            return Ruling(silent, policy.name, held_out=True, shadow=tuple(shadow))
        else:
            return Ruling(value, policy.name, shadow=tuple(shadow))
    return Ruling(silent, shadow=tuple(shadow))


def _always_before(earlier: Policy, later: Policy) -> bool:
    return (
        earlier.mode == "enforce"
        and earlier.when is None
        and earlier.rollout.percent == 100
        and all(_covers(getattr(earlier.match, key), getattr(later.match, key)) for key in Match.__struct_fields__)
    )


def _covers(wide: Patterns, narrow: Patterns) -> bool:
    if wide is None:
        return True
    if narrow is None:
        return False
    test = _compiled(tuple(pattern for pattern in wide if is_exact(pattern.replace("*", ""))) or ("",))
    return all(pattern in wide or ("[" not in pattern and bool(test(pattern))) for pattern in narrow)


_compiled = lru_cache(maxsize=_PATTERNS_COMPILED)(matcher)
