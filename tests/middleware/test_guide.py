"""docs/middleware.md is true: its example runs as it stands, and its arguments are those of the planner."""

import asyncio
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from planner.middleware import Planner
from planner.settings import environment
from tests.doubles.proxy import read_ledger, run
from tests.doubles.simulated import simulating

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/middleware.md").read_text(encoding="utf-8")


def test_the_example_has_ten_lines_and_runs(tmp_path: Path) -> None:
    """In a process of its own, where the SDK takes address and key from the environment; the ledger has its entry."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 10

    async def scenario() -> None:
        async with simulating() as (_, url):
            variables = environment(ANTHROPIC_BASE_URL=url, ANTHROPIC_API_KEY="sk-ant-one", PYTHONPATH=str(ROOT))
            command = [sys.executable, "-c", code]
            done = await asyncio.to_thread(
                subprocess.run, command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
            )
            assert (done.returncode, "output_tokens=" in done.stdout) == (0, True), done.stderr
            (entry,) = await read_ledger(tmp_path / "planner.db")
            assert (entry.outcome, entry.endpoint) == ("ok", "messages")

    run(scenario())


def test_every_argument_is_documented() -> None:
    """In the order in which they are declared, with what holds without them."""
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]
    told = {name: default.strip().strip("`") for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    declared = inspect.signature(Planner).parameters
    assert list(told) == list(declared)
    for name, parameter in declared.items():
        if parameter.default is not None:
            assert told[name] == str(parameter.default)


def test_it_loads_no_web_framework() -> None:
    """A program that has the planner inside pays for no server."""
    code = "import sys, planner.middleware; print({'litestar', 'uvicorn', 'jinja2'} & sys.modules.keys() or None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
