"""The other end of the pipe: one answer a question, in order, until the questions end."""

import io
import os
from pathlib import Path

import msgspec
import pytest

from planner.dashboard.asked import LENGTH, Answer, Ask, Begin, packed
from planner.dashboard.work import read, work
from tests.dashboard.test_desk import ledger
from tests.doubles.paged import standing
from tests.doubles.proxy import run


def answers(data: bytes) -> list[Answer]:
    """What was written."""
    found = []
    while data:
        length = int.from_bytes(data[:LENGTH], "big")
        found.append(msgspec.msgpack.decode(data[LENGTH : LENGTH + length], type=Answer))
        data = data[LENGTH + length :]
    return found


def asked(store: str, *pages: str) -> list[Answer]:
    """The answers to questions that came through a pipe, all at once."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as to:
        to.write(packed(Begin(store)))
        for page in pages:
            to.write(packed(Ask(page=page, form="json", standing=standing())))
    written = io.BytesIO()
    with open(reading, "rb", buffering=0) as questions:  # noqa: PTH123 - a descriptor
        work(questions, written)
    return answers(written.getvalue())


def test_one_answer_a_question(tmp_path: Path) -> None:
    """In order, whatever becomes of each."""
    store = run(ledger(tmp_path))
    assert [answer.status for answer in asked(store, "overview", "nowhere", "cost")] == [200, 404, 200]
    assert asked(store) == []


def test_nothing_is_asked() -> None:
    """A process that ends before it begins ends quietly."""
    written = io.BytesIO()
    with io.FileIO(os.devnull) as nothing:
        work(nothing, written)
    assert written.getvalue() == b""


@pytest.mark.parametrize("cut", [1, LENGTH, LENGTH + 3])
def test_a_question_that_breaks_off(tmp_path: Path, cut: int) -> None:
    """Is none."""
    whole = packed(Begin("x"))
    path = tmp_path / "cut"
    path.write_bytes(whole[:cut])
    with open(path, "rb", buffering=0) as questions, pytest.raises(EOFError):  # noqa: PTH123 - unbuffered
        read(questions)
