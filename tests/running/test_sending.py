"""What a refusal is called, and how long batches are waited for."""

import anthropic
import httpx2
import pytest

from planner.clock import VirtualClock
from planner.running.sending import POLL, RefusedError, batched, upload
from tests.doubles.proxy import run
from tests.doubles.simulated import START, simulating
from tests.running.test_carrying import client


def test_a_batch_is_looked_at_less_and_less_often() -> None:
    """Until it has ended; here after an hour."""

    async def scenario() -> None:
        clock = VirtualClock(START)
        async with simulating(clock, batch_delay=3_600.0) as (simulator, url), client(url) as sdk:
            params = {"model": "claude-sonnet-5-5", "max_tokens": 999, "messages": [{"role": "user", "content": "Hi"}]}
            made = await sdk.messages.batches.create(requests=[{"custom_id": "a", "params": params}])  # type: ignore[typeddict-item]  # plain JSON
            turn = await batched(sdk, made.id, clock)
            looks = sum(each.path == f"/v1/messages/batches/{made.id}" for each in simulator.heard)
        assert turn.stop_reason == "end_turn"
        assert looks < 3_600 / POLL[-1] + 10

    run(scenario())


@pytest.mark.parametrize("what", ["batch", "file"])
def test_what_cannot_be_had_is_refused_in_words(what: str) -> None:
    """An unknown batch; an API that is not there."""

    async def scenario() -> None:
        async with simulating() as (simulator, url), client(url) as sdk:
            if what == "batch":
                with pytest.raises(RefusedError, match="NotFoundError 404"):
                    await batched(sdk, "msgbatch_none", simulator.state.clock)
        if what == "file":
            http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(500, json={})))
            async with anthropic.AsyncAnthropic(api_key="k", http_client=http, max_retries=0) as broken:
                with pytest.raises(RefusedError, match="InternalServerError 500"):
                    await upload(broken, "a.csv", b"1")

    run(scenario())
