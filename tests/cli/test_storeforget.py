"""`planner store forget`: first what would be done, then done, and what it cannot reach is said."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.core.records import EntryRecord, encode
from planner.stores.sqlite import SqliteStore
from tests.doubles.outgoing import ALICE, KEY, NOW, dump, filled, on_disk
from tests.doubles.reported import MONTH, request

CALLERS = f"principals: {{{ALICE}: {{keys: [{KEY}], team: search}}}}\n"


def run(*words: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, words)


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    """A store that knows her, rules that name her key, and a journal with an entry of hers."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/callers.yaml").write_text(CALLERS)
    asyncio.run(filled(f"sqlite:///{tmp_path / 'l.db'}"))
    journal = tmp_path / "l.db.intents"
    journal.mkdir()
    line = encode(EntryRecord(request(9_700, NOW, principal=ALICE)))
    (journal / "0000000001.jsonl").write_bytes(line + b"\n")
    return "--store", f"sqlite:///{tmp_path / 'l.db'}", "--rules", str(tmp_path / "rules")


def test_first_it_is_said_what_would_be_done(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Without --yes nothing is changed; her key stands for her name as well."""
    before = asyncio.run(dump(words[1]))
    journal = on_disk(tmp_path / "l.db.intents")
    result = run("store", "forget", KEY, *words)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{KEY}, {ALICE}: would be forgotten\n")
    assert "entries\n" in result.stdout
    assert "        1  lines of the journal\n" in result.stdout
    assert result.stdout.endswith("Do it with --yes.\n")
    assert asyncio.run(dump(words[1])) == before
    assert on_disk(tmp_path / "l.db.intents") == journal


def test_then_it_is_done_and_nothing_is_left(tmp_path: Path, words: tuple[str, ...]) -> None:
    """In no file beside the ledger; teams cost what they did; the closed month says so; again there is nothing."""
    sums = ("report", "--month", MONTH, "--by", "team,model,day", "--format", "csv", *words)
    before = run(*sums).stdout
    told = json.loads(run("store", "forget", ALICE, "--yes", "--json", *words).stdout)
    assert (told["names"], told["done"], told["journal"], told["room"]) == (sorted([KEY, ALICE]), True, 1, True)
    assert told["found"]["entries"] > 0
    left = on_disk(tmp_path / "l.db").replace(f"{ALICE}-team".encode(), b"")
    assert not [name for name in (ALICE, KEY) if name.encode() in left]
    assert run(*sums).stdout == before
    verified = run("report", "close", MONTH, "--verify", *words[:2])
    assert verified.exit_code == 0, verified.output
    assert "entries lost a name since, and no amount." in verified.stdout
    for form in ("jsonl", "csv", "focus", "trace"):
        rules = words if form == "focus" else words[:2]
        exported = run("export", "--format", form, *(rules if form == "focus" else (*words[:2],)))
        text = exported.output.replace(f"{ALICE}-team", "")
        assert exported.exit_code == 0, exported.output
        assert not [name for name in (ALICE, KEY) if name in text]
    again = run("store", "forget", ALICE, "--yes", *words)
    assert again.stdout == f"Nothing is known of {KEY}, {ALICE}.\n"


def test_beside_a_running_planner(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Its journal and the unused places of its file are not touched, and that is said."""

    async def beside() -> Result:
        ledger = await SqliteStore.open(tmp_path / "l.db")
        try:
            return await asyncio.to_thread(run, "store", "forget", ALICE, "--yes", *words)
        finally:
            await ledger.close()

    result = asyncio.run(beside())
    assert result.exit_code == 0, result.output
    assert "its journal holds what it wrote within the last minute" in result.stdout
    assert "Unused places of the file" in result.stdout
    assert ALICE.encode() in (tmp_path / "l.db.intents/0000000001.jsonl").read_bytes()
    again = run("store", "forget", ALICE, "--yes", *words)
    assert "lines of the journal" in again.stdout
    assert ALICE.encode() not in on_disk(tmp_path / "l.db").replace(f"{ALICE}-team".encode(), b"")


@pytest.mark.parametrize("name", ["", "(forgotten)", "a\0b"])
def test_who_cannot_be_forgotten(words: tuple[str, ...], name: str) -> None:
    """Nobody, and what no principal is called."""
    result = run("store", "forget", name, *words)
    assert result.exit_code == 2
    assert "is nobody who could be forgotten" in result.stderr


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    """Or that is none."""
    assert run("store", "forget", "x", "--store", f"sqlite:///{tmp_path / 'none.db'}").exit_code == 3
    assert run("store", "forget", "x", "--store", "mysql://x").exit_code == 2
