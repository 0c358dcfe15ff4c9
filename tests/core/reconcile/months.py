"""Months of tests in this folder."""

from datetime import timedelta
from typing import Any

import msgspec

from tests.doubles.billed import Ask, asks


def longer(seconds: float, seen: float) -> list[Ask]:
    """The month with code that ran so long, and was believed to run so long."""
    return [msgspec.structs.replace(ask, seconds=seconds, seen=seen, rest=250.0) if ask.runs else ask for ask in asks()]


def talks() -> list[Ask]:
    """Conversations that run code three times in one session, four minutes apart: most of it the container waits."""
    found: list[Ask] = []
    for ask in asks():
        if ask.number % 6 == 0 and ask.seconds >= 20:
            for turn in range(3):
                at = ask.at + timedelta(minutes=4 * turn)
                number = 1_000 + len(found)
                found.append(msgspec.structs.replace(ask, number=number, at=at, seconds=5.0 + turn, seen=5.0 + turn))
    return found


def uploads(*, skills: int = 0) -> list[Ask]:
    """Conversations that begin with a file on which code runs, and go on hours later, twice, without any.

    What goes on may name Skills. In every other one the last turn brings a file of its own.
    """
    found: list[Ask] = []
    for ask in asks():
        if ask.number % 6 == 0 and ask.seconds >= 20:
            first = msgspec.structs.replace(ask, number=2_000 + len(found), files=1)
            found.append(first)
            for turn in (1, 2):
                again: dict[str, Any] = {"number": 2_000 + len(found), "after": found[-1].number}
                again["at"] = ask.at + timedelta(hours=turn)
                fresh = turn == 2 and ask.number % 12 == 0
                again |= {"files": 1 + fresh, "fresh": fresh, "skills": skills}
                quiet = msgspec.structs.replace(first, runs=0, seconds=0.0, seen=0.0, begins=False, **again)
                found.append(quiet)
    return sorted(found, key=lambda ask: ask.at)
