"""What a file of `tests/` may hold: the input of a test, and what is expected of the decisions."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from planner.core.reasons import Outcome, Reason
from planner.core.rulebook.book import Share
from planner.core.rulebook.catalog import Text, Texts
from planner.core.rulebook.policies import Billing, Flag, TagKey

MOMENT = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2}))?$"
Moment = Annotated[str, msgspec.Meta(pattern=MOMENT)]
MOST = 1_000_000_000  # far above what anybody means, and far below what a float would lose count of
Amount = Annotated[float, msgspec.Meta(ge=0, le=MOST)]
Mean = Annotated[float, msgspec.Meta(ge=1, le=MOST)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
OrNone = msgspec.Meta(extra={"null": True})  # `null` is a value here, and says that there is none
TextOrNone = Annotated[Text, OrNone] | UnsetType | None
ReasonOrNone = Annotated[Reason, OrNone] | UnsetType | None
OutcomeOrNone = Annotated[Outcome, OrNone] | UnsetType | None
Sampled = Literal["in", "out"]


class CallerGiven(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls. What is not said is as `callers.yaml` says of this principal.

    Attributes:
        principal: a name or key fingerprint of `callers.yaml`, or any other.
        team: the caller's team.
        project: the caller's project.
        organization: in which the caller is answered; null for a caller whom the planner has not seen yet.
        workspace: in which the caller is answered.
        tags: what the client itself says in `planner-tags`.
        flags: what holds for the caller, such as `zdr`.
        billing: how the caller pays.
    """

    principal: Text = "example"
    team: Text | None = None
    project: Text | None = None
    organization: TextOrNone = UNSET
    workspace: Text | None = None
    tags: dict[TagKey, Text] = {}
    flags: tuple[Flag, ...] | None = None
    billing: Billing | None = None


class FreeHours(msgspec.Struct, frozen=True, kw_only=True):
    """The organization's free container hours of the month.

    Attributes:
        used: how many are used so far.
        exceeded: the chance that they are exceeded; where none is said, 1 if they are used up, else 0.
    """

    used: Amount = 0
    exceeded: Share | None = None


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent's requests have shown, each habit as the mean over all of them; what is not said is not known.

    Attributes:
        requests: how many were seen; with n of them a habit weighs n / (n + 20), the catalog's prior the rest.
        code_runs: share of them that run code.
        code_seconds: seconds of execution in one that does.
        billed_seconds: container seconds that one bills, or would if its code were not free.
        iterations: sampling iterations of one.
        cached: share of them, of those that could be cached, that were.
        cached_share: part of a prompt that lies in the cache.
        cold: share of them that find the cache cold.
        turns: requests of a conversation.
        conversations: conversations that begin on a warm prefix before it goes cold.
        futile: calls of an added tool in a request that has one.
        output_tokens: tokens that the model writes in one.
    """

    requests: Count
    code_runs: Share | None = None
    code_seconds: Amount | None = None
    billed_seconds: Amount | None = None
    iterations: Mean | None = None
    cached: Share | None = None
    cached_share: Share | None = None
    cold: Share | None = None
    turns: Mean | None = None
    conversations: Mean | None = None
    futile: Share | None = None
    output_tokens: Amount | None = None


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner remembers of what this request goes on from.

    Attributes:
        edited: whether the conversation was bundled with the catalog's inert tool when it began.
        container: what became of the one that the last turn ran in.
        by: whether that turn is found by its ids, or by the caller's `planner-session`.
        billed_seconds: container seconds that its session has been billed so far; else it has paid nothing yet.
        idle_seconds: seconds since the last use of its container; without a word half a minute.
    """

    edited: bool = False
    container: Literal["none", "idle", "busy", "continued", "dead", "expired"] = "none"
    by: Literal["ids", "session"] = "ids"
    billed_seconds: Amount | None = None
    idle_seconds: Amount | None = None


