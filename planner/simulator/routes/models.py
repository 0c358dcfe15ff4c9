"""The Models API: `GET /v1/models` and `/v1/models/{model_id}`."""

from planner.simulator.errors import not_found
from planner.simulator.http import Answer, Request, Route, json_reply
from planner.simulator.models import MODELS, find
from planner.simulator.pages import by_id
from planner.simulator.state import State


async def listed(_state: State, request: Request) -> Answer:
    """A page of models, newest first."""
    newest = sorted(MODELS.values(), key=lambda model: model.created, reverse=True)
    return json_reply(by_id([model.info() for model in newest], request, most=1000))


async def retrieve(_state: State, request: Request) -> Answer:
    """One model, by id or alias."""
    model = find(request.params["model_id"])
    if model is None:
        raise not_found(f"model: {request.params['model_id']}")
    return json_reply(model.info())


ROUTES = (
    Route("GET", "/v1/models", listed),
    Route("GET", "/v1/models/{model_id}", retrieve),
)
