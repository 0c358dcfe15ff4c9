"""A finding is a value: where a rule file is wrong, what is wrong there, and what to do about it.

The same findings come out of the server, the command line and the tests; text, JSON and GitHub annotations are only
ways to print them.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

Level = Literal["error", "warning"]
Code = Literal[
    "bad-domain", "bad-expression", "both-domains", "circle", "claimable-team", "contradiction", "decides-nothing",
    "duplicate-key", "duplicate-name", "empty-period", "empty-range", "empty-rollout", "expects-nothing",
    "expired-policy", "gap", "hidden-character", "implausible-discount", "implausible-jump", "implausible-multiplier",
    "implausible-price", "implausible-tier", "merge-key", "missing-component", "missing-field", "missing-file",
    "money-not-a-string", "needs-cel", "needs-tool", "never-refuses", "no-hit", "no-keys", "no-miss", "no-rules",
    "not-ascending", "not-utf-8", "not-yaml", "one-spender", "out-of-range", "overlapping-dates",
    "overlapping-discounts", "shadowed-action", "shared-session", "tag", "too-deep", "too-large", "too-many-decimals",
    "too-many-files", "too-many-findings", "unknown-context", "unknown-field", "unknown-file", "unknown-member",
    "unknown-model", "unknown-policy", "unknown-principal", "unknown-project", "unknown-setting", "unknown-step",
    "unknown-team", "unknown-template", "unknown-tool", "unknown-value", "unreachable-policy", "unusual-name",
    "widens-reach", "wrong-family", "wrong-type",
]  # fmt: skip

CODES: Final[Mapping[Code, str]] = {
    "bad-domain": "A domain that no web tool takes: with a scheme, a port, a space, or a wildcard outside of its path.",
    "bad-expression": "A `when` that is no condition: unknown words, types that do not fit, or too much of it.",
    "both-domains": "Allowed and blocked domains at once, of which a web tool takes one.",
    "circle": "Steps of a workflow that wait for each other, so that none of them can begin.",
    "claimable-team": "A refusal that rests on what clients say of themselves, and so is escaped by a word: a warning.",
    "contradiction": "Facts of a test that cannot all be true.",
    "decides-nothing": "A policy names no action, so nothing would come of it.",
    "duplicate-key": "A table says one key twice, and one of them would be lost.",
    "duplicate-name": "Two rows go by one name, or one key, id or version belongs to two rows.",
    "empty-period": "A dated row ends before it begins.",
    "empty-range": "A range in which no number lies.",
    "empty-rollout": "A roll-out of 0 %, by which a policy decides nothing: a warning, since `mode: off` says it.",
    "expects-nothing": "A test that says nothing of what must come out.",
    "expired-policy": "A policy whose last day is past: a warning of `planner rules check`, which knows the day.",
    "gap": "Days between two rows on which one thing has no price.",
    "hidden-character": "A character that nobody who reviews the file sees, or that turns what they see around.",
    "implausible-discount": "A discount takes off what is rather left to pay; `unusual` says why it is right.",
    "implausible-jump": "A price rises or falls by far from one row to the next; `unusual` says why it is right.",
    "implausible-multiplier": "A multiplier lies far from all that is published; `unusual` says why it is right.",
    "implausible-price": "The prices of two token classes do not fit each other; `unusual` says why they are right.",
    "implausible-tier": "A long prompt is cheaper than a short one; `unusual` says why it is right.",
    "merge-key": "`<<` is of YAML 1.1 and would merge another table in; fields are written out.",
    "missing-component": "Nothing prices a model, web search or container time at all.",
    "missing-field": "A field that must be there is not.",
    "missing-file": "A kind of file without which there is no rule book is not there.",
    "money-not-a-string": "An amount is a number, which is read as a float; amounts are quoted decimals.",
    "needs-cel": "A condition needs a part that is not installed.",
    "needs-tool": "A step of a workflow does what none of its tools can.",
    "never-refuses": (
        "A hard budget above another one for the same spenders and period: only the smaller one would refuse."
    ),
    "no-hit": "No test shows what a policy decides; told by `planner rules test`.",
    "no-keys": "A principal that no key belongs to: nobody would ever be it.",
    "no-miss": "No test shows what a policy leaves alone; told by `planner rules test`.",
    "no-rules": "A directory without any rule file, so that all rules are the shipped ones: a warning.",
    "not-ascending": "The low, likely and high of an interval are out of order.",
    "not-utf-8": "The file holds bytes that are not UTF-8.",
    "not-yaml": "The file is not YAML 1.2, or uses what is not read here.",
    "one-spender": "A budget is for none of team, project and principal, or for two of them.",
    "out-of-range": "A value is beyond its limits, or not of its form.",
    "overlapping-dates": "One thing has two rows on one day.",
    "overlapping-discounts": "One thing has two discounts on one day; they do not stack.",
    "shadowed-action": "A policy names an action that one before it always decides: a warning.",
    "shared-session": "A policy lets whoever names a session share files between conversations: a warning.",
    "tag": "A YAML tag; nothing in a rule file makes anything but text, numbers, lists and tables.",
    "too-deep": "Nested deeper than any rule needs.",
    "too-large": "The file, or what its aliases unfold to, is larger than any rule needs.",
    "too-many-decimals": "An amount is finer than a millionth.",
    "too-many-files": "More files than any team's rules need; none of them is read.",
    "too-many-findings": "So much is wrong in one file that the rest is left out.",
    "unknown-context": "A step of a workflow stands behind a context that the workflow does not have.",
    "unknown-field": "A field that nobody reads: it would change nothing, silently.",
    "unknown-file": "A file that looks like rules and has a name or a folder that no kind of rule file has.",
    "unknown-member": "A member that no request has; it is sent as it stands, and so only a warning.",
    "unknown-model": "A model id or glob that stands for no model of the catalog.",
    "unknown-policy": "A test names a policy that does not exist.",
    "unknown-principal": "A budget names a principal that nobody goes by, or a key that has a name.",
    "unknown-project": "A budget names a project that no caller declares, and tags spend no budget.",
    "unknown-setting": "A setting that nothing reads.",
    "unknown-step": "A step of a workflow follows one that is not there, or itself.",
    "unknown-team": "A budget names a team that no caller declares, and tags spend no budget.",
    "unknown-template": "A template that the catalog does not have.",
    "unknown-tool": "A tool version that the catalog does not have.",
    "unknown-value": "A word that is none of the choices.",
    "unreachable-policy": "A policy that never decides, because one before it always does; for one that is word for "
    "word a shipped one a warning: a copy of those behind one's own is a good beginning, and nothing is lost by it.",
    "unusual-name": "A name with characters that no header can carry, so that `planner-plan` shows others: a warning.",
    "widens-reach": "A policy gives agents a tool that can reach something: a warning, for whoever reviews it.",
    "wrong-family": "A tool version that does not begin with the name of its family.",
    "wrong-type": "A value of another type than its field has.",
}
"""What each code means, for the reference; a code that is not here is no `Code`."""

LONGEST: Final = 1_000
"""Characters of each part of a finding: a file may hold words of any length, and repeat them by aliases."""

_GUESSED = 80  # characters of a word beyond which it is no slip of a known one


class Finding(msgspec.Struct, frozen=True, order=True):
    """One problem at one place; `line` and `col` count from 1, `code` is a stable slug to filter by.

    `excerpt` is empty, or two lines made by `excerpt_of`: the source, and a caret under the column.
    """

    path: str
    line: int
    col: int
    code: Code
    subject: str
    problem: str
    remedy: str
    level: Level = "error"
    excerpt: str = ""

    def __post_init__(self) -> None:
        """Keep every part on one line, short and without API keys, whatever stands in the file."""
        for name in ("subject", "problem", "remedy"):
            msgspec.structs.force_setattr(self, name, _plain(getattr(self, name)))
        msgspec.structs.force_setattr(self, "excerpt", _KEY.sub(_masked, self.excerpt))

    def text(self) -> str:
        """Return `file:line:col: subject: problem. remedy [code]` on one line, an excerpt on two more below it."""
        note = "warning: " if self.level == "warning" else ""
        below = "".join(f"\n    {line}" for line in self.excerpt.split("\n") if self.excerpt)
        return f"{self.path}:{self.line}:{self.col}: {note}{self.message} [{self.code}]{below}"

    @property
    def message(self) -> str:
        """The finding without its place: `subject: problem. remedy`."""
        return f"{self.subject}: {self.problem}. {self.remedy}"


class RulesError(ValueError):
    """Rule files that make no rule book; `findings` holds every problem that was found, in the order of the files."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(render_text(self.findings))


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that keep a rule book from being used."""
    return tuple(finding for finding in findings if finding.level == "error")


def excerpt_of(source: str, col: int) -> str:
    """Return a source line and, below it, a caret under its column, counted from 1; of a long line the part around it.

    What cannot be printed, a tab for one, becomes a blank, so that the caret stays where it points to.
    """
    printed = "".join(char if char.isprintable() else " " for char in source)
    begin = max(0, col - 1 - _EXCERPT // 2) if len(printed) > _EXCERPT else len(printed) - len(printed.lstrip())
    begin = min(begin, col - 1)
    return f"{printed[begin : begin + _EXCERPT].rstrip()}\n{' ' * (col - 1 - begin)}^"


def render_text(findings: Iterable[Finding]) -> str:
    """Return one line a finding, for people, and its excerpt below."""
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
        below = f"\n{it.excerpt}" if it.excerpt else ""
        lines.append(f"::{it.level} {where}::{_escape(it.message + below)}")
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
    if len(word) > _GUESSED:
        return None
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return near[0] if near else None


_EXCERPT = 100  # characters of a source line that are shown
_KEY = re.compile(
    r"(sk-ant-)([\w-]{1,40})[\w-]*", re.ASCII
)  # an API key where its fingerprint belongs; logs hold findings


def _plain(text: str) -> str:
    """Return a text on one line, without what a terminal would act on; of a long one the beginning and the end."""
    text = _KEY.sub(_masked, text)
    if len(text) > LONGEST:
        text = f"{text[: LONGEST * 2 // 3]} … {text[-LONGEST // 4 :]}"
    return text if text.isprintable() else "".join(_visible(char) for char in text)


def _masked(key: re.Match[str]) -> str:
    return f"{key[1]}{'*' * len(key[2])}"


def _visible(char: str) -> str:
    return char if char.isprintable() else ascii(char)[1:-1]


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
