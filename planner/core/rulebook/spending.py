"""Whose money a request spends, and within which budgets: a row of `budgets.yaml`, and what a request owes to it.

Only what a client cannot choose counts. The principal is told by its key; team and project count where `callers.yaml`
declares them, and tags, a client's or a policy's, never do. So nobody can spend another team's budget by naming it, or
get past its own by naming another. What a subscription pays for is not billed by the token and counts in no budget.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec

from planner.core.pricing.dated import utc_day
from planner.core.rulebook.catalog import Text, Texts, matcher
from planner.core.rulebook.policies import PolicyMode

Field = Literal["team", "project", "principal"]
Per = Literal["day", "month"]
Percent = Annotated[int, msgspec.Meta(ge=1, le=1000)]

FIELDS: Final[tuple[Field, ...]] = ("team", "project", "principal")
_PATTERNS_COMPILED: Final = 4_096


class Spender(msgspec.Struct, frozen=True, kw_only=True):
    """Whose budgets the cost of a request counts in; None for what is not declared, or not billed by the token."""

    principal: str | None = None
    team: str | None = None
    project: str | None = None


class For(msgspec.Struct, frozen=True, kw_only=True):
    """Whose spending a budget bounds: exactly one of these.

    Attributes:
        team: globs of teams, as `callers.yaml` declares them.
        project: globs of projects, as `callers.yaml` declares them.
        principal: globs of who calls, a name of `callers.yaml` or a key's fingerprint.
    """

    team: Texts | None = None
    project: Texts | None = None
    principal: Texts | None = None

    @property
    def field(self) -> Field:
        """Which of them it is."""
        return next(field for field in FIELDS if getattr(self, field) is not None)

    @property
    def patterns(self) -> tuple[str, ...]:
        """Its globs."""
        found: tuple[str, ...] = getattr(self, self.field)
        return found


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `budgets.yaml`; `nano` is the limit in nano-dollars, `since` is inclusive, `until` exclusive (UTC).

    `soft_at` are percents of the limit from which answers carry the header; `hard` says that it refuses. With `each`
    there is one account for every value that matches, without it one for all together.
    """

    name: Text
    why: Text
    mode: PolicyMode
    spenders: For = msgspec.field(name="for")
    each: bool = False
    per: Per
    nano: int
    soft_at: tuple[Percent, ...] = (80, 100)
    hard: bool = False
    since: date | None = None
    until: date | None = None

    @property
    def refuses(self) -> bool:
        """Whether requests beyond it are refused."""
        return self.hard and self.mode == "enforce"

    def in_force(self, day: date) -> bool:
        """Say whether it holds on a day (UTC)."""
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)

    def counts(self, value: str) -> bool:
        """Say whether what a team, project or principal of that name spends counts in it."""
        return bool(_compiled(self.spenders.patterns)(value))


class Period(msgspec.Struct, frozen=True):
    """A day or a month (UTC); `ends` is the first day after it. Its name is that of a day or month: `2026-11`."""

    name: str
    begins: date
    ends: date

    @property
    def resets(self) -> datetime:
        """The moment at which the next one begins."""
        return datetime.combine(self.ends, time(), UTC)


class Key(msgspec.Struct, frozen=True, order=True):
    """What names an account in a store; `value` is empty where all who match share one."""

    budget: str
    value: str
    period: str


class Claim(msgspec.Struct, frozen=True):
    """A budget that a request counts in, and the account of it."""

    budget: Budget
    key: Key
    period: Period


def claims(budgets: Iterable[Budget], spender: Spender, at: datetime) -> tuple[Claim, ...]:
    """Every budget that a request of an aware time counts in, in the order of the file."""
    found: list[Claim] = []
    day = utc_day(at)
    for budget in budgets:
        value = getattr(spender, budget.spenders.field)
        if value is None or budget.mode == "off" or not budget.in_force(day) or not budget.counts(value):
            continue
        found.append(claim(budget, value, day))
    return tuple(found)


def claim(budget: Budget, value: str, day: date) -> Claim:
    """The account of a budget on a day, for what a value spends."""
    period = period_of(budget.per, day)
    return Claim(budget, Key(budget.name, value if budget.each else "", period.name), period)


def period_of(per: Per, day: date) -> Period:
    """The day or month that a day (UTC) belongs to."""
    if per == "day":
        return Period(day.isoformat(), day, day + timedelta(days=1))
    begins = day.replace(day=1)
    return Period(begins.isoformat()[:7], begins, (begins + timedelta(days=31)).replace(day=1))


_compiled = lru_cache(maxsize=_PATTERNS_COMPILED)(matcher)
