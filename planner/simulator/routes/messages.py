"""`POST /v1/messages` and `/v1/messages/count_tokens`: JSON or a stream of events, with their pauses."""

from collections.abc import AsyncGenerator, Iterator

import msgspec

from planner.simulator import messages, sse, usage
from planner.simulator.canonical import Json
from planner.simulator.http import Answer, Events, Reply, Request, Route, json_reply
from planner.simulator.messages import Envelope, Outcome
from planner.simulator.stage import Made
from planner.simulator.state import State


def _envelope(state: State, request: Request, *, counting: bool = False) -> Envelope:
    return Envelope(
        key=request.key,
        version=request.version,
        betas=request.betas,
        request_id=request.id,
        ids=request.ids,
        at=state.clock.now(),
        counting=counting,
    )


async def create(state: State, request: Request) -> Answer:
    """Answer a Messages request."""
    body = request.json()
    outcome = messages.play(state, messages.prepare(state, body, _envelope(state, request)))
    if body.get("stream") is True:
        paced = _paced(state, outcome)
        return Events(chunks=_stream(state, outcome), paced=paced, cut=outcome.stage.cut)
    return await _whole(state, outcome)


async def count(state: State, request: Request) -> Answer:
    """Count a prompt's tokens, for free."""
    call = messages.prepare(state, request.json(), _envelope(state, request, counting=True))
    return json_reply({"input_tokens": call.prompt.tokens})


def _paced(state: State, outcome: Outcome) -> bool:
    waits = state.config.time_factor > 0 and any(made.delay for made in outcome.stage.made)
    return waits or state.config.event_delay > 0


async def _whole(state: State, outcome: Outcome) -> Reply:
    stage = outcome.stage
    for made in stage.made:
        if made.delay and state.config.time_factor:
            await state.clock.sleep(made.delay * state.config.time_factor)
    if stage.failure is not None:
        messages.drop(state, outcome)
        raise messages.scripted(stage.failure)
    messages.settle(state, outcome, blocks=len(stage.made) if stage.cut else None, result="cut" if stage.cut else "ok")
    return Reply(body=msgspec.json.encode(outcome.message), cut=stage.cut)


async def _stream(state: State, outcome: Outcome) -> AsyncGenerator[bytes, None]:
    """All events; whoever leaves early has the part that was sent put on the bill."""
    stage, delay = outcome.stage, state.config.event_delay
    begun = 0
    try:
        yield _start(outcome)
        for index, made in enumerate(stage.made):
            async for ping in _silence(state, made):
                yield ping
            begun = index + 1
            for place, data in enumerate(sse.block_events(index, made.block)):
                yield data
                if index == 0 and place == 0:
                    yield sse.PING
                if delay:
                    await state.clock.sleep(delay)
        if stage.failure is not None:
            messages.settle(state, outcome, blocks=begun, result="error")
            error = messages.scripted(stage.failure)
            yield sse.event(error.value(stage.call.request_id))
        elif stage.cut:
            messages.settle(state, outcome, blocks=begun, result="cut")
        else:
            messages.settle(state, outcome)
            for data in _end(outcome):
                yield data
    finally:
        messages.settle(state, outcome, blocks=begun, result="cancelled")


async def _silence(state: State, made: Made) -> AsyncGenerator[bytes, None]:
    wait = made.delay * state.config.time_factor
    parts = made.pings + 1
    for part in range(parts):
        if wait:
            await state.clock.sleep(wait / parts)
        if part < made.pings:
            yield sse.PING


def _start(outcome: Outcome) -> bytes:
    message = outcome.message
    begun = {
        **{name: message[name] for name in ("id", "type", "role", "model")},
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage.started(outcome.samples, outcome.extras),
        "diagnostics": outcome.diagnosis,
    }
    return sse.event({"type": "message_start", "message": begun})


def _end(outcome: Outcome) -> Iterator[bytes]:
    message = outcome.message
    delta: Json = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    if "container" in message:
        delta["container"] = message["container"]
    yield sse.event({"type": "message_delta", "delta": delta, "usage": usage.ended(outcome.samples, outcome.extras)})
    yield sse.event({"type": "message_stop"})


ROUTES = (
    Route("POST", "/v1/messages", create),
    Route("POST", "/v1/messages/count_tokens", count),
)
