"""Where each number of `planner plan` is from, and how old it is."""

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from planner.cli.beliefs import dated, learnt_in
from planner.clock import SystemClock
from planner.core.conversations import Retype, ToolEdit
from planner.core.learning.sizes import Combination, Declared, Sizes
from planner.core.preview.beliefs import Believed
from planner.core.records import LearntRecord
from planner.stores.sqlite import SqliteStore
from tests.cli.test_plan import BEYOND, REQUEST, plan, told
from tests.doubles.deciding import book

LIFT = Retype("code_execution_20250825", "code_execution_20260120")
NAME = "edit_tokens.code_execution_20250825>code_execution_20260120+web_fetch_20260318"
MODEL = REQUEST["model"]
INERT = book().catalog.render("inert_web_fetch", MODEL).decode()
KEY = Combination(MODEL, (Declared("code_execution_20250825"),), INERT, (LIFT,))
EDIT = ToolEdit(retypes=(LIFT,), append=INERT, name="web_fetch", free=True)
NOW = SystemClock().now()
"""As the command reads it too."""


def ledger(directory: Path, sizes: Sizes) -> str:
    """A store that knows these sizes."""

    async def write() -> None:
        store = await SqliteStore.open(directory / "l.db")
        await store.apply([LearntRecord("2026-11-22", learnt) for learnt in sizes.snapshot()])
        await store.close()

    asyncio.run(write())
    return f"sqlite:///{directory}/l.db"


def believed(found: dict[str, Any], name: str = NAME) -> dict[str, Any]:
    """One row of an explanation."""
    (row,) = [each for each in found["beliefs"] if each["name"] == name]
    return dict(row)


def taught(edited: int = 3) -> Sizes:
    """Sizes that exact traffic taught, four days ago."""
    sizes = Sizes()
    at = NOW - timedelta(days=4, hours=1)
    for number in range(12):
        estimate = 1_000.0 + 500 * number
        sizes.observe(KEY, estimate, round(estimate), at, edited=False, group="g")
        if number < edited:
            sizes.observe(KEY, estimate, round(estimate) + 2_200, at, edited=True, group="g")
    return sizes


def test_nothing_learnt_is_the_catalog(tmp_path: Path) -> None:
    """Without a ledger; nothing is created."""
    store = f"sqlite:///{tmp_path}/none.db"
    row = believed(told(tmp_path, REQUEST, *BEYOND, "--store", store))
    prior, lift = book().catalog.priors.tool_tokens["web_fetch_20260318"], book().catalog.priors.lift_tokens
    assert (row["likely"], row["mark"], row["source"]) == (prior.likely + lift.likely, "?", "prior of the catalog")
    assert (row["at"], row["age_days"]) == (None, None)
    assert not (tmp_path / "none.db").exists()


def test_a_count_says_when(tmp_path: Path) -> None:
    """And beats what traffic taught."""
    sizes = taught()
    sizes.count(KEY, 2_140, NOW - timedelta(days=2, hours=1))
    store = ledger(tmp_path, sizes)
    row = believed(told(tmp_path, REQUEST, *BEYOND, "--store", store))
    assert (row["likely"], row["mark"]) == (2_140, "A")
    assert row["source"] == "counted by the API with count_tokens"
    assert (row["at"][:10], row["age_days"]) == ((NOW - timedelta(days=2, hours=1)).isoformat()[:10], 2)
    text = plan(tmp_path, REQUEST, *BEYOND, "--store", store).stdout
    assert f"[A] counted by the API with count_tokens, {row['at'][:10]} (2 days old)" in text


def test_traffic_says_how_many_and_when(tmp_path: Path) -> None:
    """A number that requests taught."""
    row = believed(told(tmp_path, REQUEST, *BEYOND, "--store", ledger(tmp_path, taught())))
    assert row["source"] == "learnt from 3 requests, held together with the catalog's prior"
    assert row["likely"] == pytest.approx(2_200, rel=0.01)
    assert row["age_days"] == 4


def test_a_measurement_says_when_it_was_checked(tmp_path: Path) -> None:
    """The setting beats traffic, and has its source, its mark and its day."""
    rules = tmp_path / "rules"
    rules.mkdir()
    shipped = (Path(__file__).parent.parent.parent / "rules" / "settings.yaml").read_text(encoding="utf-8")
    row = "\n  tool_tokens.web_fetch_20260318:\n    value: 2140\n    mark: C\n    source: us\n    checked: 2026-11-01\n"
    (rules / "settings.yaml").write_text(shipped + row, encoding="utf-8")
    found = told(tmp_path, REQUEST, *BEYOND, "--rules", str(rules), "--store", ledger(tmp_path, taught()))
    for name in (NAME, "tool_tokens.web_fetch_20260318"):
        one = believed(found, name)
        assert (one["mark"], one["source"], one["at"]) == ("C", "measured: us", "2026-11-01T00:00:00Z")
        assert one["age_days"] - (NOW - datetime(2026, 11, 1, tzinfo=UTC)).days in {0, 1}  # midnight may pass


@pytest.mark.parametrize(("days", "said"), [(0, "today"), (1, "1 day old"), (9, "9 days old")])
def test_ages(days: int, said: str) -> None:
    """In words."""
    row = Believed(name="n", low=0, likely=1, high=2, mark="A", source="s", means="", at="2026-11-22T", age_days=days)
    assert dated(row) == f"s, 2026-11-22 ({said})"


def test_a_ledger_that_is_older_than_sizes(tmp_path: Path) -> None:
    """The request is explained all the same, and one hears what is missing."""
    ledger(tmp_path, Sizes())
    with closing(sqlite3.connect(tmp_path / "l.db")) as old:
        old.execute("DROP TABLE learnt")
    result = plan(tmp_path, REQUEST, "--json", *BEYOND, "--store", f"sqlite:///{tmp_path}/l.db")
    assert result.exit_code == 0
    assert "has learnt is left out" in result.stderr
    assert believed(json.loads(result.stdout))["source"] == "prior of the catalog"


def test_a_store_that_is_not_understood(tmp_path: Path) -> None:
    """A usage error."""
    result = plan(tmp_path, REQUEST, "--store", "planner.db")
    assert result.exit_code == 2
    assert "store 'planner.db' is not understood" in result.stderr
    assert learnt_in(f"sqlite:///{tmp_path}/none.db", NOW).sizes.snapshot() == ()
