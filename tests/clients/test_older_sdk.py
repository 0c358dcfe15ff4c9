"""The generation of the Python SDK before this one still talks to the API, so it talks through the planner too."""

import sys
from pathlib import Path

from tests.clients.programs import compared
from tests.conftest import Require
from tests.doubles.proxy import run

TALK = Path(__file__).parent / "older/talk.py"


def test_the_older_sdk_parses_the_same_through_the_planner(tmp_path: Path, require: Require) -> None:
    """Keys as `x-api-key`, the old version header, `?beta=true`: messages, files, batches, tools, errors."""
    packages = require("older-sdk")

    async def main() -> None:
        got, planner = await compared(tmp_path, [sys.executable, str(TALK)], {"PYTHONPATH": str(packages)})
        assert got["version"].startswith("0.")
        assert {value for heard in planner.heard for value in heard.values("anthropic-version")} == {"2023-06-01"}
        assert all(heard.values("x-api-key") for heard in planner.heard)
        assert "/v1/messages?beta=true" in {heard.target for heard in planner.heard}

    run(main())
