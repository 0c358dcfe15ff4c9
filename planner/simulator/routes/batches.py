"""The Message Batches API: accepted at once, judged and answered only when processed."""

from typing import Any

import msgspec

from planner.simulator import messages, pages
from planner.simulator.batches import Batch
from planner.simulator.canonical import Json
from planner.simulator.errors import ApiError, invalid, not_found
from planner.simulator.http import Answer, Reply, Request, Route, json_reply
from planner.simulator.messages import Envelope
from planner.simulator.state import State

MAX_REQUESTS = 100_000


def process_due(state: State) -> None:
    """Process the batches whose time has come."""
    now = state.clock.now()
    for batch in state.batches.due(now, state.config.batch_delay):
        cancelled = batch.cancelled is not None
        batch.results = [_canceled(item) if cancelled else _result(state, batch, item) for item in batch.requests]
        batch.ended = now


def _canceled(item: Json) -> Json:
    return {"custom_id": item["custom_id"], "result": {"type": "canceled"}}


def _result(state: State, batch: Batch, item: Json) -> Json:
    request_id = batch.ids.new("req")
    envelope = Envelope(
        key=batch.key,
        version=batch.headers["version"],
        betas=frozenset(batch.headers["betas"]),
        request_id=request_id,
        ids=batch.ids,
        at=state.clock.now(),
        batch=True,
    )
    try:
        params = item["params"]
        if not isinstance(params, dict):
            raise invalid("params: Input should be a valid dictionary")
        if params.get("stream") is True:
            raise invalid("stream: streaming is not supported in batches")
        outcome = messages.play(state, messages.prepare(state, params, envelope))
        if outcome.stage.failure is not None:
            messages.drop(state, outcome)
            raise messages.scripted(outcome.stage.failure)
    except ApiError as error:
        return {"custom_id": item["custom_id"], "result": {"type": "errored", "error": error.value(request_id)}}
    messages.settle(state, outcome)
    return {"custom_id": item["custom_id"], "result": {"type": "succeeded", "message": outcome.message}}


async def create(state: State, request: Request) -> Answer:
    """Accept a batch; only its outer shape is judged now."""
    wanted: Any = request.json().get("requests")
    if not isinstance(wanted, list) or not wanted or len(wanted) > MAX_REQUESTS:
        raise invalid(f"requests: List should have between 1 and {MAX_REQUESTS} items")
    for index, item in enumerate(wanted):
        if not isinstance(item, dict) or not isinstance(item.get("custom_id"), str) or "params" not in item:
            raise invalid(f"requests.{index}: `custom_id` and `params` are required")
    if len({item["custom_id"] for item in wanted}) != len(wanted):
        raise invalid("requests: custom_id must be unique")
    headers: Json = {"version": request.version, "betas": sorted(request.betas)}
    batch = Batch(request.key, wanted, ids=request.ids, now=state.clock.now(), headers=headers)
    state.batches.add(batch)
    return json_reply(batch.value(request.base_url))


def _batch(state: State, request: Request) -> Batch:
    return state.batches.get(request.params["batch_id"], request.workspace)


async def listed(state: State, request: Request) -> Answer:
    """A page of batches, newest first."""
    values = [batch.value(request.base_url) for batch in state.batches.listed(request.workspace)]
    return json_reply(pages.by_id(values, request, most=1000))


async def retrieve(state: State, request: Request) -> Answer:
    """One batch."""
    return json_reply(_batch(state, request).value(request.base_url))


async def cancel(state: State, request: Request) -> Answer:
    """Stop a batch that was not processed yet."""
    batch = _batch(state, request)
    if batch.results is not None:
        raise invalid(f"Batch {batch.id} cannot be canceled because it has finished processing.")
    batch.cancelled = batch.cancelled or state.clock.now()
    return json_reply(batch.value(request.base_url))


async def delete(state: State, request: Request) -> Answer:
    """Forget a batch that has ended."""
    batch = _batch(state, request)
    if batch.results is None:
        raise invalid(f"Batch {batch.id} cannot be deleted while it is in progress.")
    state.batches.delete(batch)
    return json_reply({"id": batch.id, "type": "message_batch_deleted"})


async def results(state: State, request: Request) -> Answer:
    """The results, a JSON value a line."""
    batch = _batch(state, request)
    if batch.results is None:
        raise not_found(f"Batch {batch.id} has no results yet.")
    body = b"".join(msgspec.json.encode(item) + b"\n" for item in batch.results)
    return Reply(body=body, content_type="application/x-jsonl")


ROUTES = (
    Route("POST", "/v1/messages/batches", create, limit="batches_limit"),
    Route("GET", "/v1/messages/batches", listed),
    Route("GET", "/v1/messages/batches/{batch_id}", retrieve),
    Route("POST", "/v1/messages/batches/{batch_id}/cancel", cancel),
    Route("DELETE", "/v1/messages/batches/{batch_id}", delete),
    Route("GET", "/v1/messages/batches/{batch_id}/results", results),
)
