"""Rules come from a directory; kinds of file that it lacks come from the copy that ships with the planner.

Only reading happens here. What the bytes mean is said by `planner.core.rulefile`, and what to do about findings by
whoever asked: a server keeps its last good book, a command prints them.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from planner.core.findings import Finding, RulesError
from planner.core.rulebook import RuleBook
from planner.core.rulefile import kind_of, read

_PATTERNS = ("*.yaml", "*.yml", "prices/*.yaml", "prices/*.yml", "policies/*.yaml", "policies/*.yml")


class Rules(msgspec.Struct, frozen=True):
    """What was read: `files` by path relative to the rules' directory, and what they say.

    `findings` are as the reader gave them, but with the path of the file that a person would open.
    """

    files: Mapping[str, bytes]
    book: RuleBook | None
    findings: tuple[Finding, ...]

    def required(self) -> RuleBook:
        """Return the rule book; RulesError, which holds the findings, when there is none."""
        if self.book is None:
            raise RulesError(self.findings)
        return self.book


def shipped_directory() -> Path:
    """Return the rules that ship with the planner: in an installed package its own copy, in a checkout `rules/`."""
    package = Path(__file__).parent
    installed = package / "rules"
    return installed if installed.is_dir() else package.parent / "rules"


def read_files(directory: Path | None) -> dict[str, bytes]:
    """Return the rule files of a directory, and the shipped ones of every kind that it lacks.

    Errors: FileNotFoundError or NotADirectoryError when `directory` is none; OSError for a file that cannot be read.
    """
    shipped = _files(shipped_directory())
    if directory is None:
        return shipped
    if not directory.exists():
        raise FileNotFoundError(f"{directory} does not exist: name a directory of rule files, or leave --rules out")
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is a file: name the directory that holds the rule files")
    own = _files(directory)
    kinds = {kind_of(path) for path in own}
    return {path: content for path, content in shipped.items() if kind_of(path) not in kinds} | own


def load_rules(directory: Path | None, overrides: Mapping[str, str] | None = None) -> Rules:
    """Return the rules of a directory (None for the shipped ones) under settings given as `--set key=value`.

    Errors: those of `read_files`. What is wrong *in* the files is in `findings`, and then there is no book.
    """
    files = read_files(directory)
    reading = read(files, overrides)
    shipped = shipped_directory()

    def opened(path: str) -> str:
        if path not in files:
            return path
        own = directory / path if directory is not None else None
        return str(own if own is not None and own.is_file() else shipped / path)

    findings = tuple(msgspec.structs.replace(each, path=opened(each.path)) for each in reading.findings)
    return Rules(files, reading.book, findings)


def _files(directory: Path) -> dict[str, bytes]:
    found = (path for pattern in _PATTERNS for path in directory.glob(pattern) if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in sorted(found)}
