"""Text becomes a tree in which every word knows its line and column; what YAML 1.2 leaves open is refused.

Built from the parser's events, because a constructed document no longer knows where it came from. Bounds: size of a
file, depth, and nodes with aliases written out, so that a small file cannot become a large tree.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Literal

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from planner.core.findings import Code, Finding

MAX_BYTES = 1_000_000
MAX_DEPTH = 16
MAX_NODES = 100_000
MAX_FINDINGS = 1_000
TOO_MANY = f"more than {MAX_FINDINGS:,} problems, and the rest is left out"
MEND_FIRST = "Mend these first."

_REMEMBERED: Final = 32  # trees, so that a command that reads one file several times takes it apart once
_SMALL: Final = 64_000  # bytes; larger files, whose trees take megabytes, are not remembered

Kind = Literal["null", "bool", "int", "float", "str"]

# The core schema of YAML 1.2.2, section 10.3.2, without what no rule needs: hex, octal, infinity and not-a-number.
# `yes`, `on` and dates are strings in it.
_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("null", re.compile(r"null|Null|NULL|~|")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"[-+]?[0-9]+", re.ASCII)),
    ("float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)),
)

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # where the parser's lines end
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # what escapes in quotes can spell
_TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # what makes a line read in another order
_ANCHOR = re.compile(r"&\S+(?:\s+(?:#.*)?)*")
_PIECE = {
    "'": re.compile(r"''|."),
    '"': re.compile(r"\\(?:x.{2}|u.{4}|U.{8}|.)|[^\\]"),
}  # how one character is spelt between quotes


class Scalar(msgspec.Struct, frozen=True):
    """One word; `kind` is what the core schema makes of it, always `str` when it is quoted.

    `style` is how it is written: its quote, `|`, `>`, or nothing; `source` are the lines that it stands on, whole.
    """

    line: int
    col: int
    text: str
    kind: Kind
    style: str = ""
    source: tuple[str, ...] = ()


class Items(msgspec.Struct, frozen=True):
    """A sequence."""

    line: int
    col: int
    items: tuple["Node", ...]


class Pairs(msgspec.Struct, frozen=True):
    """A mapping; `keys` has the place of each key."""

    line: int
    col: int
    values: dict[str, "Node"]
    keys: dict[str, Scalar]


Node = Scalar | Items | Pairs


class _Events(YAML):
    """The parser alone: by itself it looks for plug-ins on disk, each time."""

    def official_plug_ins(self) -> list[str]:
        """None."""
        return []


class NotATreeError(ValueError):
    """A text that makes no tree at all, as a finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.text())


def parse(path: str, content: bytes) -> tuple[Node | None, tuple[Finding, ...]]:
    """Return the tree of a file and its findings: no tree when the text cannot be read, None for an empty file too.

    The same bytes may give the same tree, which nobody changes.
    """
    return _remembered(path, content) if len(content) <= _SMALL else _parsed(path, content)


def _parsed(path: str, content: bytes) -> tuple[Node | None, tuple[Finding, ...]]:
    try:
        if len(content) > MAX_BYTES:
            problem = f"more than {MAX_BYTES:,} bytes"
            raise _refused(path, (1, 1), "too-large", problem, "Split it.")
        text = _decode(path, content)
        if turning := _TURNING.search(text):
            raise _refused(path, _end(text[: turning.start()]), *_unseen(turning[0]))
        tree = _Composer(path, text)
        return tree.root(), tuple(tree.findings)
    except NotATreeError as error:
        return None, (error.finding,)


_remembered = lru_cache(maxsize=_REMEMBERED)(_parsed)


