"""Compiles rule files in a process of its own, so that no request waits for it, however long they are.

In a thread it would take the interpreter from the event loop, five milliseconds at a time: enough to miss the time in
which a request must be decided on, so that a broken edit could change what becomes of it.
"""

import dataclasses
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from planner.core.rulebook.book import RuleBook
from planner.rulesource import Rules, Source

LONGEST_SECONDS: Final = 30.0
"""Rules that take longer are refused, and a process that ends waits no longer: shipped ones take half a second."""
POLITE: Final = 10
"""How much less urgent than requests it is, as `nice` counts."""
BEGIN: Final = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from planner.compiling import main; main()"
PARTS: Final = tuple(field.name for field in dataclasses.fields(RuleBook) if field.init)


class CompileError(Exception):
    """The rules were not compiled, whatever they say; the message says what became of it."""


class Asked(msgspec.Struct, frozen=True):
    """What is to be compiled: the files of a source."""

    directory: str | None
    overrides: dict[str, str]
    files: dict[str, bytes]


def compile_apart(source: Source, files: Mapping[str, bytes]) -> Rules:
    """What files say, as `Source.compile` tells it; blocks, but holds nothing. Raises CompileError."""
    directory = None if source.directory is None else str(source.directory)
    asked = msgspec.msgpack.encode(Asked(directory, dict(source.overrides), dict(files)))
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, and nothing of the rules on its command line
            [sys.executable, "-P", "-c", BEGIN, msgspec.json.encode(sys.path).decode()],
            input=asked,
            capture_output=True,
            check=False,
            timeout=LONGEST_SECONDS,
            start_new_session=True,  # what interrupts this process is not for that one
        )
    except subprocess.TimeoutExpired as error:
        raise CompileError(f"compiling the rules took longer than {LONGEST_SECONDS:g} seconds") from error
    except OSError as error:
        raise CompileError(f"there is no process to compile the rules in: {error.strerror}") from error
    if done.returncode != 0:
        raise CompileError(f"the process that compiles the rules ended with code {done.returncode}")
    findings, parts = pickle.loads(done.stdout)  # noqa: S301 - written by the function below
    return Rules(files, None if parts is None else RuleBook(**parts), findings)


def main() -> None:
    """Compile what standard input asks for, and write findings and the parts of the book to standard output."""
    os.nice(POLITE)
    asked = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Asked)
    source = Source(None if asked.directory is None else Path(asked.directory), asked.overrides)
    rules = source.compile(asked.files)
    parts = None if rules.book is None else {name: getattr(rules.book, name) for name in PARTS}
    sys.stdout.buffer.write(pickle.dumps((rules.findings, parts)))
