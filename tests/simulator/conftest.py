"""A fresh simulator for every test."""

import pytest

from tests.simulator.asgi import Api


@pytest.fixture
def api() -> Api:
    """A simulator on a virtual clock that starts 2026-11-22 09:00 UTC."""
    return Api()
