"""The bill: exact to the nano-dollar for every modifier, and free where it should be."""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.clock import VirtualClock
from planner.simulator import Switches, prices
from planner.simulator.bill import Bill, Sample, Work
from planner.simulator.hours import Hours, Use
from tests.simulator.asgi import BASIC_SEARCH, CODE, KEY, NEW_CODE, PRICES, SEARCH, START, Api

MINIMUM = Fraction(300)
MINUTES_5 = 4_166_667


def bill(**switches: Any) -> Bill:
    """An empty bill at the test prices."""
    return Bill(prices.read((PRICES,)), Switches(**switches), idle=300.0, kept=100)


def work(**fields: Any) -> Work:
    """A request of 1,000 tokens of every class on Opus 5.5, any field changed."""
    sample = Sample(
        model=fields.get("model", "claude-opus-5-5"),
        input=1_000,
        output=1_000,
        cache_read=1_000,
        cache_write_5m=1_000,
        cache_write_1h=1_000,
    )
    base = {
        "request_id": "req",
        "message_id": "msg",
        "at": START,
        "organization": "o",
        "workspace": "w",
        "api_key_id": "k",
        "model": "claude-opus-5-5",
        "samples": [sample],
    }
    return Work(**{**base, **fields})


def nano(**fields: Any) -> int | None:
    """What such a request costs."""
    return bill().charge(work(**fields)).nano


def test_every_class_at_its_own_price() -> None:
    """1,000 tokens each at 4, 20, 0.20, 5 and 8 dollars a million."""
    lines = {line.kind: line.nano for line in bill().charge(work()).lines}
    assert lines == {
        "input": 4_000_000,
        "output": 20_000_000,
        "cache_read": 200_000,
        "cache_write_5m": 5_000_000,
        "cache_write_1h": 8_000_000,
    }


@pytest.mark.parametrize(
    ("fields", "factor"),
    [
        ({"tier": "batch"}, Fraction(1, 2)),
        ({"geo": "us"}, Fraction(11, 10)),
        ({"fast": True}, Fraction(2)),
        ({"fast": True, "geo": "us", "tier": "batch"}, Fraction(11, 10)),
    ],
)
def test_modifiers_multiply_every_class(fields: dict[str, Any], factor: Fraction) -> None:
    """Batch, US inference and fast mode stack."""
    assert nano(**fields) == 37_200_000 * factor


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "claude-none"},
        {"model": "claude-sonnet-5-5", "geo": "us"},
        {"model": "claude-haiku-5-5", "fast": True},
    ],
)
def test_what_has_no_published_price_is_unknown(fields: dict[str, Any]) -> None:
    """No row, or no multiplier: the cost is unknown, never a guess and never zero."""
    found = bill()
    charge = found.charge(work(**fields))
    assert charge.nano is None
    assert found.unpriced == len(charge.lines)
    assert found.nano == 0


def test_rows_are_dated() -> None:
    """The row in force at the time of the request counts, from midnight UTC of its first day."""
    change = datetime.fromisoformat("2026-10-06T00:00:00+00:00")
    reads = {"samples": [Sample(model="claude-sonnet-5-5", cache_read=1_000)], "model": "claude-sonnet-5-5"}
    assert nano(**reads, at=change - timedelta(microseconds=1)) == 200_000
    assert nano(**reads, at=change) == 100_000


@pytest.mark.parametrize(("prompt", "price"), [(99_999, 100), (100_000, 100), (100_001, 500)])
def test_a_long_prompt_moves_the_whole_request(prompt: int, price: int) -> None:
    """Above the tier every token of the request has the higher price."""
    sample = Sample(model="claude-haiku-5-5", input=prompt)
    assert nano(samples=[sample], model="claude-haiku-5-5") == prompt * price


def test_which_prompt_the_tier_looks_at() -> None:
    """The sum over iterations, or each iteration's own: a switch."""
    samples = [Sample(model="claude-haiku-5-5", input=60_000)] * 2
    assert bill().charge(work(samples=samples)).nano == 120_000 * 500
    assert bill(haiku55_tier_on="iteration_prompt").charge(work(samples=samples)).nano == 120_000 * 100


