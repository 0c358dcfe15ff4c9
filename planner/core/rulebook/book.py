"""A rule book is one immutable value: prices, catalog, policies, callers, budgets and settings, under one digest.

A request is planned and priced under the book it arrived with, whatever is reloaded meanwhile.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from planner.core.pricing.prices import PriceBook, digest_of
from planner.core.rulebook.catalog import Amount, Catalog, Interval, Mark, Text
from planner.core.rulebook.policies import Billing, Flag, Policy
from planner.core.rulebook.policyset import PolicySet
from planner.core.rulebook.spending import Budget

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
ApiKeyId = Annotated[str, msgspec.Meta(pattern=r"^apikey_[0-9A-Za-z]+$")]
Fingerprint = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}$")]


class CodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How container time bills, where no page says it.

    Attributes:
        minimum_per: whether the five-minute minimum is charged once a container session, or for each request with code.
        idle_bills: whether the time in which a container waits between two runs is billed.
        free_use_counts: whether code that is free beside a web tool uses up free hours.
        direct_web_tool_frees: whether a newer web tool frees code also when its callers are direct only.
        deferred_web_tool_frees: whether a newer web tool with `defer_loading` frees code.
        skills_preload_bills: whether Skills that are loaded into a container bill time when no code runs.
        history_uploads_bill: whether files uploaded in earlier messages bill time again in each later request.
    """

    minimum_per: Literal["session", "request"] = "session"
    idle_bills: bool = False
    free_use_counts: bool = False
    direct_web_tool_frees: bool = True
    deferred_web_tool_frees: bool = False
    skills_preload_bills: bool = False
    history_uploads_bill: bool = True


class FreeHoursSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The organization's free container hours of a month.

    Attributes:
        limit: free container hours of a month; 0 makes every hour cost its list price at once.
        month: where a month begins: at 00:00 UTC of its first day.
        used_elsewhere: container hours a month that the organization uses without this planner.
    """

    limit: Amount = 1550
    month: Literal["utc"] = "utc"
    used_elsewhere: Amount = 0


class ContainerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a container id after its last seen expiry, and to a container whose process is gone.

    Attributes:
        after_idle: whether a container id is still offered after its last seen expiry (restore) or not (refuse).
        cold_start_seconds: how long a new container takes to start, until that was seen.
        lease_seconds: seconds until a container is free again whose process was killed, where several share a store.
    """

    after_idle: Literal["refuse", "restore"] = "refuse"
    cold_start_seconds: Amount = 0
    lease_seconds: Annotated[int, msgspec.Meta(ge=1)] = 60


class CacheSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What breaks a prompt cache.

    Attributes:
        web_tool_change_keeps_tools: whether a cache survives a change of a server-side web tool in `tools`.
    """

    web_tool_change_keeps_tools: bool = False


class DecisionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How sure a decision must be, and whether a conversation may be edited to learn what an edit adds.

    Attributes:
        confidence: how probable it must be that an edit saves money before it is made.
        trials: whether a conversation may be edited once to learn a size that nothing else tells.
    """

    confidence: Share = 0.8
    trials: bool = True


class ConversationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long a conversation is remembered.

    Attributes:
        expire_days: days after its last request for which a conversation is remembered.
    """

    expire_days: Annotated[int, msgspec.Meta(ge=1)] = 30


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long entries of the ledger are kept.

    Attributes:
        entries_days: days for which entries are kept; a month goes as a whole, once its last day is so long ago and it
            is closed. null keeps them for ever.
    """

    entries_days: Annotated[int, msgspec.Meta(ge=31, extra={"null": True})] | None = None


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to message batches, whose mistakes show hours later.

    Attributes:
        edits: whether what policies decide is only shown for requests of a batch (shadow), or made where it is proven.
        confidence: how probable it must be that an edit of such a request saves money before it is made.
        proven_days: for so many days after the API took an edit in a live request the same edit counts as proven.
        results_url: whether the address of its results that a batch names is our own (ours) or as it came (theirs).
    """

    edits: Literal["shadow", "enforce"] = "shadow"
    confidence: Share = 0.95
    proven_days: Annotated[int, msgspec.Meta(ge=1)] = 7
    results_url: Literal["ours", "theirs"] = "ours"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The facts that nobody has published, as settings: the attribute path is the dotted key.

    The defaults equal the shipped `rules/settings.yaml`, which says what each means and what shows that it is wrong.

    Attributes:
        code: how container time bills.
        free_hours: the free hours of a month.
        container: container ids after their expiry.
        cache: what breaks a prompt cache.
        decision: how sure a decision must be.
        conversations: how long they are remembered.
        retention: how long entries are kept.
        batches: what is done to message batches.
        haiku55_tier_on: which prompt chooses the tier of Haiku 5.5: the sum over all iterations, or each one's own.
        tool_tokens: by tool version, the measured input tokens that it adds to each iteration, in place of the prior.
    """

    code: CodeSettings = CodeSettings()
    free_hours: FreeHoursSettings = FreeHoursSettings()
    container: ContainerSettings = ContainerSettings()
    cache: CacheSettings = CacheSettings()
    decision: DecisionSettings = DecisionSettings()
    conversations: ConversationSettings = ConversationSettings()
    retention: RetentionSettings = RetentionSettings()
    batches: BatchSettings = BatchSettings()
    haiku55_tier_on: Literal["summed_prompt", "iteration_prompt"] = "summed_prompt"
    tool_tokens: dict[str, Interval] = {}


class SettingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as its file states it, for people: why it is so, and what reconciliation shows if it is wrong."""

    key: str
    value: Any
    mark: Mark
    source: Text
    checked: date
    means: str = ""
    if_wrong: str = ""
    overridden: bool = False


class CallerRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who a principal is: `name` stands for all of its `keys`.

    Attributes:
        name: how the caller is called in the ledger and in policies.
        keys: fingerprints of its API keys, 16 hex digits each, as `planner key` prints them.
        team: its team; beats the tags that a client sends.
        project: its project; likewise.
        organization: the organization in which it is answered, until a response tells.
        workspace: the workspace in which it is answered, until a response tells.
        billing: how it pays: api by the token; subscription, never edited. Without it, by the kind of its login.
        flags: what holds decisions back: requests of zdr and hipaa callers are never bundled.
        api_keys: ids by which the bill names keys that are used through the planner alone, for reconciliation.
    """

    name: str
    keys: tuple[Fingerprint, ...] = ()
    team: str | None = None
    project: str | None = None
    organization: str | None = None
    workspace: str | None = None
    billing: Billing | None = None
    flags: tuple[Flag, ...] = ()
    api_keys: tuple[ApiKeyId, ...] = ()


@dataclass(frozen=True, slots=True)
class Callers:
    """Every caller that has a row, found by the fingerprint of its key or by its name."""

    rows: tuple[CallerRow, ...] = ()
    _by_key: dict[str, CallerRow] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        by_key = {key: row for row in self.rows for key in (*row.keys, row.name)}
        object.__setattr__(self, "_by_key", by_key)

    @property
    def owners(self) -> dict[str, str]:
        """The principal of every API key whose id is told."""
        return {key: row.name for row in self.rows for key in row.api_keys}

    def find(self, fingerprint_or_name: str) -> CallerRow | None:
        """Return the row of a key fingerprint or a principal's name, or None."""
        return self._by_key.get(fingerprint_or_name)

    def principal(self, fingerprint: str) -> str:
        """Return the name of the caller with this fingerprint, else the fingerprint itself."""
        row = self._by_key.get(fingerprint)
        return fingerprint if row is None else row.name


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """Everything that deciding and pricing rest on; `digest` is 16 hex digits over all of its content.

    `ruling` is what its policies say, compiled. Raises BadExpressionError, NoCelError for a `when` that cannot be.
    """

    prices: PriceBook
    catalog: Catalog
    policies: tuple[Policy, ...] = ()
    callers: Callers = field(default_factory=Callers)
    budgets: tuple[Budget, ...] = ()
    settings: Settings = field(default_factory=Settings)
    setting_rows: tuple[SettingRow, ...] = ()
    digest: str = field(init=False, compare=False)
    ruling: PolicySet = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        catalog = self.catalog
        content = (
            (self.prices.rows, self.prices.tools, self.prices.discounts),
            (catalog.tools, catalog.models, catalog.templates, catalog.priors, catalog.deny),
            self.policies,
            self.callers.rows,
            self.budgets,
            self.settings,
        )
        object.__setattr__(self, "digest", digest_of(content))
        object.__setattr__(self, "ruling", PolicySet(self.policies))

    def tool_tokens(self, type_: str) -> Interval | None:
        """Return the input tokens that a declared tool adds to each iteration: measured, else the prior, else None."""
        measured = self.settings.tool_tokens.get(type_)
        if measured is not None:
            return measured
        prior = self.catalog.priors.tool_tokens.get(type_)
        return None if prior is None else prior.interval
