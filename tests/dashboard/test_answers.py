"""What goes out from below /planner: errors in two forms, bodies with a bound, and nothing that is kept."""

import pytest

from planner.core.findings import Finding
from planner.dashboard.answers import HEADERS, NEVER, TYPES, answered, moved, plain
from planner.dashboard.asked import Answer


@pytest.mark.parametrize("status", sorted(TYPES))
def test_an_error_is_a_sentence_or_json(status: int) -> None:
    """For people and for programs."""
    for_people, for_programs = plain(status, "page", "no"), plain(status, "csv", "no")
    assert (for_people.status_code, for_people.content) == (status, b"planner: no\n")
    told = b'{"type":"error","error":{"type":"%s","message":"planner: no"}}' % TYPES[status].encode()
    assert (for_programs.status_code, for_programs.content) == (status, told)


def test_findings_stand_beside_the_error() -> None:
    """All of them, as `planner rules check --json` words them."""
    finding = Finding("w.yaml", 1, 2, "circle", "s", "p", "r")
    assert (
        b'"findings":[{"path":"w.yaml","line":1,"col":2,"code":"circle"' in plain(422, "json", "no", (finding,)).content
    )


def test_every_answer_has_the_headers() -> None:
    """And a file has its name."""
    made = answered(Answer(body=b"a", media_type="text/csv", filename="a.csv"))
    for response in (made, moved("/planner/"), plain(404, "json", "no")):
        assert (HEADERS | NEVER).items() <= dict(response.headers).items()
    assert made.headers["content-disposition"] == 'attachment; filename="a.csv"'