def test_an_advisor_bills_at_its_own_price() -> None:
    """Iterations of another model have lines of their own."""
    samples = [Sample(model="claude-sonnet-5-5", input=1_000), Sample(model="claude-opus-5-5", input=1_000)]
    lines = bill().charge(work(samples=samples)).lines
    assert [(line.model, line.nano) for line in lines] == [
        ("claude-sonnet-5-5", 2_000_000),
        ("claude-opus-5-5", 4_000_000),
    ]


def test_one_rounding_a_line() -> None:
    """A third of a nano-dollar is kept exactly and rounded half to even once."""
    rows = PRICES.replace('input: "4"', 'input: "0.0005"')
    found = Bill(prices.read((rows,)), Switches(), idle=300.0, kept=10)
    sample = Sample(model="claude-opus-5-5", input=1)
    charge = found.charge(work(samples=[sample]))
    assert (charge.lines[0].exact, charge.lines[0].nano) == (Fraction(1, 2), 0)
    charge = found.charge(work(samples=[sample] * 3))
    assert (charge.lines[0].exact, charge.lines[0].nano) == (Fraction(3, 2), 2)


def use(**fields: Any) -> Use:
    """A use of a container, any field changed."""
    base = {"container": "c", "organization": "o", "start": START, "end": START, "seconds": Fraction(10), "free": False}
    return Use(**{**base, **fields})


def test_the_opening_use_pays_the_minimum_later_ones_what_goes_beyond() -> None:
    """A session is five minutes at least, then by the second."""
    hours = Hours(Switches(), 300.0)
    billed = [hours.charge(use(seconds=Fraction(seconds)), MINIMUM).seconds for seconds in (10, 200, 100, 60)]
    assert billed == [300, 0, 10, 60]


def test_idleness_ends_a_session() -> None:
    """After more than five idle minutes the next use opens another session."""
    hours = Hours(Switches(), 300.0)
    times = [START, START + timedelta(seconds=300), START + timedelta(seconds=601)]
    assert [hours.charge(use(start=at, end=at), MINIMUM).seconds for at in times] == [300, 0, 300]


def test_the_minimum_can_be_per_request() -> None:
    """The switch `code.minimum_per`."""
    hours = Hours(Switches(code_minimum_per="request"), 300.0)
    assert [hours.charge(use(seconds=Fraction(s)), MINIMUM).seconds for s in (10, 400)] == [300, 400]


def test_idle_time_can_bill() -> None:
    """The switch `code.idle_bills` counts from the first use to the last."""
    hours = Hours(Switches(code_idle_bills=True), 300.0)
    hours.charge(use(), MINIMUM)
    late = START + timedelta(seconds=290)
    hours.charge(use(start=late, end=late), MINIMUM)
    last = START + timedelta(seconds=500)
    assert hours.charge(use(start=last, end=last), MINIMUM).seconds == 200


@pytest.mark.parametrize(("counts", "expected"), [(False, 0), (True, 300)])
def test_free_use_and_the_allowance(*, counts: bool, expected: int) -> None:
    """Free use costs nothing; whether it uses up free hours is a switch."""
    hours = Hours(Switches(code_free_use_counts=counts), 300.0)
    assert hours.charge(use(free=True), MINIMUM).seconds == 0
    assert hours.used("o", START) == expected


