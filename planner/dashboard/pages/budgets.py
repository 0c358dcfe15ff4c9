"""Budgets as they stand now: what their teams, projects or principals spent in the period that runs."""

from datetime import UTC

from planner.core.rulebook.spending import Budget, period_of
from planner.dashboard.room import Room
from planner.dashboard.tables import Column, Row, Table

MOST: int = 20
"""Accounts of one budget that are shown, those first that are spent most."""


async def budgets(room: Room) -> Table | None:
    """Every budget in force with its accounts, by what the ledger holds; None without any. Raises StoreError."""
    today = room.now.astimezone(UTC).date()
    found = [each for each in room.standing.budgets if each.mode != "off" and each.in_force(today)]
    if not found:
        return None
    rows: list[Row] = []
    for budget in found:
        period = period_of(budget.per, today)
        spent = await room.store.spent(budget.spenders.field, period.begins.isoformat(), period.ends.isoformat())
        rows += _rows(budget, {value: nano for value, nano in spent.items() if budget.counts(value)})
    return Table(
        name="budgets",
        title="Budgets",
        columns=(
            Column("budget", "Budget"),
            Column("account", "Of"),
            Column("per", "A"),
            Column("does", "When it is spent"),
            Column("spent", "Spent", "usd"),
            Column("limit", "Limit", "usd"),
            Column("share", "Used", "share"),
        ),
        rows=tuple(rows),
        note="By what the ledger holds; requests on their way are not in it.",
    )


def _rows(budget: Budget, spent: dict[str, int]) -> list[Row]:
    """Its accounts: one for each who spends, or one of all together."""
    does = "refuses" if budget.refuses else "says so"
    if budget.each:
        accounts = sorted(spent.items(), key=lambda each: (-each[1], each[0]))[:MOST]
    else:
        accounts = [(", ".join(budget.spenders.patterns), sum(spent.values()))]
    return [
        Row((budget.name, name, budget.per, does, nano, budget.nano, nano / budget.nano if budget.nano else None))
        for name, nano in accounts
    ]
