"""Workflows of many shapes and any length, the same for the same seed: what planning is measured on.

chain      each step follows the one before
fan        many that only follow the first, and one that follows them all
mixed      each follows some of the six before it
files      mixed, in rows of steps that go on in the container of the one before for its files
deadlines  mixed, and most must have ended within hours or days, so that not all can wait in batches; some are live
repeated   mixed, four hundred times a day, in front of a long context
"""

from random import Random
from typing import Final

from planner.core.workflow.steps import Context, Step, Workflow

SHAPES: Final = ("chain", "fan", "mixed", "files", "deadlines", "repeated")
CODE, SEARCH = "code_execution_20250825", "web_search_20250305"
WINDOW: Final = 6
ROW: Final = 4


def shaped(shape: str, count: int, seed: int = 0) -> Workflow:
    """A workflow of so many steps."""
    draw = Random(f"{shape} {count} {seed}")  # noqa: S311 - the same workflow each time
    steps = tuple(_step(draw, shape, number, count) for number in range(count))
    return Workflow(
        workflow=f"{shape}-{count}-{seed}",
        model="claude-sonnet-5-5",
        contexts={"docs": Context(tokens=12_000)},
        steps=steps,
        repetitions=400 if shape == "repeated" else draw.choice((1, 10)),
        free_hours_left=0,
    )


def _step(draw: Random, shape: str, number: int, count: int) -> Step:
    in_row = shape == "files" and number % ROW > 0
    code = in_row or (shape == "files" and number % ROW == 0) or draw.random() < 0.5
    searches = 0 if in_row else draw.choice((0, 0, 0, 1, 3))
    rounds = 1 + (draw.randint(1, 4) if code or searches else 0)
    return Step(
        name=f"s{number}",
        model=None if shape == "files" or draw.random() < 0.8 else "claude-haiku-5-5",
        context="docs" if shape != "files" and draw.random() < 0.6 else None,
        prompt=draw.randint(200, 9_000),
        output=draw.randint(100, 3_000),
        iterations=rounds,
        growth=draw.randint(100, 2_000) if rounds > 1 else 0,
        hands_on=draw.randint(0, 800),
        tools=((CODE,) if code else ()) + ((SEARCH,) if searches else ()),
        code_seconds=draw.choice((3, 20, 200, 400)) if code else 0,
        searches=searches,
        after=_after(draw, shape, number, count),
        files_from=(f"s{number - 1}",) if in_row else (),
        deadline=draw.choice((None, "6h", "1d", "3d")) if shape == "deadlines" else None,
        live=shape == "deadlines" and draw.random() < 0.2,
    )


def _after(draw: Random, shape: str, number: int, count: int) -> tuple[str, ...]:
    """What a step follows."""
    if number == 0 or (shape == "files" and number % ROW > 0):
        return ()
    if shape == "chain":
        return (f"s{number - 1}",)
    if shape == "fan":
        return tuple(f"s{each}" for each in range(number)) if number == count - 1 else ("s0",)
    return tuple(f"s{each}" for each in range(max(0, number - WINDOW), number) if draw.random() < 0.25)