def test_free_hours_end_within_a_use_and_begin_anew_each_month() -> None:
    """The credit covers what is left, per organization, until the month turns in UTC."""
    hours = Hours(Switches(free_hours_limit=1), 300.0)
    first = hours.charge(use(seconds=Fraction(3_500)), MINIMUM)
    assert [first.seconds, first.credited] == [3_500, 3_500]
    second = hours.charge(use(container="d"), MINIMUM)
    assert [second.seconds, second.credited] == [300, 100]
    other = hours.charge(use(container="e", organization="p"), MINIMUM)
    assert other.credited == 300
    december = START.replace(month=12)
    assert hours.charge(use(container="f", start=december, end=december), MINIMUM).credited == 300


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 700), st.booleans()), max_size=12))
def test_a_session_never_bills_less_than_it_ran(uses: list[tuple[int, int, bool]]) -> None:
    """Billed seconds cover what was computed, credits never exceed what is billed, and nothing is negative."""
    hours, at, ran, billed = Hours(Switches(), 300.0), START, 0, Fraction(0)
    for seconds, pause, free in uses:
        found = hours.charge(use(start=at, end=at, seconds=Fraction(seconds), free=free), MINIMUM)
        assert 0 <= found.credited <= found.seconds
        billed += found.seconds
        ran += 0 if free else seconds
        at += timedelta(seconds=pause)
    assert billed >= ran


def kinds(api: Api) -> dict[str, int]:
    """The totals that are not zero."""
    return {kind: nano for kind, nano in api.bill.totals.items() if nano}


def test_a_run_of_code_costs_five_minutes_and_the_allowance_gives_them_back() -> None:
    """Below the free hours the code line is credited; at limit 0 it stays."""
    api = Api()
    api.ask("[short]", tools=[CODE])
    assert kinds(api)["code_execution"] == MINUTES_5
    assert kinds(api)["allowance_credit"] == -MINUTES_5
    api = Api(switches=Switches(free_hours_limit=0))
    api.ask("[short]", tools=[CODE])
    assert kinds(api)["code_execution"] == MINUTES_5
    assert "allowance_credit" not in kinds(api)


DIRECT = {"allowed_callers": ["direct"]}


@pytest.mark.parametrize(
    ("tools", "switches", "charged"),
    [
        ([CODE, BASIC_SEARCH], {}, True),
        ([NEW_CODE, SEARCH], {}, False),
        ([NEW_CODE, {"type": "web_fetch_20260209", "name": "web_fetch"}], {}, False),
        ([NEW_CODE, {**SEARCH, **DIRECT}], {}, False),
        ([NEW_CODE, {**SEARCH, **DIRECT}], {"code_direct_web_tool_frees": False}, True),
        ([NEW_CODE, {**SEARCH, "defer_loading": True}], {}, True),
        ([NEW_CODE, {**SEARCH, "defer_loading": True}], {"code_deferred_web_tool_frees": True}, False),
    ],
)
def test_a_newer_web_tool_in_the_request_frees_its_code(
    tools: list[Any], switches: dict[str, Any], *, charged: bool
) -> None:
    """Declared is enough; basic web tools do not count; direct and deferred ones are switches."""
    api = Api(switches=Switches(free_hours_limit=0, **switches))
    api.ask("[short]", tools=tools)
    assert ("code_execution" in kinds(api)) is charged


def test_code_was_not_free_before_it_was() -> None:
    """The rule is in force since 2026-02-17."""
    clock = VirtualClock(datetime.fromisoformat("2026-02-16T23:00:00+00:00"))
    api = Api(clock=clock, switches=Switches(free_hours_limit=0))
    api.ask("[short]", tools=[NEW_CODE, SEARCH])
    assert kinds(api)["code_execution"] == MINUTES_5
    clock.advance(3_600)
    api.ask("[short]", tools=[NEW_CODE, SEARCH])
    assert kinds(api)["code_execution"] == MINUTES_5


def upload(api: Api) -> str:
    """The id of an uploaded file."""
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n1,2\r\n--b--\r\n'
    headers = {**KEY, "content-type": "multipart/form-data; boundary=b"}
    return str(api.call("POST", "/v1/files", body, headers=headers).json()["id"])


def test_files_bill_time_even_if_nothing_runs() -> None:
    """Preloading opens a session; whether old uploads do so again is a switch."""
    for again, total in ((True, 2 * MINUTES_5), (False, MINUTES_5)):
        api = Api(switches=Switches(free_hours_limit=0, code_history_uploads_bill=again))
        block = {"type": "container_upload", "file_id": upload(api)}
        first = {"role": "user", "content": [{"type": "text", "text": "hello"}, block]}
        api.ask(messages=[first], tools=[CODE])
        assert kinds(api)["code_execution"] == MINUTES_5
        later = [first, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "go on"}]
        api.ask(messages=later, tools=[CODE])
        assert kinds(api)["code_execution"] == total


