"""The bench of containers runs over three processes, and no container is in two hands; nothing here is timed."""

from pathlib import Path

from tests.bench.containers import measure, report
from tests.doubles.proxy import run


def test_no_container_is_in_two_hands(tmp_path: Path, database: str) -> None:
    """Among three processes, of which one is killed; conversations go on warm, and whoever must have one has it."""
    found = run(measure(database, tmp_path, conversations=12), longest=90)
    tally = found.tally
    assert (found.shared, tally.twice, tally.failed) == ([], 0, [])
    assert tally.conversations == 12
    assert tally.warm > tally.steps / 2
    assert set(tally.pending) == {"threaded:pending-call"}
    assert found.lost == 0
    assert "| containers that two requests used at once | 0 |" in report(found)
