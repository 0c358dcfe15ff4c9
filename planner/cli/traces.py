"""Opens a trace and reads it for commands that play one; lines that cannot be used end the command, all told first."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

import rich_click as click

from planner.cli.options import FINDINGS, USAGE, fail
from planner.core.replay.trace import TraceError, TraceLine, read_trace

MOST_PROBLEMS: Final = 20
"""Bad lines that are told one by one; of more only the number."""


def usable(trace: Path, lines: Iterable[bytes]) -> Iterator[TraceLine]:
    """The lines of a trace up to the first that cannot be used; when all are read, bad ones end the command."""
    bad = 0
    for line in read_trace(lines):
        if isinstance(line, TraceError):
            bad += 1
            if bad <= MOST_PROBLEMS:
                click.echo(f"{trace}:{line.line}: {line}", err=True)
        elif not bad:
            yield line
    if bad:
        more = f", of which the first {MOST_PROBLEMS} are told" if bad > MOST_PROBLEMS else ""
        counted = "1 line" if bad == 1 else f"{bad} lines"
        fail(f"{counted} of {trace} cannot be used{more}. Mend what is told: nothing was billed.", FINDINGS)


def opened_trace(trace: Path, opened: ExitStack) -> IO[bytes]:
    """The lines of a trace file, or of standard input for `-`; what cannot be read ends the command."""
    return sys.stdin.buffer if str(trace) == "-" else opening(trace, "rb", opened)


def opening(path: Path, mode: str, opened: ExitStack) -> IO[bytes]:
    """A file that is closed with the others; one that cannot be opened ends the command."""
    try:
        found: IO[bytes] = opened.enter_context(path.open(mode))
    except OSError as error:
        fail(f"{path} cannot be {'read' if mode == 'rb' else 'written'}: {error.strerror}.", USAGE)
    return found