@pytest.mark.parametrize("bills", [False, True])
def test_skills_preload_bills_only_by_switch(*, bills: bool) -> None:
    """The switch `code.skills_preload_bills`."""
    api = Api(switches=Switches(free_hours_limit=0, code_skills_preload_bills=bills))
    api.ask("hello", tools=[CODE], container={"skills": [{"type": "anthropic", "skill_id": "pdf"}]})
    assert ("code_execution" in kinds(api)) is bills


def test_searches_cost_a_cent_unless_they_fail(api: Api) -> None:
    """$10 per 1,000 searches; an error inside the response is not one."""
    api.ask("[research]", tools=[BASIC_SEARCH])
    assert kinds(api)["web_search"] == 20_000_000
    api.ask("[search-error]", tools=[BASIC_SEARCH])
    api.ask("[research]", tools=[{**BASIC_SEARCH, "max_uses": 1}])
    assert kinds(api)["web_search"] == 30_000_000


def test_usage_and_bill_agree(api: Api) -> None:
    """The tokens on the bill are those of the response, class by class."""
    usage = api.ask("[csv]", tools=[CODE]).json()["usage"]
    billed = {line.kind: int(line.quantity) for line in api.bill.charges[-1].lines}
    assert billed["input"] == usage["input_tokens"]
    assert billed["output"] == usage["output_tokens"]


def test_errors_cost_nothing_and_broken_streams_what_was_sent() -> None:
    """An error status is free; a stream that broke off is billed for its part, unless configured otherwise."""
    api = Api()
    for text in ("[500]", "[overloaded]", "[midstream-error]"):
        api.ask(text)
    assert api.bill.requests == 0
    api.ask("[midstream-error]", stream=True)
    assert [charge.work.outcome for charge in api.bill.charges] == ["error"]
    api.ask("[cut]", stream=True)
    assert [charge.work.outcome for charge in api.bill.charges] == ["error", "cut"]
    strict = Api(bill_partial=False)
    strict.ask("[cut]", stream=True)
    assert strict.bill.requests == 0


def test_an_unbilled_refusal() -> None:
    """A refusal before output costs nothing for the categories that say so."""
    text = "scenarios: [{name: no, turns: [{steps: [{refuse: {billed: false}}]}]}]"
    api = Api(scenarios=(text,))
    message = api.ask().json()
    assert message["stop_reason"] == "refusal"
    assert message["stop_details"]["type"] == "refusal"
    assert api.bill.requests == 0


def test_the_report_is_the_bill(api: Api) -> None:
    """`GET /simulator/bill` tells each request's lines and the totals, without a key."""
    api.ask("[short]", tools=[CODE])
    report = api.get("/simulator/bill", headers={})
    assert report["nano"] == api.bill.nano == sum(report["totals"].values())
    lines = report["requests"][0]["lines"]
    assert {line["kind"] for line in lines} == {"input", "output", "code_execution", "allowance_credit"}
    assert next(line for line in lines if line["kind"] == "code_execution")["exact"] == "12500000/3"
    assert report["requests"][0]["nano"] == sum(line["nano"] for line in lines)


def test_switches_go_by_their_dotted_names() -> None:
    """The names of `rules/settings.yaml`, and tool tokens as a number or an interval."""
    changes = {
        "code.minimum_per": "request",
        "free_hours.limit": 0,
        "tool_tokens.web_search_20260318": 7,
        "tool_tokens.web_fetch_20260318": {"low": 1, "likely": 8, "high": 9},
    }
    switches = Switches().with_settings(changes)
    assert (switches.code_minimum_per, switches.free_hours_limit) == ("request", 0)
    assert switches.definition_tokens("web_search_20260318") == 7
    assert switches.definition_tokens("web_fetch_20260318") == 8
    assert switches.definition_tokens("custom") is None
    with pytest.raises(ValueError, match="idle"):
        Switches().with_settings({"code.idle": True})
