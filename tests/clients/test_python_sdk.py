"""The official Python SDK cannot tell the planner from the API: it parses the same, and ledger and bill agree."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest

from planner.clock import VirtualClock
from planner.core.rulebook.book import RuleBook
from tests.clients.talks import MODEL, TALKS, WEATHER, Talk, plain, user
from tests.doubles.messages import SSE_HEAD, events
from tests.doubles.proxy import proxied, run
from tests.doubles.simulated import START, Simulated, assert_reconciled, rules, simulated, simulating
from tests.doubles.upstream import Turn, chunk

KEY = "sk-ant-test"
HELLO: Any = {"model": MODEL, "max_tokens": 99, "messages": [user("hi")]}
Work = Callable[[anthropic.AsyncAnthropic, Simulated], Awaitable[None]]


class Hasty(anthropic.AsyncAnthropic):
    """The SDK with its own rules of what to retry, but without the pauses."""

    def _calculate_retry_timeout(self, *_: Any, **__: Any) -> float:
        return 0.0


def through(directory: Path, work: Work, *, retries: int = 0, book: RuleBook | None = None) -> None:
    """Run work with an async client through the planner."""

    async def main() -> None:
        async with (
            simulated(directory, book=book) as planner,
            Hasty(base_url=planner.address, api_key=KEY, max_retries=retries) as client,
        ):
            await work(client, planner)

    run(main())


async def directly(talk: Talk) -> Any:
    """What a talk returns when it is held with the simulator itself."""
    clock = VirtualClock(START)
    async with simulating(clock) as (_, url), anthropic.AsyncAnthropic(base_url=url, api_key=KEY) as client:
        return without(await talk(client, clock.advance), url)


def without(value: Any, address: str) -> Any:
    """A result without the address that was asked, the only thing in it that differs from run to run."""
    return msgspec.json.decode(msgspec.json.encode(value).replace(address.encode(), b"http://api"))


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.__name__)
def test_the_sdk_parses_the_same_through_the_planner(tmp_path: Path, talk: Talk) -> None:
    """Same seed, same clock: each talk returns what it returns without us, and the ledger has every charge."""

    async def work(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        got, expected = await asyncio.gather(talk(client, planner.advance), directly(talk))
        assert without(got, planner.address) == expected
        entries = await planner.entries(len(planner.simulator.heard))
        assert len(entries) == len(planner.simulator.heard)
        assert {entry.outcome for entry in entries} == {"ok"}
        assert_reconciled(entries, planner.simulator)

    through(tmp_path, work)


BATCHED: Any = [{"custom_id": name, "params": HELLO} for name in ("one", "two")]


async def assert_metered(planner: Simulated, results: list[str]) -> None:
    """All results came, and one entry has what the simulator billed for the batch."""
    assert results == ["one", "two"]
    entries = await planner.entries(len(planner.simulator.heard))
    assert len(entries) == len(planner.simulator.heard)
    (metered,) = [entry for entry in entries if entry.endpoint == "batch_results"]
    assert metered.cost_nano == sum(charge.nano or 0 for charge in planner.simulator.bill.charges)
    assert metered.cost_nano
    assert metered.batch is not None
    assert (metered.batch.results, metered.batch.settled_before) == (2, 0)


def test_batch_results_are_metered(tmp_path: Path) -> None:
    """The SDK fetches them from the address in the batch, which is the planner's own wherever one is named."""

    async def work(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        made = await client.messages.batches.with_raw_response.create(requests=BATCHED)
        batch = await made.parse()
        assert (batch.results_url, made.headers.get("planner-answer")) == (None, None)
        planner.advance(61)
        polled = await client.messages.batches.with_raw_response.retrieve(batch.id)
        batch = await polled.parse()
        assert batch.results_url == f"{planner.address}/v1/messages/batches/{batch.id}/results"
        assert polled.headers["planner-answer"] == "results-url"
        assert [each.results_url async for each in client.messages.batches.list()] == [batch.results_url]
        results = [each.custom_id async for each in await client.messages.batches.results(batch.id)]
        await assert_metered(planner, results)

    through(tmp_path, work)


def test_batch_results_are_metered_for_the_sync_client(tmp_path: Path) -> None:
    """From a thread; the beta client goes the same way."""

    async def work(_client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        def talk() -> list[str]:
            with anthropic.Anthropic(base_url=planner.address, api_key=KEY, max_retries=0) as sync:
                batch = sync.messages.batches.create(requests=BATCHED)
                planner.advance(61)
                assert sync.beta.messages.batches.retrieve(batch.id).results_url
                return [each.custom_id for each in sync.beta.messages.batches.results(batch.id)]

        await assert_metered(planner, await asyncio.to_thread(talk))

    through(tmp_path, work)


def test_batch_results_go_past_the_planner_where_they_are_theirs(tmp_path: Path) -> None:
    """The setting leaves the batch as it is: the SDK fetches results past the planner, and no entry has them."""

    async def work(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        batch = await client.messages.batches.create(requests=BATCHED)
        planner.advance(61)
        polled = await client.messages.batches.with_raw_response.retrieve(batch.id)
        assert ((await polled.parse()).results_url or "").startswith(planner.direct)
        assert polled.headers.get("planner-answer") is None
        (heard,) = [each for each in planner.simulator.heard if each.method == "GET"]
        assert await polled.read() == bytes(heard.answer)
        assert len([each async for each in await client.messages.batches.results(batch.id)]) == 2
        entries = await planner.entries(len(planner.simulator.heard) - 1)
        assert {entry.endpoint for entry in entries} == {"batches"}

    through(tmp_path, work, book=rules(settings={"batches.results_url": "theirs"}))


def test_the_sync_client(tmp_path: Path) -> None:
    """Whole and streamed, from a thread."""

    async def work(_client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        def talk() -> None:
            with anthropic.Anthropic(base_url=planner.address, api_key=KEY, max_retries=0) as sync:
                assert sync.messages.create(**HELLO).stop_reason == "end_turn"
                with sync.messages.stream(**HELLO) as stream:
                    assert "".join(stream.text_stream)
                    assert stream.get_final_message().usage.output_tokens > 0
                assert sync.messages.count_tokens(model=MODEL, messages=[user("hi")]).input_tokens > 0
                assert len([model.id for model in sync.models.list()]) == 19

        await asyncio.to_thread(talk)
        assert_reconciled(await planner.entries(4), planner.simulator)

    through(tmp_path, work)


@pytest.mark.parametrize(
    ("marker", "error", "attempts"),
    [
        ("[400]", anthropic.BadRequestError, 1),
        ("[500]", anthropic.InternalServerError, 3),
        ("[overloaded]", anthropic.OverloadedError, 3),
        ("[cut]", anthropic.APIConnectionError, 3),
    ],
)
def test_errors_are_the_sdks_own_and_attempts_are_not_multiplied(
    tmp_path: Path, marker: str, error: type[anthropic.APIError], attempts: int
) -> None:
    """The SDK retries twice by itself; the planner sends each attempt once."""

    async def work(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        with pytest.raises(error):
            await client.messages.create(model=MODEL, max_tokens=9, messages=[user(marker)])
        entries = await planner.entries(attempts)
        assert len(planner.heard) == len(entries) == attempts
        assert {(entry.attempts, entry.outcome) for entry in entries} == {(1, "error")}

    through(tmp_path, work, retries=2)


def test_a_rate_limit_keeps_its_headers_and_the_next_attempt_works(tmp_path: Path) -> None:
    """`retry-after` and the limits reach the client; with retries on, it never notices."""

    async def work(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        with pytest.raises(anthropic.RateLimitError) as limited:
            await client.with_options(max_retries=0).messages.create(
                model=MODEL, max_tokens=9, messages=[user("[rate-limit]")]
            )
        headers = limited.value.response.headers
        assert headers["retry-after"] == "1"
        assert headers["anthropic-ratelimit-requests-limit"] == "4000"
        assert limited.value.request_id == headers["request-id"]
        assert limited.value.type == "rate_limit_error"
        assert (await client.messages.create(model=MODEL, max_tokens=9, messages=[user("[rate-limit]")])).content
        assert len(await planner.entries(2)) == len(planner.heard) == 2

    through(tmp_path, work, retries=2)


def test_an_error_in_the_middle_of_a_stream(tmp_path: Path) -> None:
    """What came before it is billed; the SDK raises the error that the API sent."""

    async def work(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
            async with client.messages.stream(
                model=MODEL, max_tokens=9, messages=[user("[midstream-error]")]
            ) as stream:
                await stream.get_final_message()
        (entry,) = await planner.entries(1)
        assert (entry.outcome, entry.status) == ("error", 200)

    through(tmp_path, work)


def test_a_client_that_times_out_is_not_answered_again(tmp_path: Path) -> None:
    """The SDK gives up and tries again; the planner ends each attempt with it and writes it down as cancelled."""

    async def hold(turn: Turn) -> None:
        await turn.body()
        await turn.gone()

    async def main() -> None:
        async with proxied(tmp_path, hold) as planner:
            async with Hasty(base_url=planner.address, api_key=KEY, max_retries=1, timeout=0.2) as client:
                with pytest.raises(anthropic.APITimeoutError):
                    await client.messages.create(**HELLO)
            entries = await planner.entries(2)
            assert [entry.outcome for entry in entries] == ["cancelled", "cancelled"]
            assert len(planner.upstream.requests) == 2

    run(main())


def test_a_stream_that_is_left_early_ends_upstream(tmp_path: Path) -> None:
    """Closing the stream closes it upstream; there is one entry, cancelled, with an estimate of its cost."""

    async def stall(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD + b"".join(chunk(piece) for piece in events()[:4]))
        await turn.gone()

    async def main() -> None:
        async with proxied(tmp_path, stall) as planner:
            async with (
                Hasty(base_url=planner.address, api_key=KEY, max_retries=0) as client,
                client.messages.stream(**HELLO) as stream,
            ):
                assert [text async for text in first(stream.text_stream)] == ["hi"]
            entry = await planner.entry()
            assert entry.outcome == "cancelled"
            assert {line.basis for line in entry.lines} == {"estimated"}

    run(main())


async def first(items: AsyncIterator[str]) -> AsyncIterator[str]:
    """The first of many."""
    async for item in items:
        yield item
        return


def test_raw_responses_have_the_headers_of_both(tmp_path: Path) -> None:
    """The API's own `request-id`, and ours: an id, what was done to the body, and the plan."""

    async def work(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        raw = await client.messages.with_raw_response.create(**HELLO)
        (entry,) = await planner.entries(1)
        assert raw.request_id == entry.upstream_request_id
        assert raw.headers["planner-request-id"] == entry.request_id
        assert raw.headers["planner-body"] == "unchanged"
        assert raw.headers["planner-plan"].startswith("version=")
        assert raw.headers["anthropic-organization-id"] == entry.organization
        async with client.messages.with_streaming_response.create(**HELLO, stream=True) as streamed:
            assert streamed.headers["planner-plan"] == raw.headers["planner-plan"]
        listed = await client.models.with_raw_response.list()
        assert "planner-plan" not in listed.headers
        assert listed.headers["planner-body"] == "unchanged"

    through(tmp_path, work)


def test_a_key_is_the_same_principal_however_it_is_sent(tmp_path: Path) -> None:
    """The newest generation sends Bearer, older ones `x-api-key`."""

    async def work(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        await client.messages.create(**HELLO)
        old: Any = {"x-api-key": KEY, "Authorization": anthropic.Omit()}
        await client.messages.create(**HELLO, extra_headers=old)
        await client.messages.create(**HELLO, extra_headers={"Authorization": "Bearer another"})
        entries = await planner.entries(3)
        assert [heard.values("x-api-key") for heard in planner.heard] == [[], [KEY], []]
        assert [heard.values("authorization") for heard in planner.heard] == [[f"Bearer {KEY}"], [], ["Bearer another"]]
        assert len({entry.principal for entry in entries}) == 2

    through(tmp_path, work)


def test_the_beta_client_keeps_its_query_and_its_headers(tmp_path: Path) -> None:
    """`?beta=true` and every `anthropic-beta` value arrive as they were sent."""

    async def work(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        betas = ["context-1m-2025-08-07", "made-up-2027-01-01"]
        message = await client.beta.messages.create(**HELLO, betas=betas, extra_query={"beta": "true"})
        assert plain(message)["stop_reason"] == "end_turn"
        assert planner.heard[0].target == "/v1/messages?beta=true"
        assert planner.heard[0].values("anthropic-beta") == [",".join(betas)]

    through(tmp_path, work)


def test_unknown_fields_reach_the_api(tmp_path: Path) -> None:
    """What a newer SDK sends passes, known to us or not."""

    async def work(client: anthropic.AsyncAnthropic, planner: Simulated) -> None:
        extra = {"billing_policy": {"type": "new"}, "metadata": {"user_id": "u", "shoe": 44}, "of_2027": [None, 1.50]}
        await client.messages.create(**HELLO, tools=[WEATHER], extra_body=extra)
        body = planner.heard[0].json()
        assert {name: body[name] for name in extra} == extra

    through(tmp_path, work)
