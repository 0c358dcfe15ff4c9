"""Rules come from a directory; kinds of file that it lacks come from the copy that ships with the planner.

Only reading happens here. What the bytes mean is said by `planner.core.rulefile`, and what to do about findings by
whoever asked: a server keeps its last good book, a command prints them.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from planner.core.findings import Finding, RulesError
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import Policy
from planner.core.rulefile import MAX_FILES, kind_of, looks_like_rules, policies_of, read
from planner.core.rulefile.tree import MAX_BYTES

MOST_ENTRIES: Final = 10_000
"""Files and folders below a directory of rules: one that holds more is another directory than was meant."""

_FOLDERS = ("prices", "policies")
_TESTS = "tests"
_SCHEMA = "schema"
_SUFFIXES = {".yaml", ".yml"}


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


class Looked(msgspec.Struct, frozen=True):
    """What a look at the rules found: `files`, those that the directory lacks included, or the `trouble` of reading.

    `own` are the kinds of file that the directory holds itself.
    """

    files: Mapping[str, bytes] = {}
    trouble: str | None = None
    own: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """SHA-256 over paths and contents: two looks with one digest found the same."""
        hashed = sha256((self.trouble or "").encode())
        for path, content in sorted(self.files.items()):
            for part in (path.encode(), content):
                hashed.update(len(part).to_bytes(8))
                hashed.update(part)  # apart, so that no file is copied
        return hashed.hexdigest()


class Source(msgspec.Struct, frozen=True):
    """Where the rules of a process come from: a directory (None for the shipped ones), and settings of `--set`."""

    directory: Path | None = None
    overrides: Mapping[str, str] = {}

    def look(self) -> Looked:
        """Read what is there now; what cannot be read is no error here."""
        try:
            files, own = _gathered(self.directory)
        except OSError as error:
            return Looked(trouble=str(error))
        return Looked(files, own=own)

    def compile(self, files: Mapping[str, bytes]) -> Rules:
        """What files say, whenever they were read."""
        return _compiled(self.directory, files, self.overrides)


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The source of the rule book that a process begins with, to be watched: `files` are those the book was made of.

    `seen` is the digest of what the directory held at the start, and `own` the kinds of file; where the book is made of
    something else, `refused` says why.
    """

    source: Source
    files: Mapping[str, bytes]
    seen: str
    own: frozenset[str] = frozenset()
    refused: tuple[str, ...] = ()


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change of the rules at a moment (aware): whether it was taken, and all that was found.

    `digest` is that of the book in force from then on: the new one, or the one that stayed.
    """

    at: datetime
    took: bool
    digest: str
    findings: tuple[str, ...] = ()


def shipped_directory() -> Path:
    """Return the rules that ship with the planner: in an installed package its own copy, in a checkout `rules/`."""
    package = Path(__file__).parent
    installed = package / "rules"
    return installed if installed.is_dir() else package.parent / "rules"


def shipped_policies() -> tuple[Policy, ...]:
    """Return the policies that ship with the planner."""
    return _policies_in(shipped_directory())


def read_files(directory: Path | None) -> dict[str, bytes]:
    """Return the rule files of a directory, and the shipped ones of every kind that it lacks.

    What looks like a rule file and has no name of one is there too, and empty: it is told, never read. Of a file that
    is too large, and of too many files, there is so much that the reader sees it.

    Errors: FileNotFoundError or NotADirectoryError when `directory` is none; OSError for a file that cannot be read,
    and for a directory with so many entries that it cannot be meant.
    """
    return _gathered(directory)[0]


def _gathered(directory: Path | None) -> tuple[dict[str, bytes], frozenset[str]]:
    """The files of `read_files`, and the kinds that the directory holds itself."""
    shipped = _files(shipped_directory())
    if directory is None:
        return shipped, frozenset()
    if not directory.exists():
        raise FileNotFoundError(f"{directory} does not exist: name a directory of rule files, or leave --rules out")
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is a file: name the directory that holds the rule files")
    own = _files(directory)
    kinds = frozenset(kind for path in own if (kind := kind_of(path)) is not None)
    return {path: content for path, content in shipped.items() if kind_of(path) not in kinds} | own, kinds


def load_rules(
    directory: Path | None, overrides: Mapping[str, str] | None = None, *, today: date | None = None
) -> Rules:
    """Return the rules of a directory (None for the shipped ones) under settings given as `--set key=value`.

    Policies that ended before `today`, where that is given, are findings. Errors: those of `read_files`. What is wrong
    *in* the files is in `findings`, and when that is an error there is no book.
    """
    return _compiled(directory, read_files(directory), overrides or {}, today)


def _compiled(
    directory: Path | None, files: Mapping[str, bytes], overrides: Mapping[str, str], today: date | None = None
) -> Rules:
    reading = read(files, overrides, shipped=() if directory is None else shipped_policies(), today=today)
    findings = tuple(
        msgspec.structs.replace(each, path=opened(directory, each.path) if each.path in files else each.path)
        for each in reading.findings
    )
    if directory is not None and not any((directory / path).is_file() for path in files):
        findings = (_without_rules(directory), *findings)
    return Rules(files, reading.book, findings)


def _without_rules(directory: Path) -> Finding:
    problem = "it holds no rule file, so that all rules are the shipped ones"
    remedy = "Put your files there, such as policies/ours.yaml, or leave --rules out."
    return Finding(str(directory), 1, 1, "no-rules", "this directory", problem, remedy, "warning")


def read_test_files(directory: Path | None) -> dict[str, bytes]:
    """Return the tests of a directory's rules, by the path that a person would open.

    Those that ship test the shipped policies: a directory without tests has them only where its policies are the
    shipped ones too. A server never reads tests. Errors: OSError for a file that cannot be read.
    """
    home = shipped_directory()
    if directory is not None:
        kinds = {kind_of(path.relative_to(directory).as_posix()) for path in _listed(directory)}
        if "policies" in kinds or any(_tests_in(directory)):
            home = directory
    return {str(path): _read(path) for path in sorted(_tests_in(home))}


def opened(directory: Path | None, path: str) -> str:
    """Return the file that a person would open for a path of `Rules.files`: the directory's own or the shipped one."""
    own = directory / path if directory is not None else None
    return str(own if own is not None and own.is_file() else shipped_directory() / path)


