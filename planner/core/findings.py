"""A finding is a value: where a rule file is wrong, what is wrong there, and what to do about it.

The same findings come out of the server, the command line and the tests; text, JSON and GitHub annotations are only
ways to print them.
"""

import difflib
from collections.abc import Iterable
from typing import Literal

import msgspec

Level = Literal["error", "warning"]


class Finding(msgspec.Struct, frozen=True, order=True):
    """One problem at one place; `line` and `col` count from 1, `code` is a stable slug to filter by."""

    path: str
    line: int
    col: int
    code: str
    subject: str
    problem: str
    remedy: str
    level: Level = "error"

    def text(self) -> str:
        """Return `file:line:col: subject: problem. remedy` on one line."""
        note = "warning: " if self.level == "warning" else ""
        return f"{self.path}:{self.line}:{self.col}: {note}{self.subject}: {self.problem}. {self.remedy}"


class RulesError(ValueError):
    """Rule files that make no rule book; `findings` holds every problem that was found, in the order of the files."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(render_text(self.findings))


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that keep a rule book from being used."""
    return tuple(finding for finding in findings if finding.level == "error")


def render_text(findings: Iterable[Finding]) -> str:
    """Return one line a finding, for people."""
    return "\n".join(finding.text() for finding in findings)


def render_json(findings: Iterable[Finding]) -> str:
    """Return a JSON array of objects, one a finding, with the fields of `Finding`."""
    return msgspec.json.format(msgspec.json.encode(list(findings)), indent=2).decode()


def render_github(findings: Iterable[Finding]) -> str:
    """Return one GitHub workflow command a finding, which annotates the line in a pull request.

    Source: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    """
    lines = []
    for it in findings:
        where = f"file={_property(it.path)},line={it.line},col={it.col},title={_property(it.code)}"
        lines.append(f"::{it.level} {where}::{_escape(f'{it.subject}: {it.problem}. {it.remedy}')}")
    return "\n".join(lines)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `Did you mean "x"?` for the nearest known word, else the list of all of them."""
    words = list(known)
    near = nearest(word, words)
    if near is not None:
        return f'Did you mean "{near}"?'
    return f"Use one of: {', '.join(words)}." if words else "Remove it."


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, or None."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return near[0] if near else None


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
