"""Would the planner save anything? What organizations paid for container time, and the most that could have been saved.

    the most that any habit saves on code execution <= what was paid for it beyond the free hours

The best habit, a web tool in every request that runs code, makes all of it free and adds tokens of its own; the bound
leaves these out, so that what is really saved is less. Where nothing was paid nothing can be saved, and then the tool
only costs. The figures may come from the ledger or from the bill: both are told as `Spent`.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from planner.core.ledger.rollup import NANO, Amounts, Key, add, saved_nano
from planner.core.pricing.prices import CODE, CREDIT
from planner.core.reports.figures import Money, money, unpriced
from planner.core.reports.showback import showback
from planner.core.rulebook.book import FreeHoursSettings

MOST_NAMED: Final = 3
"""Teams that the answer names."""

Source = Literal["ledger", "bill"]


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A team's part: `paid` is what its container time cost with the free hours shared by use."""

    team: str
    container_ms: int
    paid: Money


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What an organization spent on container time in a month (`2026-11`).

    Attributes:
        month, organization: whose; an unknown organization is empty.
        source: who says so.
        complete: whether the month is over.
        free_hours_ms: container time that counts toward the free hours.
        limit_hours: the free hours that were there for it.
        code_execution: its price before free hours.
        credit: what free hours gave back, negative.
        paid: what is left, and so the most that could have been saved.
        saved: what our edits have saved already, of those requests of which it is known; None where nobody tells.
        unpriced: requests without a price, of which nothing is known.
        teams: the same by team, the dearest first; empty where the source tells no teams.
    """

    month: str
    organization: str
    source: Source
    complete: bool
    free_hours_ms: int
    limit_hours: float
    code_execution: Money
    credit: Money
    paid: Money
    saved: Money | None = None
    unpriced: int = 0
    teams: tuple[Team, ...] = ()


def spent(
    requests: Mapping[Key, Amounts], months: Iterable[str], open_month: str, free: FreeHoursSettings
) -> tuple[Spent, ...]:
    """What the ledger says of these months, by month and organization; `open_month` is not over yet."""
    wanted = frozenset(months)
    cells: dict[tuple[str, str], dict[Key, Amounts]] = {}
    for key, amounts in requests.items():
        if key.hour[:7] in wanted:
            cells.setdefault((key.hour[:7], key.organization), {})[key] = amounts
    return tuple(
        _spent(month, organization, mine, complete=month != open_month, free=free)
        for (month, organization), mine in sorted(cells.items())
    )


def verdict(rows: Iterable[Spent]) -> str:
    """The answer in a sentence or two."""
    rows = tuple(rows)
    if not rows:
        return "Nothing is known of these months, so nothing can be said."
    paid, gone = sum(row.paid.nano for row in rows), sum(row.unpriced for row in rows)
    lacking = "1 request has no price" if gone == 1 else f"{gone:,} requests have no price"
    besides = f" {lacking}, and nothing is said of that." if gone else ""
    if paid <= 0:
        return f"You paid $0 for code execution: leave bundling off, it could only add tokens.{besides}"
    by_team: dict[str, int] = {}
    for row in rows:
        for team in row.teams:
            by_team[team.team] = by_team.get(team.team, 0) + team.paid.nano
    first = sorted((name for name in by_team if by_team[name] > 0), key=lambda name: (-by_team[name], name))[
        :MOST_NAMED
    ]
    teams = f", most of it by {', '.join(name or 'requests without a team' for name in first)}" if first else ""
    return (
        f"You paid ${money(paid).usd} for code execution beyond the free hours{teams}. No habit saves more than that, "
        f"and a tool that makes code free costs tokens of its own: replay the ledger to see what is left.{besides}"
    )


def _spent(
    month: str, organization: str, cells: Mapping[Key, Amounts], *, complete: bool, free: FreeHoursSettings
) -> Spent:
    teams: dict[str, Amounts] = {}
    whole: Amounts = {}
    for key, amounts in cells.items():
        add(teams.setdefault(key.team, {}), amounts)
        add(whole, amounts)
    shared = {share.team: share.credit_shared.nano for share in showback(cells)}
    parts = [
        Team(
            team=team,
            container_ms=amounts.get("charged_ms", 0),
            paid=money(amounts.get(NANO + CODE, 0) + shared.get(team, 0)),
        )
        for team, amounts in teams.items()
        if amounts.get("charged_ms") or amounts.get(NANO + CODE) or shared.get(team)
    ]
    code, credit = whole.get(NANO + CODE, 0), whole.get(NANO + CREDIT, 0)
    return Spent(
        month=month,
        organization=organization,
        source="ledger",
        complete=complete,
        free_hours_ms=whole.get("hours_ms", 0),
        limit_hours=max(float(free.limit - free.used_elsewhere), 0.0),
        code_execution=money(code),
        credit=money(credit),
        paid=money(code + credit),
        saved=money(saved_nano(whole)),
        unpriced=sum(unpriced(whole).values()),
        teams=tuple(sorted(parts, key=lambda each: (-each.paid.nano, each.team))),
    )