@lru_cache(maxsize=1)
def _policies_in(directory: Path) -> tuple[Policy, ...]:
    return policies_of(_files(directory))


def _files(directory: Path) -> dict[str, bytes]:
    found = ((path.relative_to(directory).as_posix(), path) for path in _listed(directory))
    kept = sorted(found)[: MAX_FILES + 1]  # one more than are read, so that the reader tells
    return {name: _read(path) if kind_of(name) else b"" for name, path in kept}


def _read(path: Path) -> bytes:
    """As much of a file as shows whether it is too large."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _listed(directory: Path) -> Iterator[Path]:
    """The files of a directory that are rules or look like it, in all folders that are not hidden.

    A link that leads nowhere is listed, so that reading it fails: a file that is gone for a moment, as while a volume
    is exchanged, must not be taken for a kind that the directory lacks. Raises OSError for a folder of rules that
    cannot be listed; another one is none of ours.
    """
    entries = 0
    folders: list[tuple[Path, frozenset[tuple[int, int]]]] = [(directory, frozenset())]
    while folders:
        folder, above = folders.pop()
        at = folder.stat()
        if (at.st_dev, at.st_ino) in above:
            continue  # a link to a folder that it stands in
        inside = above | {(at.st_dev, at.st_ino)}
        for path in _entries(folder, needed=folder.parent == directory and folder.name in _FOLDERS):
            entries += 1
            if entries > MOST_ENTRIES:
                problem = f"{directory} holds more than {MOST_ENTRIES:,} files and folders"
                raise OSError(f"{problem}: name a directory that holds rules alone")
            if _is_folder(path, directory):
                folders.append((path, inside))
            elif looks_like_rules(path.relative_to(directory).as_posix()) and _is_file(path):
                yield path


def _entries(folder: Path, *, needed: bool) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from (folder / entry.name for entry in entries)
    except PermissionError:
        if needed:
            raise


def _is_folder(path: Path, directory: Path) -> bool:
    """Whether to look into it; what stands in the place of a folder of rules is one, so that listing it fails."""
    if path.parent == directory and path.name in _FOLDERS:
        return True
    passed_by = path.name.startswith(".") or (path.parent == directory and path.name in (_TESTS, _SCHEMA))
    return not passed_by and path.is_dir()


def _is_file(path: Path) -> bool:
    return path.is_file() or (path.is_symlink() and not path.exists() and not path.name.startswith("."))


def _tests_in(directory: Path) -> Iterator[Path]:
    folder = directory / _TESTS
    if folder.exists() or folder.is_symlink():
        yield from (path for path in folder.iterdir() if path.suffix in _SUFFIXES and _is_file(path))
