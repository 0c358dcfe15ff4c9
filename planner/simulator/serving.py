"""A simulator on a socket, inside this process, for as long as a `with` block lasts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from planner.listening import listening
from planner.simulator.app import Simulator
from planner.simulator.config import Config


def build(config: Config | None = None) -> Simulator:
    """A simulator as an ASGI application; without a configuration, the default one.

    Raises:
        ValueError: a scenario file is wrong; the message says where.
    """
    return Simulator(Config.default() if config is None else config)


@asynccontextmanager
async def serve(config: Config | Simulator | None = None, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve a configuration, or an application built before; yields the base URL. Port 0 is any free one.

    Raises:
        AddressError: the address cannot be had.
        ValueError: a scenario file is wrong.
    """
    simulator = config if isinstance(config, Simulator) else build(config)
    async with listening(_settings(simulator), host, port) as (_, url):
        if simulator.state.base_url is None:
            simulator.state.base_url = url
        yield url


def _settings(simulator: Simulator) -> uvicorn.Config:
    return uvicorn.Config(
        simulator,
        http="httptools",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        date_header=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
