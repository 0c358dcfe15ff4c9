"""The other end of the desk's pipe: reads questions, has them answered, and looks after the sums meanwhile."""

import asyncio
import os
import select
import sys
from io import RawIOBase
from typing import BinaryIO, Final

import msgspec

from planner.dashboard.asked import LENGTH, Ask, Begin, packed
from planner.dashboard.making import Maker
from planner.opening import read_store

POLITE: Final = 5
"""How much less urgent than requests it is, as `nice` counts."""
PAUSE_SECONDS: Final = 0.2
"""Between two days that are read again while nobody asks."""


def main() -> None:
    """Answer what standard input asks until it ends."""
    os.nice(POLITE)
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever anything prints must not come between two answers
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as questions:  # what waits is seen by select alone
        work(questions, answers)


def work(questions: RawIOBase, answers: BinaryIO) -> None:
    """Answer questions, one after the other, in the order in which they come."""
    first = read(questions)
    if first is None:
        return
    store = msgspec.msgpack.decode(first, type=Begin).store
    maker = Maker(lambda: read_store(store))
    with asyncio.Runner() as runner:
        try:
            while (message := _next(questions, runner, maker)) is not None:
                ask = msgspec.msgpack.decode(message, type=Ask)
                answers.write(packed(runner.run(maker.answer(ask))))
                answers.flush()
        finally:
            runner.run(maker.close())


def read(questions: RawIOBase) -> bytes | None:
    """One message; None at the end. Raises EOFError where it ends within one."""
    head = _bytes(questions, LENGTH)
    if not head:
        return None
    length = int.from_bytes(head, "big")
    body = _bytes(questions, length)
    if len(head) < LENGTH or len(body) < length:
        raise EOFError("a question broke off")
    return body


def _bytes(questions: RawIOBase, length: int) -> bytes:
    """So many bytes, fewer only at the end."""
    found = bytearray()
    while len(found) < length and (more := questions.read(length - len(found))):
        found += more
    return bytes(found)


def _next(questions: RawIOBase, runner: asyncio.Runner, maker: Maker) -> bytes | None:
    """The next message; while there is none, what is old is read again, a day at a time."""
    while not select.select([questions], [], [], PAUSE_SECONDS)[0]:
        if not runner.run(maker.renew()):
            break
    return read(questions)
