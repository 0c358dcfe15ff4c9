"""Budgets: their accounts by what the ledger holds."""

import asyncio

from planner.core.rulebook.spending import Budget, For
from planner.dashboard.pages.budgets import budgets
from tests.doubles.paged import SumsStore, room, standing

ONE = Budget(name="all", why="w", mode="enforce", spenders=For(team=("a*",)), per="month", nano=100, hard=True)
EACH = Budget(name="each", why="w", mode="shadow", spenders=For(team=("*",)), each=True, per="day", nano=40)
OFF = Budget(name="off", why="w", mode="off", spenders=For(team=("*",)), per="day", nano=1)


def test_accounts_of_budgets() -> None:
    """One of all who match, or one of each, the most spent first; one that is off is none."""
    store = SumsStore()
    store.accounts = {"alpha": 30, "apex": 20, "beta": 50}
    table = asyncio.run(budgets(room(store, "overview", said=standing(budgets=(ONE, EACH, OFF)))))
    assert table is not None
    assert [row.cells for row in table.rows] == [
        ("all", "a*", "month", "refuses", 50, 100, 0.5),
        ("each", "beta", "day", "says so", 50, 40, 1.25),
        ("each", "alpha", "day", "says so", 30, 40, 0.75),
        ("each", "apex", "day", "says so", 20, 40, 0.5),
    ]


def test_without_budgets_there_is_no_table() -> None:
    """Nor is anything read."""
    store = SumsStore()
    assert asyncio.run(budgets(room(store, "overview", said=standing(budgets=(OFF,))))) is None
    assert store.reads == 0