class FactsGiven(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner knows beside the request and its caller. No fact comes from the clock or from a ledger.

    Attributes:
        at: when the request arrives: a moment, or a day, which means its noon (UTC).
        free_hours: of the caller's organization; `unknown` while too little is known of the month.
        prompt_tokens: how long the first prompt is; else as long as the request's bytes tell.
        cached_tokens: how many of them stand in front of the last cache breakpoint.
        cached: whether a breakpoint lies behind `tools`; else as the request says.
        cache_ttl: how long such a cache lives.
        files: whether files are loaded into the container.
        begins: whether a conversation begins; else as the request says.
        earlier: what is remembered of the conversation, where it goes on.
        mode: `observe` and `off` as the caller asks for it, `drain` as the process runs.
        observing: whether the process runs with `--observe`, so that it refuses nobody either.
        warm: whether the prefix is in the cache now, as callers send it or as it is bundled.
        habits: what the agent's requests have shown.
        input_tokens_left: what the API said is left of the input rate limit.
        breaker: whether the API refused an edit of ours on this prefix a short while ago.
        rollout: whether this request is in the roll-out of a policy, by the policy's name; else in all that have begun.
        holdout: whether it is in the hold-out of a policy, by the policy's name; else in none.
    """

    at: Moment = "2026-11-22"
    free_hours: Literal["unknown"] | FreeHours = FreeHours()
    prompt_tokens: Amount | None = None
    cached_tokens: Amount | None = None
    cached: bool | None = None
    cache_ttl: Literal["5m", "1h"] | None = None
    files: bool | None = None
    begins: bool | None = None
    earlier: Earlier | None = None
    mode: Literal["plan", "observe", "off", "drain"] = "plan"
    observing: bool = False
    warm: Literal["untouched", "bundled"] | None = None
    habits: Habits | None = None
    input_tokens_left: Count | None = None
    breaker: bool = False
    rollout: dict[str, Sampled] = {}
    holdout: dict[str, Sampled] = {}


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The input of a test.

    Attributes:
        request: the body of a POST /v1/messages; a tool may stand as its type alone, `custom` for one of the client's
            own. Where it says no `max_tokens` or `messages`, it has 1024 and one short message.
        caller: who calls.
        facts: what the planner knows beside the request.
    """

    request: dict[str, Any]
    caller: CallerGiven = CallerGiven()
    facts: FactsGiven = FactsGiven()


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision comes to; what is not said may be anything.

    Attributes:
        outcome: how it ends.
        reason: why; null for none.
        policy: which policy decides; null where none does.
    """

    outcome: Outcome | UnsetType = UNSET
    reason: ReasonOrNone = UNSET
    policy: TextOrNone = UNSET


class VersionExpected(Expected, frozen=True, kw_only=True):
    """What the version decision comes to.

    Attributes:
        type: the code execution that goes out; null for none.
    """

    type: TextOrNone = UNSET


class BundleExpected(Expected, frozen=True, kw_only=True):
    """What the bundle decision comes to.

    Attributes:
        tool: the type of the web tool that is added or raised; null for none.
    """

    tool: TextOrNone = UNSET


class DenyExpected(Expected, frozen=True, kw_only=True):
    """What a refusal comes to.

    Attributes:
        message: what the caller reads; null where the request goes on.
    """

    message: TextOrNone = UNSET


class TagsExpected(Expected, frozen=True, kw_only=True):
    """What the tags come to.

    Attributes:
        values: the tags that policies put on the request, all of them.
    """

    values: dict[TagKey, Text] | UnsetType = UNSET


class Expect(msgspec.Struct, frozen=True, kw_only=True):
    """What a test expects; what is not said may be anything. A decision may be given as its outcome alone.

    Attributes:
        version: which code execution is declared.
        bundle: whether code is made free with a web tool.
        container: whether a warm container is threaded.
        web: how the caller's web tools are bounded; null where no policy speaks of them.
        deny: whether the request is refused; null where no policy speaks of it.
        on_disconnect: what a hang-up ends; null likewise.
        tags: how the request is recorded; null likewise.
        edited: whether other bytes go out than came.
        matched: policies that are for this request, wherever their portions cut.
        not_matched: policies that are not.
        shadow: all policies in shadow that would have done something, and no other.
    """

    version: Outcome | VersionExpected | UnsetType = UNSET
    bundle: Outcome | BundleExpected | UnsetType = UNSET
    container: Outcome | Expected | UnsetType = UNSET
    web: OutcomeOrNone | Expected = UNSET
    deny: OutcomeOrNone | DenyExpected = UNSET
    on_disconnect: OutcomeOrNone | Expected = UNSET
    tags: OutcomeOrNone | TagsExpected = UNSET
    edited: bool | None = None
    matched: Texts | None = None
    not_matched: Texts | None = None
    shadow: tuple[Text, ...] | None = None


class RuleTestShape(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `tests`.

    Attributes:
        name: how it is called in reports; unique among all tests of the directory.
        why: what it shows, for whoever breaks it.
        given: the request, who calls, and what the planner knows.
        expect: what must come out.
    """

    name: Text
    why: Text | None = None
    given: Given
    expect: Expect


class RuleTestFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of `tests/`.

    Attributes:
        tests: each by itself; their order means nothing.
    """

    tests: tuple[RuleTestShape, ...] = ()
