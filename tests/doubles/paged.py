"""A ledger's sums in memory as pages read them, and what was read counted; and what a running process would tell."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import Amounts, K, rollup
from planner.core.rulebook.book import FreeHoursSettings
from planner.core.rulebook.spending import Budget
from planner.dashboard.asked import Answer, Ask, Form, RulesTold, Standing
from planner.dashboard.days import Days
from planner.dashboard.making import Maker
from planner.dashboard.pages import BY_NAME
from planner.dashboard.room import Content, Page, Room
from planner.dashboard.telling import told
from planner.dashboard.view import view_of
from planner.stores import LAST
from planner.stores.reading import PAGE
from tests.doubles.months import made
from tests.doubles.proxy import shipped_rules
from tests.doubles.stored import MemoryStore

NOW = datetime(2026, 10, 21, 15, 20, tzinfo=UTC)


class SumsStore(MemoryStore):
    """Sums of some entries; `statements` and `rows` count what is read of them, by pages as a store reads."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        super().__init__()
        kept = list(entries)
        self.settled = {entry.request_id: entry for entry in kept}
        self.sums = rollup(kept)
        self.accounts: dict[str, int] = {}
        self.made: list[str] = []
        self.pruned: list[str] = []
        self.statements = 0
        self.rows = 0
        self.closed = 0

    async def cells(self, kind: type[K], since: str = "", until: str = LAST) -> AsyncIterator[tuple[K, Amounts]]:
        """The sums of a kind, in order."""
        await self._read()
        rows = 0
        for key, amounts in sorted(self.sums.of(kind).items()):
            if since <= key.hour < until:
                rows += 1
                yield key, dict(amounts)
        self.rows += rows
        self.statements += rows // PAGE + 1

    async def newest(self, before: tuple[str, str], limit: int) -> tuple[Entry, ...]:
        """The newest before a moment and id."""
        await self._read()
        older = [entry for entry in self.settled.values() if (entry.at, entry.request_id) < before]
        found = sorted(older, key=lambda entry: (entry.at, entry.request_id), reverse=True)[:limit]
        self.statements += 1
        self.rows += len(found)
        return tuple(found)

    async def entry(self, request_id: str) -> Entry | None:
        """The entry of a request."""
        await self._read()
        return self.settled.get(request_id)

    async def turns_beside(self, entry: Entry) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
        """Its neighbours in a conversation, however far apart."""
        await self._read()
        shape, shaped = entry.shape, [each for each in self.settled.values() if each.shape is not None]
        if shape is None:
            return (), ()
        return (
            tuple(e for e in shaped if shape.after is not None and e.shape and e.shape.message == shape.after),
            tuple(e for e in shaped if shape.message is not None and e.shape and e.shape.after == shape.message),
        )

    async def spent(self, field: str, since: str, until: str) -> dict[str, int]:
        """What was spent, whatever is asked for."""
        await self._read()
        assert field in {"team", "project", "principal"}
        assert since < until
        return dict(self.accounts)

    async def reconciliations(self) -> list[str]:
        """Statements as they were kept."""
        await self._read()
        return list(self.made)

    async def prunings(self) -> list[str]:
        """What is kept of months whose entries went."""
        await self._read()
        return list(self.pruned)

    async def keep_reconciliation(self, month: str, organization: str, made_at: str, statement: str) -> None:
        """Keep a statement."""
        assert month
        assert organization is not None
        assert made_at
        self.made.append(statement)

    async def keep_bill_page(self, name: str, at: str, page: str) -> None:
        """No page of a bill is kept here."""
        raise NotImplementedError

    async def bill_page(self, name: str) -> tuple[str, str] | None:
        """No page of a bill is kept here."""
        raise NotImplementedError

    async def last_bill_page(self) -> str | None:
        """No page of a bill is kept here."""
        raise NotImplementedError

    async def close(self) -> None:
        """Count how often it was let go of."""
        self.closed += 1


@cache
def month_store() -> SumsStore:
    """The sums of a whole month, made when the first test asks for them. They are shared: nobody may change them."""
    return SumsStore(made().entries)


def standing(now: datetime = NOW, *, limit: float = 25, budgets: tuple[Budget, ...] = (), **fields: Any) -> Standing:
    """What a process says of itself."""
    rules = RulesTold(book=told(shipped_rules()), age=7_200.0)
    usual: dict[str, Any] = {"version": "1.2.3", "mode": "plan", "rules": rules, "stale": False}
    free = FreeHoursSettings(limit=limit)
    return Standing(now=now, free_hours=free, budgets=budgets, **(usual | fields))


def room(store: SumsStore, page: str, query: str = "", said: Standing | None = None) -> Room:
    """What a page is made in."""
    said = said or standing()
    view = view_of(page, query, said.now.date(), BY_NAME[page].takes)
    return Room(view=view, standing=said, days=Days(store), store=store)


async def content(store: SumsStore, page: Page, query: str = "", said: Standing | None = None) -> Content:
    """What a page says, before it is written."""
    return await page.make(room(store, page.name, query, said))


async def answered(
    store: SumsStore, page: str, query: str = "", *, form: Form = "page", table: str = "", said: Standing | None = None
) -> Answer:
    """The answer to one question."""

    async def opening() -> SumsStore:
        return store

    ask = Ask(page=page, form=form, table=table, query=query, standing=said or standing())
    return await Maker(opening).answer(ask)
