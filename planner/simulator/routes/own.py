"""What the simulator offers beside the API: its bill, its clock, and the probes that clients send."""

from planner.clock import VirtualClock
from planner.simulator.errors import invalid, not_found
from planner.simulator.http import Answer, Reply, Request, Route, json_reply
from planner.simulator.state import State


async def bill(state: State, _request: Request) -> Answer:
    """The bill so far."""
    return json_reply(state.bill.report())


async def advance(state: State, request: Request) -> Answer:
    """Move a virtual clock on by `seconds`."""
    clock = state.clock
    if not isinstance(clock, VirtualClock):
        raise not_found("This simulator runs on the machine's clock.")
    seconds = request.json().get("seconds")
    if not isinstance(seconds, int | float) or seconds < 0:
        raise invalid("seconds: Input should be a number of at least 0")
    clock.advance(seconds)
    return json_reply({"now": clock.now().isoformat()})


async def probe(_state: State, _request: Request) -> Answer:
    """An empty 200."""
    return Reply(body=b"")


ROUTES = (
    Route("GET", "/simulator/bill", bill, access="open"),
    Route("POST", "/simulator/advance", advance, access="open"),
    Route("HEAD", "/", probe, access="open"),
    Route("HEAD", "/api/hello", probe, access="open"),
    Route("GET", "/api/hello", probe, access="open"),
)
