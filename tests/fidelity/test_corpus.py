"""The corpus keeps its form: a sentence each, no two alike, and a judge that sees what it should."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.upstream import Recorded
from tests.fidelity.corpus import CASES, EDITED, read_cases, unescape
from tests.fidelity.judge import differences, only_changed

LEAST = 200


def test_there_are_enough() -> None:
    """At least 200 cases, and nothing else in their directory."""
    cases = read_cases()
    assert len(cases) >= LEAST
    assert len(cases) == len(list(CASES.iterdir()))


def test_no_two_differ_only_in_a_value() -> None:
    """Every case has a structure, and a sentence, of its own."""
    skeletons: dict[str, list[str]] = defaultdict(list)
    sentences: dict[str, list[str]] = defaultdict(list)
    for case in read_cases() + read_cases(EDITED):
        skeletons[case.skeleton].append(case.name)
        sentences[case.defect].append(case.name)
    assert not [names for names in skeletons.values() if len(names) > 1]
    assert not [names for names in sentences.values() if len(names) > 1]


def test_cases_are_small() -> None:
    """Large bodies are recipes."""
    assert max(path.stat().st_size for path in CASES.iterdir()) < 4_000


def test_escapes() -> None:
    """Hex, repetition and prose."""
    assert unescape("a«0d0a»é«3*5b5d»") == b"a\r\n\xc3\xa9[][][]"
    assert len(unescape("«text 1000»")) == 1000


SENT = ("POST", b"/x?", [(b"X-A", b"1"), (b"x-a", b"2"), (b"Connection", b"x-hop"), (b"X-Hop", b"1")], b'{"a": 1}')
HEAD = b"POST /x? HTTP/1.1\r\nHost: other\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 8\r\n\r\n"


def test_judge_acquits() -> None:
    """Framing, host and hop-by-hop fields may differ."""
    assert not differences(SENT, Recorded(HEAD, b'{"a": 1}', whole=True))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"PUT"),
        (b"/x?", b"/x"),
        (b"X-A: 1\r\nx-a: 2", b"x-a: 2\r\nX-A: 1"),
        (b"X-A: 1\r\nx-a: 2", b"X-A: 1, 2"),
        (b"x-a", b"X-a"),
        (b"x-a: 2", b"x-a: 2\r\naccept: */*"),
        (b"x-a: 2", b"x-a: 2\r\nX-Hop: 1"),
        (b"x-a: 2\r\n", b""),
    ],
)
def test_judge_convicts_heads(old: bytes, new: bytes) -> None:
    """Any change of the head is seen."""
    assert HEAD.count(old) == 1
    assert differences(SENT, Recorded(HEAD.replace(old, new), b'{"a": 1}', whole=True))


@pytest.mark.parametrize("body", [b'{"a":1}', b'{"a": 1} ', b'{"a": 1', b"", b'{"a": 1.0}'])
def test_judge_convicts_bodies(body: bytes) -> None:
    """Any change of the body is seen, and so is one that did not come whole."""
    assert differences(SENT, Recorded(HEAD, body, whole=True))
    assert differences(SENT, Recorded(HEAD, b'{"a": 1}', whole=False))


@given(st.binary(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.binary(min_size=1, max_size=4)), max_size=3))
def test_declared_pieces(body: bytes, inserted: list[tuple[int, bytes]]) -> None:
    """Insertions that were declared are found; one byte more, or one piece too few, is not."""
    places = sorted((min(at, len(body)), piece) for at, piece in inserted)
    seen, last = b"", 0
    for at, piece in places:
        seen += body[last:at] + piece
        last = at
    seen += body[last:]
    changes = [(b"", piece) for _, piece in places]
    assert only_changed(body, seen, changes)
    assert not only_changed(body, seen + b"x", changes)
    if changes:
        assert not only_changed(body, seen, changes[1:])


def test_declared_replacements() -> None:
    """A declared replacement is that and nothing more: not elsewhere, not twice, not in another order."""
    changes = [(b"1", b"22"), (b"", b"x"), (b"null", b"3")]
    assert only_changed(b"[1,2,null]", b"[22,2x,3]", changes)
    assert only_changed(b"[1,2,null]", b"[22x,2,3]", changes)
    assert not only_changed(b"[1,2,null]", b"[22,2,3x]", changes)
    assert not only_changed(b"[1,2,null]", b"[22,2x,null]", changes)
    assert not only_changed(b"[1,1,null]", b"[22,22x,3]", changes)
    assert not only_changed(b"[0,2,null]", b"[22,2x,3]", changes)
