"""The official TypeScript SDK cannot tell the planner from the API either."""

import json
from pathlib import Path

from tests.clients.programs import compared
from tests.conftest import Require
from tests.doubles.proxy import run

FOLDER = Path(__file__).parent / "typescript"


def test_the_typescript_sdk_parses_the_same_through_the_planner(tmp_path: Path, require: Require) -> None:
    """Messages, streams, files, batches, counting, the tool runner, a programmatic call, errors."""
    node = require("node")
    pinned = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]["@anthropic-ai/sdk"]

    async def main() -> None:
        got, planner = await compared(tmp_path, [str(node), str(FOLDER / "talk.mjs")], {})
        assert got["version"] == pinned
        assert [name for name, *_ in got["errors"][:3]] == ["BadRequestError", "InternalServerError", "APIError"]
        assert {value for heard in planner.heard for value in heard.values("authorization")} == {"Bearer sk-ant-test"}
        assert any(heard.json().get("thread", {}).get("type") == "continue" for heard in planner.heard)

    run(main())


def test_the_lock_file_holds_no_address() -> None:
    """What is installed is known by its hash, from wherever the reader's own configuration points to."""
    lock = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))
    packages = [package for name, package in lock["packages"].items() if name]
    assert all(package["integrity"].startswith("sha512-") for package in packages)
    assert not [package for package in packages if "resolved" in package]
