"""Charged items: requests that are alike within an hour become one, and nothing is lost on the way."""

from datetime import UTC, datetime

import msgspec

from planner.core.replay.calls import Call, Counts, Response, Work
from planner.traffic.bill import Bill, Charged, Item, lines, total

AT = datetime(2026, 10, 3, 9, 59, 59, tzinfo=UTC)


def charged(at: datetime = AT, *, batch: bool = False, prompt: int = 10, billed_ms: int = 0) -> Charged:
    """A request on the bill."""
    call = Call(
        at=at,
        organization="o",
        workspace="w",
        principal="p",
        conversation="c",
        turn=1,
        model="m",
        system=b"",
        own=(),
        tools=(),
        container=None,
        skills=0,
        fast=False,
        us=True,
        work=Work(prompt_tokens=prompt, web_searches=2),
        batch=batch,
    )
    response = Response(
        first=Counts(input=prompt),
        whole=Counts(input=prompt, output=5),
        iterations=1,
        container=None,
        expires_at=None,
        started=False,
        elapsed=1.0,
        bill={},
        billed_ms=billed_ms,
    )
    nano = {"input": prompt, "output": 50, "web_search": 7} | ({"code_execution": 3} if billed_ms else {})
    return Charged(call, response, "k", nano, nano | {"output": 60}, 1 if billed_ms else 0)


def test_alike_requests_of_an_hour_are_one_item() -> None:
    """With sums of requests, quantities, spans and amounts, at both prices."""
    bill = Bill()
    for _ in range(3):
        bill.add(charged(billed_ms=300_001))
    (item,) = bill.items
    assert (item.at, item.requests, item.spans, item.inference_geo) == ("2026-10-03T09:00:00Z", 3, 3, "us")
    found = {line.kind: (line.quantity, line.nano, line.listed) for line in item.lines}
    assert found == {
        "input": (30, 30, 30),
        "output": (15, 150, 180),
        "web_search": (6, 21, 21),
        "code_execution": ("900.003", 9, 9),
    }
    assert total(bill.items) == item.nano == 210


def test_what_a_report_tells_apart_is_apart() -> None:
    """The hour, the tier, the context window."""
    bill = Bill()
    for each in (
        charged(),
        charged(AT.replace(hour=10)),
        charged(batch=True),
        charged(prompt=200_000),
        charged(prompt=200_001),
    ):
        bill.add(each)
    found = [(item.at[11:13], item.service_tier, item.context_window, item.requests) for item in bill.items]
    assert found == [
        ("09", "batch", "0-200k", 1),
        ("09", "standard", "0-200k", 2),
        ("09", "standard", "200k-1M", 1),
        ("10", "standard", "0-200k", 1),
    ]


def test_lines_are_read_back() -> None:
    """JSON Lines, a line feed each."""
    bill = Bill()
    bill.add(charged())
    (line,) = lines(bill.items)
    assert line.endswith(b"}\n")
    assert (msgspec.json.decode(line, type=Item),) == bill.items
