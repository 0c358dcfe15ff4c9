"""The rules that were in force last, kept beside the ledger: a process whose rules are broken starts with them."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

SUFFIX = ".rules.json"


class LastGoodError(Exception):
    """What was kept cannot be read; the message says which file and why."""


class Kept(msgspec.Struct, frozen=True):
    """Rule files by path, shipped ones included, and the directory that they were read for; None for none."""

    directory: str | None
    files: dict[str, str]


class LastGood:
    """One file beside a ledger, replaced whole; only its owner reads it, for it says who the callers are."""

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(store.name + SUFFIX)

    def keep(self, directory: Path | None, files: Mapping[str, bytes]) -> None:
        """Keep the files of a rule book that came into force. Raises OSError; what was kept before then stays."""
        kept = Kept(_name(directory), {path: content.decode() for path, content in files.items()})
        aside = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(kept), indent=1))
            file.flush()
            os.fsync(descriptor)
        aside.replace(self.path)

    def files(self, directory: Path | None) -> dict[str, bytes] | None:
        """What was kept for a directory; None where nothing was, or for another one. Raises LastGoodError."""
        try:
            kept = msgspec.json.decode(self.path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LastGoodError(f"{self.path} cannot be read: {error}") from error
        if kept.directory != _name(directory):
            return None
        return {path: text.encode() for path, text in kept.files.items()}


def _name(directory: Path | None) -> str | None:
    return None if directory is None else str(directory.absolute())
