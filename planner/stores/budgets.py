"""What processes share of budgets: what the ledger says was spent, and who has leased how much of an account.

A store gives a transaction that nobody else has on that account, and this module does the rest, so that all stores do
the same. What a lease comes to is said by `planner.core.budget`.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from planner.core.budget import Ask, Granted, Lease, exchange
from planner.core.rulebook.catalog import is_exact
from planner.core.rulebook.spending import Claim
from planner.stores.statements import statements

Fetch = Callable[..., Awaitable[Sequence[Sequence[Any]]]]
"""Runs a statement of `sql/budgets.sql` by its name, with its arguments, inside a transaction; returns its rows."""

STATEMENTS = statements("budgets")


class BudgetStore(Protocol):
    """Where accounts are shared."""

    async def exchange(self, claim: Claim, ask: Ask) -> Granted:
        """Give a process its lease of an account, in place of the one it had. Raises StoreError."""
        ...

    async def forget(self, before: datetime) -> None:
        """Forget leases that ended before a moment. Raises StoreError."""
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...


async def exchange_in(fetch: Fetch, claim: Claim, ask: Ask) -> Granted:
    """Read an account, see what a process gets of it, and write that down."""
    key = (claim.key.budget, claim.key.value, claim.key.period)
    rows = await fetch("leases", *key)
    leases = {owner: Lease(int(nano), datetime.fromisoformat(until)) for owner, nano, until in rows}
    granted = exchange(await _spent(fetch, claim), leases, ask)
    if granted.nano:
        await fetch("put_lease", *key, ask.owner, granted.nano, text(granted.until))
    elif ask.owner in leases:
        await fetch("drop_lease", *key, ask.owner)
    return granted


def text(moment: datetime) -> str:
    """A moment as stores hold it: RFC 3339, UTC."""
    return moment.isoformat(timespec="microseconds")


async def _spent(fetch: Fetch, claim: Claim) -> int:
    """What the ledger says was spent of an account."""
    field, days = claim.budget.spenders.field, (claim.period.begins.isoformat(), claim.period.ends.isoformat())
    if claim.key.value:
        ((nano,),) = await fetch("spent_by_one", field, claim.key.value, *days)
        return int(nano)
    if all(is_exact(pattern) for pattern in claim.budget.spenders.patterns):
        found = [await fetch("spent_by_one", field, value, *days) for value in set(claim.budget.spenders.patterns)]
        return sum(int(nano) for ((nano,),) in found)
    rows = await fetch("spent_by_value", field, *days)
    return sum(int(nano) for value, nano in rows if claim.budget.counts(value))
