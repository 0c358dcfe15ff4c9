"""The bill and usage APIs of an organization, for admin keys."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from planner.simulator import pages, reports
from planner.simulator.bill import Charge
from planner.simulator.canonical import Json
from planner.simulator.containers import timestamp
from planner.simulator.errors import invalid
from planner.simulator.http import Answer, Request, Route, json_reply
from planner.simulator.reports import Counts
from planner.simulator.state import State

T = TypeVar("T")

ANALYTICS_BETA = "analytics-usage-cost-2026-08-24"
MAX_SPAN = timedelta(days=31)
MAX_GROUPS = 5
COST_GROUPS = ("workspace_id", "description")
USAGE_GROUPS = ("api_key_id", "workspace_id", "model", "service_tier", "context_window", "inference_geo", "speed")
UNCOUNTED = ("cost_type", "token_type")
USAGE_ANALYTICS = (*USAGE_GROUPS, "organization_id", "product", "actor_type")
COST_ANALYTICS = (*USAGE_ANALYTICS, *UNCOUNTED)
PAGES = {"1d": (7, 31), "1h": (24, 168), "1m": (60, 1440)}
FILTERS = {"models": "model", "workspace_ids": "workspace_id", "api_key_ids": "api_key_id", "speeds": "speed"}


class Span(msgspec.Struct, frozen=True):
    """The time a report covers."""

    start: datetime
    end: datetime


def _time(request: Request, name: str) -> datetime | None:
    text = request.first(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid(f"{name}: Input should be a valid RFC 3339 date-time") from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _span(state: State, request: Request) -> Span:
    start, end = _time(request, "starting_at"), _time(request, "ending_at")
    if start is None:
        raise invalid("starting_at: Field required")
    end = end or min(state.clock.now(), start + MAX_SPAN)
    if end < start:
        raise invalid("ending_at: must be after starting_at")
    return Span(start, end)


def _groups(request: Request, allowed: Sequence[str]) -> list[str]:
    wanted = request.several("group_by")
    if unknown := [name for name in wanted if name not in allowed]:
        raise invalid(f"group_by: Input should be one of {', '.join(allowed)}, not {unknown[0]}")
    return wanted


def _fresh(state: State) -> datetime:
    return state.clock.now() - timedelta(seconds=state.config.report_delay)


def _charges(state: State, request: Request, span: Span) -> list[Charge]:
    """The organization's charges of a span, as far as the reports know them yet."""
    known = _fresh(state)
    found = [
        charge
        for charge in state.bill.everything
        if charge.work.organization == request.organization and span.start <= charge.work.at < span.end
    ]
    found = [charge for charge in found if charge.work.at <= known]
    for parameter, dimension in FILTERS.items():
        if values := request.several(parameter):
            found = [charge for charge in found if reports.usage_dimensions(charge)[dimension] in values]
    return found


def _by_bucket(found: Iterable[T], moment: Callable[[T], datetime], width: str) -> dict[datetime, list[T]]:
    """What belongs to each time bucket, by its start."""
    groups: dict[datetime, list[T]] = {}
    for each in found:
        groups.setdefault(reports.snapped(moment(each), width), []).append(each)
    return groups


async def cost_report(state: State, request: Request) -> Answer:
    """Daily cost in decimal cents, by workspace and description."""
    names = _groups(request, COST_GROUPS)
    if request.first("bucket_width") not in (None, "1d"):
        raise invalid("bucket_width: Input should be '1d'")
    span = _span(state, request)
    days = list(reports.buckets(span.start, span.end, "1d"))
    page = pages.by_cursor(days, request, default=PAGES["1d"][0], most=PAGES["1d"][1])
    whole = Span(reports.snapped(span.start, "1d"), span.end)
    rows = _by_bucket(reports.cost_rows(_charges(state, request, whole)), lambda row: row.at, "1d")
    page["data"] = [
        {
            "starting_at": _second(start),
            "ending_at": _second(end),
            "results": _cost_results(rows.get(start, ()), names),
        }
        for start, end in page["data"]
    ]
    return json_reply(page)


def _cost_results(rows: Sequence[reports.Row], names: Sequence[str]) -> list[Json]:
    described = ("description", "cost_type", "model", "token_type", "service_tier", "context_window", "inference_geo")
    shown = [*(described if "description" in names else ()), *(("workspace_id",) if "workspace_id" in names else ())]
    sums: dict[tuple[str | None, ...], int] = {}
    for row in rows:
        key = reports.group_key(row.dimensions, shown)
        sums[key] = sums.get(key, 0) + row.nano
    blank = dict.fromkeys((*described, "workspace_id"))
    return [
        {"currency": "USD", "amount": reports.cents(nano), **blank, **dict(zip(shown, key, strict=True))}
        for key, nano in sums.items()
    ]


