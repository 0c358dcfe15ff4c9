"""Rules come from a directory; kinds of file that it lacks come from the copy that ships with the planner.

Only reading happens here. What the bytes mean is said by `planner.core.rulefile`, and what to do about findings by
whoever asked: a server keeps its last good book, a command prints them.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from planner.core.findings import Finding, RulesError
from planner.core.rulebook import RuleBook
from planner.core.rulefile import kind_of, read

_FOLDERS = ("prices", "policies")
_TESTS = "tests"
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
    """What a look at the rules found: `files`, those that the directory lacks included, or the `trouble` of reading."""

    files: Mapping[str, bytes] = {}
    trouble: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over paths and contents: two looks with one digest found the same."""
        hashed = sha256((self.trouble or "").encode())
        for path, content in sorted(self.files.items()):
            for part in (path.encode(), content):
                hashed.update(len(part).to_bytes(8) + part)
        return hashed.hexdigest()


class Source(msgspec.Struct, frozen=True):
    """Where the rules of a process come from: a directory (None for the shipped ones), and settings of `--set`."""

    directory: Path | None = None
    overrides: Mapping[str, str] = {}

    def look(self) -> Looked:
        """Read what is there now; what cannot be read is no error here."""
        try:
            return Looked(read_files(self.directory))
        except OSError as error:
            return Looked(trouble=str(error))

    def compile(self, files: Mapping[str, bytes]) -> Rules:
        """What files say, whenever they were read."""
        return _compiled(self.directory, files, self.overrides)


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The source of the rule book that a process begins with, to be watched: `files` are those the book was made of.

    `seen` is the digest of what the directory held at the start; where that is something else, `refused` says why.
    """

    source: Source
    files: Mapping[str, bytes]
    seen: str
    refused: tuple[str, ...] = ()


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
    return _compiled(directory, read_files(directory), overrides or {})


def _compiled(directory: Path | None, files: Mapping[str, bytes], overrides: Mapping[str, str]) -> Rules:
    reading = read(files, overrides)
    findings = tuple(
        msgspec.structs.replace(each, path=opened(directory, each.path) if each.path in files else each.path)
        for each in reading.findings
    )
    return Rules(files, reading.book, findings)


def read_test_files(directory: Path | None) -> dict[str, bytes]:
    """Return the tests of a directory's rules, by the path that a person would open.

    Those that ship test the shipped policies: a directory without tests has them only where its policies are the
    shipped ones too. A server never reads tests. Errors: OSError for a file that cannot be read.
    """
    home = shipped_directory()
    if directory is not None:
        kinds = {kind_of(path.relative_to(directory).as_posix()) for path in _listed(directory)}
        if "policies" in kinds or any(_inside_if_there(directory / _TESTS)):
            home = directory
    return {str(path): path.read_bytes() for path in sorted(_inside_if_there(home / _TESTS))}


def opened(directory: Path | None, path: str) -> str:
    """Return the file that a person would open for a path of `Rules.files`: the directory's own or the shipped one."""
    own = directory / path if directory is not None else None
    return str(own if own is not None and own.is_file() else shipped_directory() / path)


def _files(directory: Path) -> dict[str, bytes]:
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in sorted(_listed(directory))}


def _listed(directory: Path) -> Iterator[Path]:
    """The rule files of a directory. Raises OSError for a folder that cannot be listed.

    A link that leads nowhere is listed, so that reading it fails: a file that is gone for a moment, as while a volume
    is exchanged, must not be taken for a kind that the directory lacks.
    """
    yield from _inside(directory)
    for name in _FOLDERS:
        yield from _inside_if_there(directory / name)


def _inside_if_there(folder: Path) -> Iterator[Path]:
    if folder.exists() or folder.is_symlink():
        yield from _inside(folder)


def _inside(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        lost = path.is_symlink() and not path.exists() and not path.name.startswith(".")
        if path.suffix in _SUFFIXES and (path.is_file() or lost):
            yield path
