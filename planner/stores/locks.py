"""A lock that a process holds as long as it lives: the file stays, the lock goes with whoever held it."""

import fcntl
import os
from pathlib import Path

from planner.stores import InUseError


def hold(file: Path, sentence: str) -> int:
    """Hold a lock on a file, made if it is not there; the descriptor, once closed, lets go of it.

    Raises InUseError with that sentence when another process holds it, OSError when there can be no such file.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InUseError(sentence) from error
    return descriptor