async def usage_report(state: State, request: Request) -> Answer:
    """Tokens by minute, hour or day."""
    names = _groups(request, (*USAGE_GROUPS, "account_id", "service_account_id"))
    width = request.first("bucket_width") or "1d"
    if width not in PAGES:
        raise invalid("bucket_width: Input should be '1m', '1h' or '1d'")
    span = _span(state, request)
    times = list(reports.buckets(span.start, span.end, width))
    page = pages.by_cursor(times, request, default=PAGES[width][0], most=PAGES[width][1])
    whole = Span(reports.snapped(span.start, width), span.end)
    charges = _by_bucket(_charges(state, request, whole), lambda charge: charge.work.at, width)
    page["data"] = [
        {
            "starting_at": _second(start),
            "ending_at": _second(end),
            "results": _usage_results(charges.get(start, ()), names),
        }
        for start, end in page["data"]
    ]
    return json_reply(page)


def _usage_results(charges: Sequence[Charge], names: Sequence[str]) -> list[Json]:
    blank = dict.fromkeys((*USAGE_GROUPS, "account_id", "service_account_id"))
    return [
        {**counts.value(), **blank, **dict(zip(names, key, strict=True))}
        for key, counts in _counted(charges, names).items()
    ]


def _counted(charges: Sequence[Charge], names: Sequence[str]) -> dict[tuple[str | None, ...], Counts]:
    groups: dict[tuple[str | None, ...], Counts] = {}
    for charge in charges:
        key = reports.group_key(reports.usage_dimensions(charge), names)
        groups.setdefault(key, Counts()).add(charge)
    return groups


def _analytics(state: State, request: Request, allowed: Sequence[str]) -> tuple[list[str], Span, list[Span]]:
    """Groups, span and time buckets of an analytics query."""
    if ANALYTICS_BETA not in request.betas:
        raise invalid(f"This endpoint requires the anthropic-beta header {ANALYTICS_BETA}")
    names = _groups(request, allowed)
    if len([name for name in names if name not in UNCOUNTED]) > MAX_GROUPS:
        raise invalid(f"group_by: at most {MAX_GROUPS} dimensions")
    span = _span(state, request)
    if span.end - span.start > MAX_SPAN:
        raise invalid("The range may span at most 31 days")
    width = request.first("time_bucket_width")
    if width is None:
        return names, span, [span]
    if width not in reports.WIDTHS or request.first("ending_at") is None:
        raise invalid("time_bucket_width: Input should be '1m', '1h' or '1d', with ending_at")
    return names, span, [Span(start, end) for start, end in reports.buckets(span.start, span.end, width)]


def _in_times(found: Iterable[T], moment: Callable[[T], datetime], times: Sequence[Span]) -> dict[Span, list[T]]:
    """What belongs to each of these spans, which follow each other without a gap."""
    groups: dict[Span, list[T]] = {time: [] for time in times}
    starts = [time.start for time in times]
    for each in found:
        place = bisect_right(starts, moment(each)) - 1
        if place >= 0 and moment(each) < times[place].end:
            groups[times[place]].append(each)
    return groups


def _page(state: State, request: Request, items: list[Json]) -> Answer:
    page = pages.by_cursor(items, request)
    return json_reply({**page, "data_refreshed_at": timestamp(_fresh(state))})


def _item(span: Span, names: Sequence[str], key: Sequence[str | None]) -> Json:
    group = dict(zip(names, key, strict=True))
    return {"starting_at": _second(span.start), "ending_at": _second(span.end), "group": group}


async def analytics_usage(state: State, request: Request) -> Answer:
    """Tokens by up to five dimensions."""
    names, span, times = _analytics(state, request, USAGE_ANALYTICS)
    charges = _in_times(_charges(state, request, span), lambda charge: charge.work.at, times)
    items = []
    for time in times:
        for key, counts in _counted(charges[time], names).items():
            total = sum(counts.tokens.values())
            value = {**counts.value(), "total_tokens": total, "requests": counts.requests}
            items.append({**_item(time, names, key), "usage": value})
    return _page(state, request, items)


async def analytics_cost(state: State, request: Request) -> Answer:
    """Cost in fractional cents by up to five dimensions; rows without a product count execution spans, not requests."""
    names, span, times = _analytics(state, request, COST_ANALYTICS)
    rows = _in_times(reports.cost_rows(_charges(state, request, span)), lambda row: row.at, times)
    items = []
    for time in times:
        groups: dict[tuple[str | None, ...], list[reports.Row]] = {}
        for row in rows[time]:
            groups.setdefault(reports.group_key(row.dimensions, names), []).append(row)
        for key, mine in groups.items():
            amount, listed = sum(row.nano for row in mine), sum(row.listed for row in mine)
            cost: Json = {"amount": reports.cents(amount), "list_amount": reports.cents(listed)}
            cost |= {"currency": "USD", "requests": _requests(mine, names)}
            items.append({**_item(time, names, key), "cost": cost})
    return _page(state, request, items)


def _requests(rows: Sequence[reports.Row], names: Sequence[str]) -> int | None:
    """Requests and execution spans together; a cost component has no count of its own [A]."""
    if any(name in names for name in UNCOUNTED):
        return None
    return sum(row.spans + row.requests for row in rows)


def _second(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


ROUTES = (
    Route("GET", "/v1/organizations/cost_report", cost_report, access="admin"),
    Route("GET", "/v1/organizations/usage_report/messages", usage_report, access="admin"),
    Route("GET", "/v1/organizations/analytics/usage", analytics_usage, access="admin"),
    Route("GET", "/v1/organizations/analytics/cost", analytics_cost, access="admin"),
)
