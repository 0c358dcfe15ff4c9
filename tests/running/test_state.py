"""How far a run has come: the table, the file, and what cannot be gone on with."""

from pathlib import Path
from typing import Any, get_args

import pytest

from planner.core.workflow.problem import Plan, Request
from planner.running.state import TABLE, Answer, Record, State, StateError, Status, digest, load, save


def state(**changes: Any) -> State:
    """A run of two requests."""
    plan = Plan((Request((0,)), Request((1, 2), batch=True)))
    return State(workflow="w", plan=plan, lives=("none", "1h"), marked=(False, True), **changes)


def test_the_table_leads_everywhere_and_out_of_what_is_done_nowhere() -> None:
    """Every status but the first is reached; from what is done no step leads on."""
    assert set(TABLE.values()) | {"waiting"} == set(get_args(Status))
    assert not [before for before, _ in TABLE if before == "done"]
    record = Record()
    with pytest.raises(ValueError, match="waiting cannot take the event answered"):
        record.apply("answered")


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    """Results, batches, uploads; and the file is its owner's alone."""
    answer = Answer(results={"b": "B", "c": "C"}, nano=7, used={"input": 3}, seconds=1.5, stop_reason="end_turn")
    kept = state(
        uploads={"a": ["file_1"]}, records=[Record(status="sent", sends=1), Record(status="done", answer=answer)]
    )
    path = tmp_path / "w.run.json"
    save(path, kept)
    again = load(path, "w")
    assert again == kept
    assert again is not None
    assert (again.results, again.again, again.whole) == ({"b": "B", "c": "C"}, [0], False)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["w.run.json"]


def test_what_cannot_be_gone_on_with_says_what_to_do(tmp_path: Path) -> None:
    """Another workflow's, no state at all, not to be read or written; nothing there is a beginning."""
    path = tmp_path / "w.run.json"
    assert load(path, "w") is None
    save(path, state())
    with pytest.raises(StateError, match="--afresh"):
        load(path, "changed")
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(StateError, match="no state of a run"):
        load(path, "w")
    with pytest.raises(StateError, match="cannot be read"):
        load(tmp_path, "w")
    with pytest.raises(StateError, match="cannot be written"):
        save(tmp_path / "none" / "w.json", state())


def test_a_digest_knows_where_one_part_ends() -> None:
    """Parts that read alike when put together differ."""
    assert digest([b"ab", b"c"]) != digest([b"a", b"bc"])
    assert digest([b"ab", b"c"]) == digest([b"ab", b"c"])
