"""A prepared bill: charged items from JSON Lines, told by the reports as if they had been served here."""

import json
from decimal import Decimal
from typing import Any

import pytest

from planner.simulator import BillError, check_bill
from planner.simulator.config import ORGANIZATION
from planner.simulator.prepared import read
from tests.simulator.asgi import ADMIN, Api

ITEM = {
    "at": "2026-11-22T07:00:00Z",
    "organization": ORGANIZATION,
    "workspace": "wrkspc_01A",
    "api_key": "apikey_01A",
    "model": "claude-haiku-5-5",
}
LINES = [
    {"kind": "input", "quantity": 12_000, "nano": 1_200_000, "list_nano": 1_500_000},
    {"kind": "web_search", "quantity": 2, "nano": 20_000_000},
    {"kind": "code_execution", "quantity": "300.5", "nano": 4_173_611},
]
SPAN = [("starting_at", "2026-11-22T00:00:00Z"), ("ending_at", "2026-11-23T00:00:00Z")]
ANALYTICS = {**ADMIN, "anthropic-beta": "analytics-usage-cost-2026-08-24"}


def item(**changes: Any) -> bytes:
    """A line of a bill."""
    return json.dumps(ITEM | {"lines": LINES, "requests": 3, "spans": 2} | changes).encode()


def test_the_cost_report_tells_it() -> None:
    """By workspace and description, in cents, beside what is served here."""
    api = Api(bill=(item(), b"  ", item(workspace="wrkspc_01B", model="claude-new-7")))
    api.ask("hi")
    api.clock.advance(600)
    query = [*SPAN, ("group_by[]", "description"), ("group_by[]", "workspace_id")]
    rows = api.get("/v1/organizations/cost_report", query, ADMIN)["data"][0]["results"]
    assert sum(Decimal(row["amount"]) for row in rows) * 10_000_000 == api.bill.nano
    mine = {row["description"]: row["amount"] for row in rows if row["workspace_id"] == "wrkspc_01A"}
    assert mine == {
        "Claude Haiku 5.5 Usage - Input Tokens": "0.12",
        "Web Search Usage": "2",
        "Code Execution Usage": "0.4173611",
    }
    assert "claude-new-7 Usage - Input Tokens" in {row["description"] for row in rows}
    assert api.bill.requests == 7


def test_usage_and_analytics_tell_it() -> None:
    """Tokens, searches, requests, spans, and both prices."""
    api = Api(bill=(item(), item(at="2026-11-22T08:00:00Z", speed="fast")))
    query = [*SPAN, ("bucket_width", "1h")]
    found = [each for bucket in api.get("/v1/organizations/usage_report/messages", query, ADMIN)["data"]
             for each in bucket["results"]]  # fmt: skip
    assert [each["uncached_input_tokens"] for each in found] == [12_000, 12_000]
    assert found[0]["server_tool_use"] == {"web_search_requests": 2}
    usage = api.get("/v1/organizations/analytics/usage", [*SPAN, ("group_by[]", "speed")], ANALYTICS)["data"]
    assert {each["group"]["speed"]: each["usage"]["requests"] for each in usage} == {"standard": 3, "fast": 3}
    cost = api.get("/v1/organizations/analytics/cost", [*SPAN, ("group_by[]", "cost_type")], ANALYTICS)["data"]
    by_type = {each["group"]["cost_type"]: each["cost"] for each in cost}
    assert by_type["tokens"]["amount"] == "0.24"
    assert by_type["tokens"]["list_amount"] == "0.3"
    assert by_type["code_execution"]["requests"] is None  # a part of the cost has no count of its own
    counted = api.get("/v1/organizations/analytics/cost", [*SPAN, ("group_by[]", "product")], ANALYTICS)["data"]
    assert {each["group"]["product"]: each["cost"]["requests"] for each in counted}[None] == 4


def test_the_whole_bill_counts_it() -> None:
    """Its totals have it; its requests are not told one by one."""
    api = Api(bill=(item(),))
    report = json.loads(api.call("GET", "/simulator/bill").body)
    assert report["requests"] == []
    assert report["request_count"] == 3
    assert report["nano"] == sum(int(str(line["nano"])) for line in LINES)


def test_other_organizations_do_not_see_it() -> None:
    """An item belongs to one."""
    api = Api(bill=(item(organization="another"),))
    assert api.get("/v1/organizations/cost_report", SPAN, ADMIN)["data"][0]["results"] == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "truncated"),
        (b"\xff", "malformed"),
        (item(surprise=1), "unknown field `surprise`"),
        (item(lines=[{"kind": "coffee", "quantity": 1, "nano": 1}]), "Invalid enum value 'coffee'"),
        (item(lines=[{"kind": "input", "quantity": "some", "nano": 1}]), "`quantity` is some"),
        (item(lines=[{"kind": "input", "quantity": "1/0", "nano": 1}]), "`quantity` is 1/0"),
        (item(lines=[{"kind": "input", "quantity": 1, "nano": 1.5}]), "Expected `int`, got `float`"),
        (item(at="2026-11-22T07:00:00"), "no time zone"),
        (item(requests=-1), "counts from 0 up"),
        (b"[" * 100_000, "got `array`"),
    ],
)
def test_what_is_no_item_is_told_with_its_line(line: bytes, problem: str) -> None:
    """In the form of every other finding; nothing is guessed at."""
    with pytest.raises(BillError, match=problem) as raised:
        list(read([item(), b"", line]))
    assert raised.value.line == 3
    (told,) = check_bill("bill.jsonl", [item(), b"", line])
    assert told.startswith("bill.jsonl:3:1: this line: it is no charged item. ")
    assert check_bill("bill.jsonl", [item()]) == []