class _Composer:
    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.lines = _BREAK.split(text)
        self.findings: list[Finding] = []
        self.anchors: dict[str, tuple[Node, int] | None] = {}  # None while the anchored node is still open
        self.nodes = 0
        self.events = self._events(text)

    def root(self) -> Node | None:
        node: Node | None = None
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                if node is not None:
                    raise self._refuse(event, "not-yaml", "a second document begins", "Put it into a file of its own.")
                if event.version not in (None, (1, 2)):
                    raise self._refuse(event, "not-yaml", "another version of YAML is asked for", "Files are YAML 1.2.")
                node = self._node(next(self.events), 1)
        return None if isinstance(node, Scalar) and node.kind == "null" else node

    def _events(self, text: str) -> Iterator[Event]:
        try:
            yield from _Events(typ="safe", pure=True).parse(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, col = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            problem = " ".join(str(error.problem or error.context).split())
            raise _refused(self.path, (line, col), "not-yaml", problem, "Mend the YAML here.") from None
        except YAMLError as error:
            problem = str(error).split("\n", 1)[0]
            above = text[: getattr(error, "position", 0)]
            raise _refused(self.path, _end(above), "not-yaml", problem, "Remove the character.") from None

    def _node(self, event: Event, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self._refuse(event, "too-deep", f"nested deeper than {MAX_DEPTH} levels", "Flatten it.")
        if isinstance(event, AliasEvent):
            return self._alias(event)
        self._count(event, 1)
        if (tag := getattr(event, "ctag", None)) is not None:
            raise self._refuse(event, "tag", f"a tag, {tag}, is not read here", "Write the plain value.")
        anchor = event.anchor if isinstance(event, NodeEvent) else None
        before = self.nodes
        if anchor:
            self.anchors[anchor] = None
        node = self._open(event, depth)
        if anchor:
            self.anchors[anchor] = (node, self.nodes - before + 1)
        return node

    def _open(self, event: Event, depth: int) -> Node:
        line, col = _at(event)
        if isinstance(event, ScalarEvent):
            style = event.style or ""
            if hidden := _HIDDEN.search(event.value) or _TURNING.search(event.value):
                raise self._refuse(event, *_unseen(hidden[0]))
            if event.anchor and (event.value or style):
                line, col = self._behind_anchor(event, line, col)
            source = tuple(self.lines[line - 1 : event.end_mark.line + 1])
            return Scalar(line, col, event.value, "str" if style else kind_of(event.value), style, source)
        if isinstance(event, MappingStartEvent):
            return self._mapping(line, col, depth)
        items = []  # a sequence is all that is left
        while not isinstance(inner := next(self.events), SequenceEndEvent):
            items.append(self._node(inner, depth + 1))
        return Items(line, col, tuple(items))

    def _mapping(self, line: int, col: int, depth: int) -> Pairs:
        values: dict[str, Node] = {}
        keys: dict[str, Scalar] = {}
        while not isinstance(inner := next(self.events), MappingEndEvent):
            key = self._node(inner, depth + 1)
            value = self._node(next(self.events), depth + 1)
            if isinstance(key, Scalar) and isinstance(value, Scalar) and not (value.text or value.style):
                value = msgspec.structs.replace(value, line=key.line, col=key.col)  # else where the next word is
            if not isinstance(key, Scalar):
                raise self._refuse(inner, "not-yaml", "a list or table stands as a key", "Keys are words.")
            if key.text == "<<" and not key.style:
                raise self._refuse(inner, "merge-key", "a merge key, <<, is not read here", "Write the fields out.")
            if key.text in keys:
                problem = f'"{key.text}" was already given on line {keys[key.text].line}'
                self._find(inner, "duplicate-key", problem, "Keep one of them.")
            else:
                keys[key.text], values[key.text] = key, value
        return Pairs(line, col, values, keys)

    def _alias(self, event: AliasEvent) -> Node:
        if event.anchor not in self.anchors:
            raise self._refuse(event, "not-yaml", f"*{event.anchor} has no anchor above it", "Write the value.")
        known = self.anchors[event.anchor]
        if known is None:
            raise self._refuse(event, "not-yaml", f"*{event.anchor} stands inside itself", "Write the value.")
        self._count(event, known[1])
        return known[0]

    def _count(self, event: Event, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise self._refuse(
                event, "too-large", f"more than {MAX_NODES:,} values, aliases included", "Split the file."
            )

    def _behind_anchor(self, event: Event, line: int, col: int) -> tuple[int, int]:
        """Return where a scalar begins whose event begins at its anchor, maybe on a line above."""
        anchor = _ANCHOR.match(self.text, event.start_mark.index)
        *above, last = _BREAK.split(anchor[0] if anchor else "")
        return line + len(above), len(last) + (1 if above else col)

    def _find(self, event: Event, code: Code, problem: str, remedy: str) -> None:
        if len(self.findings) >= MAX_FINDINGS:
            raise self._refuse(event, "too-many-findings", TOO_MANY, MEND_FIRST)
        self.findings.append(Finding(self.path, *_at(event), code, "this table", problem, remedy))

    def _refuse(self, event: Event, code: Code, problem: str, remedy: str) -> NotATreeError:
        return _refused(self.path, _at(event), code, problem, remedy)


def kind_of(text: str) -> Kind:
    """Return what an unquoted word is under the core schema of YAML 1.2."""
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(text)), "str")


def position_in(scalar: Scalar, line: int, col: int) -> tuple[int, int, str]:
    """Return the place in the file of a place in a scalar's text, both counted from 1, and the whole line of source.

    Where a text is written in a way that cannot be followed, such as folded with blank lines in it, the place is that
    of the scalar.
    """
    lines = scalar.text.split("\n")
    own = (scalar.line, scalar.col, scalar.source[0] if scalar.source else "")
    if line > len(lines):
        return own
    seen = scalar.text.rstrip().split("\n")
    if line > len(seen):  # what is missing at the end is missing behind the last word, not on the line below
        line, col = len(seen), len(seen[-1]) + 1
    if scalar.style == "|":
        source = scalar.source[line] if line < len(scalar.source) else ""
        within = source.endswith(lines[line - 1])
        return (scalar.line + line, len(source) - len(lines[line - 1]) + col, source) if within else own
    offset = sum(len(each) + 1 for each in lines[: line - 1]) + col - 1
    text, behind = scalar.text.rstrip("\n"), own[:2]
    for index, (char, row, at) in enumerate(_spelt(scalar)):
        if index >= len(text) or char not in (None, text[index]):
            break
        if index == offset:
            return row, at, scalar.source[row - scalar.line]
        behind = (row, at + 1) if index + 1 == len(text) == offset else own[:2]
    return (*behind, scalar.source[behind[0] - scalar.line]) if scalar.source else own


def _spelt(scalar: Scalar) -> Iterator[tuple[str | None, int, int]]:
    """Yield the characters of a scalar as they are written, each with its place; None where one is escaped."""
    begin = 1 if scalar.style == ">" else 0
    piece = _PIECE.get(scalar.style)
    for index, source in enumerate(scalar.source[begin:], begin):
        row, written = scalar.line + index, source.rstrip()
        at = len(source) - len(source.lstrip()) if index else scalar.col - 1 + len(scalar.style)
        if index > begin:
            yield " ", row, at  # lines are folded into one
        while at < len(written):
            found = piece.match(written, at) if piece else None
            if piece and not found:
                return  # the line ends in the middle of a word
            spelt = found[0] if found else written[at]
            yield None if spelt[0] == "\\" and piece else spelt[0], row, at + 1
            at += len(spelt)


def _decode(path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _end(content[: error.start].decode("utf-8-sig"))
        raise _refused(path, place, "not-utf-8", "a byte that is not UTF-8", "Save the file as UTF-8.") from None


def _unseen(char: str) -> tuple[Code, str, str]:
    return "hidden-character", f"a character that nobody sees, U+{ord(char):04X}", "Remove it."


def _end(above: str) -> tuple[int, int]:
    """Return the place behind a text that a file begins with."""
    lines = _BREAK.split(above)
    return len(lines), len(lines[-1]) + 1


def _at(event: Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _refused(path: str, at: tuple[int, int], code: Code, problem: str, remedy: str) -> NotATreeError:
    return NotATreeError(Finding(path, *at, code, "this file", problem, remedy))
