"""What the bill and usage APIs say of a month, asked with an admin key through the official SDK, a page at a time.

The APIs may be polled once a minute, so a call waits for its minute, and what was fetched is kept: a second run goes on
where the first one stopped. Analytics is typed in the SDK; the other two reports are not, and go through its `get`.
Source: https://platform.claude.com/docs/en/build-with-claude/usage-cost-api, checked 2026-11-22.
"""

from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self

import msgspec

from planner.clock import Clock
from planner.core.reconcile.theirs import Bill, CodeRow, ReportError, read_code, read_costs, read_usage

if TYPE_CHECKING:
    import anthropic

COST: Final = "/v1/organizations/cost_report"
USAGE: Final = "/v1/organizations/usage_report/messages"
ANALYTICS: Final = "/v1/organizations/analytics/cost"
USAGE_GROUPS: Final = (
    "api_key_id",
    "workspace_id",
    "model",
    "service_tier",
    "context_window",
    "inference_geo",
    "speed",
)
EVERY: Final = 60.0
"""Seconds between two calls: "poll at most once a minute" [A]."""

LATE: Final = timedelta(minutes=5)
"""By how much the reports are behind [A]."""

CLOSED: Final = timedelta(days=2)
"""So long after a span has ended, nothing in its report is taken to change any more: a choice of ours."""

FRESH: Final = timedelta(hours=1)
"""So long a report of a span that has not ended is used again: a choice of ours."""

TRIES: Final = 5
LIMITS: Final[Mapping[str, int]] = {COST: 31, USAGE: 31, f"{USAGE} 1h": 168, ANALYTICS: 1_000}
"""Entries of a page, the most that there may be [A]."""


class BillError(Exception):
    """The bill cannot be had; the message says why and what to do."""


class Pages(Protocol):
    """Where fetched pages are kept."""

    async def bill_page(self, name: str) -> tuple[str, str] | None:
        """A kept page: when it was fetched (RFC 3339 UTC), and its text."""
        ...

    async def keep_bill_page(self, name: str, at: str, page: str) -> None:
        """Keep a page, in place of an earlier one of its name."""
        ...

    async def last_bill_page(self) -> str | None:
        """When the last page was fetched (RFC 3339 UTC)."""
        ...


class Page(msgspec.Struct, frozen=True):
    """A page as it came, and whose it is."""

    organization: str | None
    body: msgspec.Raw


class _Query(NamedTuple):
    """One report: its path, the span, and how it is grouped and cut."""

    path: str
    start: datetime
    end: datetime
    groups: tuple[str, ...]
    width: str = "1d"

    @property
    def words(self) -> dict[str, Any]:
        bucket = "time_bucket_width" if self.path == ANALYTICS else "bucket_width"
        return {
            "starting_at": stamp(self.start),
            "ending_at": stamp(self.end),
            bucket: self.width,
            "group_by": list(self.groups),
        }


