"""Makes the answer to one question: a page, its data as JSON, a table as CSV; or says what to do where it cannot."""

from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any, Final

import msgspec
from msgspec import UNSET

from planner.core.reports.dimensions import UncrossableError
from planner.dashboard import tables
from planner.dashboard.asked import DESCRIPTION, Answer, Ask
from planner.dashboard.days import Days
from planner.dashboard.openapi import description
from planner.dashboard.pages import BY_NAME, PAGES
from planner.dashboard.parameters import NEXT, WRONG
from planner.dashboard.rendering import render
from planner.dashboard.room import Content, Missing, Page, Room
from planner.dashboard.told import ErrorTold, FigureTold, PageTold, Wrong
from planner.dashboard.view import AddressError, View, view_of
from planner.settings import SettingsError
from planner.stores import StoreError, WholeStore

Opening = Callable[[], Awaitable[WholeStore]]
LOGIN: Final = "login"
HTML, JSON, CSV = "text/html", "application/json", "text/csv"


class Maker:
    """Makes pages over one store, which is opened with the first of them and again when it failed."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._store: WholeStore | None = None
        self._days: Days | None = None
        self._memo: dict[str, Any] = {}

    async def answer(self, ask: Ask) -> Answer:
        """The answer to a question, whatever becomes of it."""
        try:
            if ask.page == LOGIN:
                return self._login(ask)
            if ask.page == DESCRIPTION:
                return Answer(media_type=JSON, body=_json(description(ask.standing.version)))
            return await self._made(ask)
        except Missing as error:
            return self._trouble(ask, 404, "not_found_error", error.title, str(error), error)
        except (AddressError, UncrossableError) as error:
            return self._trouble(ask, 400, "invalid_request_error", "This cannot be shown", str(error))
        except (StoreError, SettingsError) as error:
            await self.close()
            why = f"{error} Requests go through the planner all the same, and what they cost waits in the journal."
            return self._trouble(ask, 503, "api_error", "The ledger cannot be read", why)
        except Exception as error:  # noqa: BLE001 - a page that fails must not end the process that makes the others
            name = type(error).__name__
            why = f"This is a bug of the planner ({name}); requests do not depend on it. Please report it."
            answer = self._trouble(ask, 500, "api_error", "The page failed", why)
            return msgspec.structs.replace(answer, error=f"{name}: {_place(error)}")

    async def renew(self) -> bool:
        """Read one day again while nobody waits; whether there is more to do."""
        try:
            return self._days is not None and await self._days.renew()
        except StoreError:
            await self.close()
            return False

    async def close(self) -> None:
        """Let go of the store."""
        store, self._store, self._days = self._store, None, None
        if store is not None:
            await store.close()

    async def _made(self, ask: Ask) -> Answer:
        page = BY_NAME.get(ask.page)
        if page is None:
            raise Missing(f"There is no page {ask.page!r}.")
        today = ask.standing.now.astimezone(UTC).date()
        view = view_of(page.name, ask.query, today, page.takes)
        store, days = await self._opened()
        content = await page.make(Room(view=view, standing=ask.standing, days=days, store=store, memo=self._memo))
        return self._data(ask, page, content) if ask.form != "page" else self._page(ask, page, view, content)

    async def _opened(self) -> tuple[WholeStore, Days]:
        if self._store is None or self._days is None:
            self._store = await self._opening()
            self._days = Days(self._store)
        return self._store, self._days

    def _page(self, ask: Ask, page: Page, view: View, content: Content) -> Answer:
        named = {table.name: table for table in content.tables}
        figures = {figure.name: figure for figure in content.figures}
        as_of = content.as_of or ask.standing.now
        body = render(
            f"{page.name}.html",
            **(_frame(ask, page.under or page.name) | {"title": page.title, "view": view, "as_of": as_of}),
            tables=named,
            figures=figures,
            **content.said,
        )
        return Answer(media_type=HTML, body=body)

    def _data(self, ask: Ask, page: Page, content: Content) -> Answer:
        """All of a page as JSON, or one of its tables."""
        found = next((table for table in content.tables if table.name == ask.table), None)
        if ask.table and found is None:
            known = ", ".join(table.name for table in content.tables)
            raise Missing(f"There is no table {ask.table!r} on this page. There are: {known}.")
        if ask.form == "csv":
            if found is None:
                raise Missing("A page is no table: name one, as in /planner/api/cost/rows.csv.")
            return Answer(media_type=CSV, body=tables.as_csv(found), filename=f"planner-{page.name}-{found.name}.csv")
        if found is not None:
            return Answer(media_type=JSON, body=_json(tables.as_told(found)))
        figures = {
            each.name: FigureTold(value=each.exact, unit=each.unit, basis=each.basis, note=each.note or None)
            for each in content.figures
        }
        whole = PageTold(
            page=page.name,
            as_of=(content.as_of or ask.standing.now).isoformat(timespec="seconds"),
            figures=figures,
            tables={table.name: tables.as_told(table) for table in content.tables},
            before=UNSET if content.following is None else content.following,
        )
        return Answer(media_type=JSON, body=_json(whole))

    def _login(self, ask: Ask) -> Answer:
        view = view_of(LOGIN, ask.query, ask.standing.now.date(), (WRONG, NEXT))
        frame = _frame(ask, LOGIN) | {"title": "Sign in", "pages": ()}
        return Answer(
            media_type=HTML, body=render("login.html", **frame, wrong=view.one("wrong"), next=view.one("next"))
        )

    def _trouble(
        self, ask: Ask, status: int, kind: str, title: str, why: str, missing: Missing | None = None
    ) -> Answer:
        if ask.form != "page":
            body = _json(ErrorTold(error=Wrong(kind, f"planner: {why}")))
            return Answer(status=status, media_type=JSON, body=body)
        page = BY_NAME.get(ask.page)
        frame = _frame(ask, ask.page if page is None else page.under or page.name)
        frame |= {"todo": (), "way": None} if missing is None else {"todo": missing.todo, "way": missing.way}
        why = why if missing is None else missing.why
        body = render("trouble.html", **frame, title=title, why=why, status=status)
        return Answer(status=status, media_type=HTML, body=body)


def _frame(ask: Ask, name: str) -> dict[str, Any]:
    """What every page has around it."""
    return {"page": name, "pages": PAGES, "standing": ask.standing, "leaves": ask.leaves, "address": ask.address}


def _json(value: Any) -> bytes:  # noqa: ANN401 - whatever is JSON
    return msgspec.json.encode(value)


def _place(error: BaseException) -> str:
    """Where an error came from, for the log: nothing of what it says, which may hold what visitors wrote."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "nowhere" if trace is None else f"{trace.tb_frame.f_globals.get('__name__', '')}:{trace.tb_lineno}"
