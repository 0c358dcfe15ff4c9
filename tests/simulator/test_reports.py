"""Bill and usage APIs: they add up to the bill, in cents, late, and without container time in the usage."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from planner.simulator import Key, Switches
from planner.simulator.reports import cents
from tests.simulator.asgi import ADMIN, BASIC_SEARCH, CODE, Api

COST = "/v1/organizations/cost_report"
USAGE = "/v1/organizations/usage_report/messages"
ANALYTICS = {**ADMIN, "anthropic-beta": "analytics-usage-cost-2026-08-24"}
START = [("starting_at", "2026-11-22T00:00:00Z")]
SPAN = [*START, ("ending_at", "2026-11-23T00:00:00Z")]


@pytest.fixture
def busy() -> Api:
    """A simulator that served code and searches beyond the free hours, ten minutes ago."""
    api = Api(switches=Switches(free_hours_limit=0))
    api.ask("[csv]", tools=[CODE])
    api.ask("[research]", tools=[BASIC_SEARCH])
    api.clock.advance(600)
    return api


def results(api: Api, path: str, query: list[tuple[str, str]]) -> list[Any]:
    """The results of all buckets."""
    return [item for bucket in api.get(path, query, ADMIN)["data"] for item in bucket["results"]]


def test_the_cost_report_adds_up_to_the_bill(busy: Api) -> None:
    """Decimal strings of cents, by description and workspace."""
    found = results(busy, COST, [*START, ("group_by[]", "description"), ("group_by[]", "workspace_id")])
    assert sum(Decimal(item["amount"]) for item in found) * 10_000_000 == busy.bill.nano
    code = next(item for item in found if item["cost_type"] == "code_execution")
    assert code["description"] == "Code Execution Usage"
    assert code["amount"] == "0.4166667"
    assert code["workspace_id"].startswith("wrkspc_")
    assert next(item for item in found if item["cost_type"] == "web_search")["amount"] == "2"
    tokens = [item for item in found if item["cost_type"] == "tokens"]
    assert {item["token_type"] for item in tokens} == {"uncached_input_tokens", "output_tokens"}


def test_without_groups_there_is_one_amount(busy: Api) -> None:
    """What is not grouped by is null."""
    found = results(busy, COST, START)
    assert len(found) == 1
    assert found[0]["description"] is None
    assert Decimal(found[0]["amount"]) * 10_000_000 == busy.bill.nano


def test_free_hours_are_off_the_cost_report() -> None:
    """A line and its credit make one amount: nothing."""
    api = Api()
    api.ask("[csv]", tools=[CODE])
    api.clock.advance(600)
    found = results(api, COST, [*START, ("group_by[]", "description")])
    assert [item["amount"] for item in found if item["cost_type"] == "code_execution"] == ["0"]


def test_days_are_paged(busy: Api) -> None:
    """Seven buckets a page unless asked otherwise, with a cursor to the next."""
    query = [*START, ("ending_at", "2026-12-01T00:00:00Z")]
    page = busy.get(COST, query, ADMIN)
    assert (len(page["data"]), page["has_more"]) == (7, True)
    rest = busy.get(COST, [*query, ("page", page["next_page"])], ADMIN)
    assert (len(rest["data"]), rest["has_more"]) == (2, False)


def test_reports_are_some_minutes_late() -> None:
    """What just happened is not in the reports yet."""
    api = Api()
    api.ask("[csv]", tools=[CODE])
    assert results(api, COST, START) == []
    api.clock.advance(301)
    assert results(api, COST, START) != []


def test_the_usage_report_has_tokens_and_no_code(busy: Api) -> None:
    """Token classes by any dimension and bucket width; container time is not usage."""
    for width in ("1d", "1h", "1m"):
        query = [("starting_at", "2026-11-22T09:00:00Z"), ("bucket_width", width), ("group_by[]", "model")]
        found = results(busy, USAGE, query)
        assert len(found) == 1
        assert found[0]["model"] == "claude-opus-5-5"
        assert found[0]["server_tool_use"] == {"web_search_requests": 2}
        assert "code_execution" not in str(found)
        billed = sum(
            int(line.quantity) for charge in busy.bill.charges for line in charge.lines if line.kind == "input"
        )
        assert found[0]["uncached_input_tokens"] == billed
    assert results(busy, USAGE, [*START, ("models[]", "claude-haiku-5-5")]) == []


def test_analytics_cost_counts_execution_spans(busy: Api) -> None:
    """Fractional cents by cost type, which has no count; spans stand with the rows that have no product."""
    query = [*SPAN, ("group_by[]", "cost_type"), ("group_by[]", "api_key_id")]
    data = busy.get("/v1/organizations/analytics/cost", query, ANALYTICS)["data"]
    by_type = {item["group"]["cost_type"]: item["cost"] for item in data}
    assert {cost["requests"] for cost in by_type.values()} == {None}
    counted = busy.get("/v1/organizations/analytics/cost", [*SPAN, ("group_by[]", "product")], ANALYTICS)["data"]
    assert {item["group"]["product"]: item["cost"]["requests"] for item in counted} == {None: 2, "messages_api": 2}
    assert sum(Decimal(cost["amount"]) for cost in by_type.values()) * 10_000_000 == busy.bill.nano
    buckets = busy.get("/v1/organizations/analytics/cost", [*SPAN, ("time_bucket_width", "1h")], ANALYTICS)
    assert [item["starting_at"] for item in buckets["data"]] == ["2026-11-22T09:00:00Z"]
    assert buckets["data_refreshed_at"] is not None


def test_analytics_usage(busy: Api) -> None:
    """Tokens and requests of the whole range in one row."""
    data = busy.get("/v1/organizations/analytics/usage", SPAN, ANALYTICS)["data"]
    assert len(data) == 1
    assert data[0]["usage"]["requests"] == 2
    assert data[0]["group"] == {}


@pytest.mark.parametrize(
    ("path", "query", "headers"),
    [
        (COST, [], ADMIN),
        (COST, [("starting_at", "yesterday")], ADMIN),
        (COST, [*START, ("ending_at", "2026-11-01T00:00:00Z")], ADMIN),
        (COST, [*START, ("group_by[]", "model")], ADMIN),
        (COST, [*START, ("bucket_width", "1h")], ADMIN),
        (COST, [*START, ("limit", "99")], ADMIN),
        (USAGE, [*START, ("bucket_width", "1w")], ADMIN),
        ("/v1/organizations/analytics/cost", START, ADMIN),
        ("/v1/organizations/analytics/cost", [*START, ("ending_at", "2027-01-01T00:00:00Z")], ANALYTICS),
        ("/v1/organizations/analytics/cost", [*START, ("time_bucket_width", "1d")], ANALYTICS),
        (
            "/v1/organizations/analytics/usage",
            [
                *START,
                *(
                    ("group_by[]", name)
                    for name in ("model", "speed", "product", "service_tier", "api_key_id", "workspace_id")
                ),
            ],
            ANALYTICS,
        ),
    ],
)
def test_queries_that_cannot_be(api: Api, path: str, query: list[tuple[str, str]], headers: dict[str, str]) -> None:
    """A wrong query is a 400."""
    assert api.call("GET", path, query=query, headers=headers).status == 400


@pytest.mark.parametrize(
    ("nano", "text"), [(0, "0"), (10_000_000, "1"), (1, "0.0000001"), (4_166_667, "0.4166667"), (-50, "-0.000005")]
)
def test_cents_are_exact(nano: int, text: str) -> None:
    """No float on the way, no digit lost."""
    assert cents(nano) == text


def test_other_organizations_see_nothing_of_it() -> None:
    """An admin key reports on its own organization."""
    admin = Key(key="sk-ant-admin-b", organization="other", admin=True)
    api = Api(keys=(admin,))
    api.ask("[csv]", tools=[CODE])
    api.clock.advance(timedelta(minutes=10).total_seconds())
    headers = {**ADMIN, "x-api-key": "sk-ant-admin-b"}
    assert api.get(COST, START, headers)["data"][0]["results"] == []
