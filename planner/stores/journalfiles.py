"""The files of a journal that no process has open, rewritten line by line."""

import os
from collections.abc import Callable
from pathlib import Path

from planner.stores import StoreError
from planner.stores.journal import SUFFIX

ASIDE = ".new"


def rewrite(directory: Path, change: Callable[[bytes], bytes | None], *, write: bool) -> int:
    """Change each line, without its newline, or leave it out for None; return how many lines differ.

    A file is replaced whole, so that one that was being written when the process was killed is as it was. What is no
    whole line at the end of a file is a line too. Without `write` nothing is changed. Raises StoreError.
    """
    changed = 0
    try:
        for path in sorted(directory.glob(f"*{SUFFIX}")):
            *whole, torn = path.read_bytes().split(b"\n")
            lines = [*((line, b"\n") for line in whole), (torn, b"")]
            kept = [(change(line) if line else line, end) for line, end in lines]
            differ = sum(line != after for (line, _), (after, _) in zip(lines, kept, strict=True))
            changed += differ
            if differ and write:
                _replace(path, b"".join(line + end for line, end in kept if line is not None))
    except OSError as error:
        raise StoreError(f"{directory} cannot be rewritten: {error.strerror}") from error
    return changed


def _replace(path: Path, content: bytes) -> None:
    """Put new content in the place of a file. Raises OSError."""
    aside = path.with_name(path.name + ASIDE)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    aside.replace(path)