class Reports:
    """Asks for the reports of one organization. Use it as an async context.

    `every` are the seconds between two calls, `tell` hears what is going on, `refresh` asks again for what is kept.
    """

    def __init__(  # noqa: PLR0913 - what asking depends on, named
        self,
        key: str,
        upstream: str,
        *,
        clock: Clock,
        pages: Pages,
        tell: Callable[[str], None],
        every: float = EVERY,
        refresh: bool = False,
        limits: Mapping[str, int] = LIMITS,
    ) -> None:
        self._key = key
        self._upstream = upstream
        self._clock = clock
        self._pages = pages
        self._tell = tell
        self._every = every
        self._refresh = refresh
        self._limits = limits
        self._client: anthropic.AsyncAnthropic | None = None
        self._not_before: datetime | None = None
        self._calls = 0
        self.organization: str | None = None

    async def __aenter__(self) -> Self:
        """Open the client; nothing is asked yet."""
        import anthropic  # noqa: PLC0415 - a second and 50 MB that only this command needs

        self._client = anthropic.AsyncAnthropic(api_key=self._key, base_url=self._upstream, max_retries=0)
        last = await self._pages.last_bill_page()
        if last is not None:
            self._not_before = datetime.fromisoformat(last) + timedelta(seconds=self._every)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client."""
        if self._client is not None:
            await self._client.close()

    async def bill(self, month: str) -> Bill:
        """The bill of a month (`2026-11`). Raises BillError, ReportError."""
        start, end = span(month)
        now = self._clock.now()
        if now <= start:
            raise BillError(f"{month} has not begun yet. Name a month that has.")
        end = min(end, midnight(now) + timedelta(days=1))
        bill = Bill(known_until=min(now - LATE, end))
        try:
            costs = await self._all(_Query(COST, start, end, ("workspace_id", "description")), "cost report")
            usage = await self._all(_Query(USAGE, start, end, USAGE_GROUPS), "usage report")
            code, refreshed = await self.code(start, end)
            read_costs(bill, _data(costs))
            read_usage(bill, _data(usage))
            if code is not None:
                read_code(bill, code)
            if refreshed is not None:
                bill.known_until = min(refreshed, end)
            if bill.known_until < end:
                bill.known_until = await self._edge(bill.known_until, start)
        except msgspec.DecodeError as error:
            raise ReportError(f"a report is no JSON that is understood: {error}") from error
        return bill

    async def code(self, start: datetime, end: datetime) -> tuple[list[CodeRow] | None, datetime | None]:
        """Code execution by day, workspace and key, and up to when it is known; None where analytics is not open to us.

        Money comes by cost type, of which the API tells no spans; spans come with the rows that have no product [A].
        Raises BillError.
        """
        money = _Query(ANALYTICS, start, end, ("api_key_id", "workspace_id", "cost_type"))
        spans = _Query(ANALYTICS, start, end, ("api_key_id", "workspace_id", "product"))
        try:
            found = await self._all(money, "analytics of cost")
            rows = [row for row in _items(found) if row.group.cost_type == "code_execution"]
            counted = await self._all(spans, "analytics of spans")
            runs = [row for row in _items(counted) if row.group.product is None]
        except _ClosedError as closed:
            self._tell(f"analytics is not open to this key ({closed}): code execution by key is not known")
            return None, None
        found_rows = [_code_row(row, amount=row.cost.amount) for row in rows]
        found_rows += [_code_row(row, spans=row.cost.requests) for row in runs if row.cost.requests is not None]
        refreshed = [page.get("data_refreshed_at") for page in (*found, *counted)]
        moments = [datetime.fromisoformat(each) for each in refreshed if each]
        return found_rows, min(moments, default=None)

    async def _edge(self, known: datetime, start: datetime) -> datetime:
        """The end of the last hour of which the usage report has anything, if that is less than a day ago."""
        begin = max(known - timedelta(days=1), start).replace(minute=0, second=0, microsecond=0)
        end = (known + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
        pages = await self._all(_Query(USAGE, begin, end, (), "1h"), "usage report of the last hours")
        busy = [bucket["ending_at"] for bucket in _data(pages) if bucket["results"]]
        return min(known, datetime.fromisoformat(max(busy))) if busy else known

    # ------------------------------------------------------------ pages

    async def _all(self, query: _Query, name: str) -> list[dict[str, Any]]:
        """Every page of a report."""
        pages: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self._page(query, cursor, f"{name}, page {len(pages) + 1}" if pages else name)
            pages.append(page)
            following = page.get("next_page")
            if not page.get("has_more") or not following:
                return pages
            if following == cursor:
                raise ReportError(f"the {name} names the same page as the next one, for ever")
            cursor = following

    async def _page(self, query: _Query, cursor: str | None, name: str) -> dict[str, Any]:
        words = {**query.words, "limit": self._limits.get(f"{query.path} {query.width}", self._limits[query.path])}
        words |= {} if cursor is None else {"page": cursor}
        kept_as = self._name(query.path, words)
        kept = None if self._refresh else await self._pages.bill_page(kept_as)
        if kept is not None and self._usable(kept[0], query.end):
            page = msgspec.json.decode(kept[1], type=Page)
        else:
            page = await self._ask(query.path, words, name)
            at = self._clock.now().astimezone(UTC).isoformat(timespec="microseconds")
            await self._pages.keep_bill_page(kept_as, at, msgspec.json.encode(page).decode())
        self.organization = self.organization or page.organization
        found = msgspec.json.decode(page.body)
        if not isinstance(found, dict) or not isinstance(found.get("data"), list):
            raise ReportError(f"the {name} has no list of data")
        return found

    def _name(self, path: str, words: Mapping[str, Any]) -> str:
        """What a page is kept under: of the key that asked there is nothing in it but a digest over everything."""
        said = msgspec.json.encode((self._upstream, path, words, self._key), order="deterministic")
        return sha256(b"bill-page\0" + said).hexdigest()[:32]

    def _usable(self, at: str, end: datetime) -> bool:
        fetched = datetime.fromisoformat(at)
        return fetched >= end + CLOSED or self._clock.now() - fetched < FRESH

    async def _ask(self, path: str, words: Mapping[str, Any], name: str) -> Page:
        """One call, in its minute; what may be over in a minute is tried again. Raises BillError."""
        import anthropic  # noqa: PLC0415 - as above

        trouble = ""
        for tried in range(TRIES):
            await self._turn(name if not tried else f"{name} again, after {trouble}")
            try:
                return await self._call(path, words)
            except anthropic.APIStatusError as error:
                trouble = f"{error.status_code}"
                if error.status_code not in {408, 409, 429} and error.status_code < 500:
                    raise _refused(path, error.status_code) from error
                self._wait_for(error.response.headers.get("retry-after"))
            except anthropic.APIConnectionError:
                trouble = "no answer"
        raise BillError(f"{self._upstream} answers {trouble} to the {name}, {TRIES} times. Try again later.")

    async def _call(self, path: str, words: Mapping[str, Any]) -> Page:
        if self._client is None:
            raise RuntimeError("reports are asked for outside of their context")
        if path == ANALYTICS:
            answer = await self._client.beta.organization.analytics.cost.with_raw_response.list(**words)
            response, body = answer.http_response, await answer.read()
        else:
            import httpx2  # noqa: PLC0415 - comes with the SDK

            response = await self._client.get(path, cast_to=httpx2.Response, options={"params": dict(words)})
            body = response.content
        return Page(response.headers.get("anthropic-organization-id"), msgspec.Raw(body))

    async def _turn(self, name: str) -> None:
        """Wait until the next call may go."""
        now = self._clock.now()
        wait = 0.0 if self._not_before is None else max((self._not_before - now).total_seconds(), 0.0)
        self._calls += 1
        self._tell(f"{name}: call {self._calls}{f' in {wait:.0f} s' if wait >= 1 else ''}")
        if wait:
            await self._clock.sleep(wait)
        self._not_before = self._clock.now() + timedelta(seconds=self._every)

    def _wait_for(self, seconds: str | None) -> None:
        """Wait longer where the answer says so."""
        if seconds is not None and seconds.isdecimal():
            asked = self._clock.now() + timedelta(seconds=int(seconds))
            self._not_before = max(self._not_before or asked, asked)


class _ClosedError(Exception):
    """An endpoint that this organization or key cannot use."""


def _refused(path: str, status: int) -> Exception:
    if path == ANALYTICS and status in {400, 403, 404}:
        return _ClosedError(str(status))
    if status in {401, 403}:
        return BillError(f"the admin key is refused ({status}). Set PLANNER_ADMIN_KEY to one of the organization.")
    return BillError(f"{path} answers {status}. Is --upstream the Claude API?")


def span(month: str) -> tuple[datetime, datetime]:
    """The first moment of a month (`2026-11`), and the first after it, in UTC.

    Raises:
        ValueError: for what is no month.
    """
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    return start, start + timedelta(days=monthrange(start.year, start.month)[1])


def midnight(at: datetime) -> datetime:
    """The first moment of a day (UTC)."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def stamp(at: datetime) -> str:
    """A moment as the APIs take it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _data(pages: Iterable[Mapping[str, Any]]) -> list[Any]:
    return [bucket for page in pages for bucket in page["data"]]


def _items(pages: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Rows of analytics as the SDK types them."""
    from anthropic.types.beta.organization.analytics.beta_analytics_cost_item import (  # noqa: PLC0415 - as above
        BetaAnalyticsCostItem,
    )

    return [BetaAnalyticsCostItem.construct(**item) for item in _data(pages)]


def _code_row(row: Any, amount: str | None = None, spans: int | None = None) -> CodeRow:  # noqa: ANN401 - a lazy type
    day = row.starting_at.isoformat()[:10] if isinstance(row.starting_at, datetime) else str(row.starting_at)[:10]
    return CodeRow(day, row.group.workspace_id or "", row.group.api_key_id or "", amount, spans)
