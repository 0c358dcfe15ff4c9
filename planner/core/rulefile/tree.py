"""Text becomes a tree in which every word knows its line and column; what YAML 1.2 leaves open is refused.

Built from the parser's events, because a constructed document no longer knows where it came from. Bounds: size of a
file, depth, and nodes with aliases written out, so that a small file cannot become a large tree.
"""

import re
from collections.abc import Iterator
from typing import Literal

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

from planner.core.findings import Finding

MAX_BYTES = 1_000_000
MAX_DEPTH = 16
MAX_NODES = 100_000

Kind = Literal["null", "bool", "int", "float", "str"]

# The core schema of YAML 1.2.2, section 10.3.2, without what no rule needs: hex, octal, infinity and not-a-number.
# `yes`, `on` and dates are strings in it.
_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("null", re.compile(r"null|Null|NULL|~|")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"[-+]?[0-9]+", re.ASCII)),
    ("float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)),
)


class Scalar(msgspec.Struct, frozen=True):
    """One word; `kind` is what the core schema makes of it, always `str` when it is quoted."""

    line: int
    col: int
    text: str
    kind: Kind


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


class NotATreeError(ValueError):
    """A text that makes no tree at all, as a finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.text())


def parse(path: str, content: bytes) -> tuple[Node | None, tuple[Finding, ...]]:
    """Return the tree of a file and its findings: no tree when the text cannot be read, None for an empty file too."""
    try:
        if len(content) > MAX_BYTES:
            raise _refused(path, (1, 1), "too-large", f"{len(content):,} bytes", f"Split it: at most {MAX_BYTES:,}.")
        tree = _Composer(path, _decode(path, content))
        return tree.root(), tuple(tree.findings)
    except NotATreeError as error:
        return None, (error.finding,)


class _Composer:
    def __init__(self, path: str, text: str) -> None:
        self.path = path
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
            yield from YAML(typ="safe", pure=True).parse(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, col = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            problem = " ".join(str(error.problem or error.context).split())
            raise _refused(self.path, (line, col), "not-yaml", problem, "Mend the YAML here.") from None
        except YAMLError as error:
            problem = str(error).split("\n", 1)[0]
            line = text.count("\n", 0, getattr(error, "position", 0)) + 1
            raise _refused(self.path, (line, 1), "not-yaml", problem, "Remove the character.") from None

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
            return Scalar(line, col, event.value, "str" if event.style else kind_of(event.value))
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
            if not isinstance(key, Scalar):
                raise self._refuse(inner, "not-yaml", "a list or table stands as a key", "Keys are words.")
            if key.text in keys:
                problem = f'"{key.text}" was already given on line {keys[key.text].line}'
                self.findings.append(
                    Finding(self.path, key.line, key.col, "duplicate-key", "this table", problem, "Keep one of them.")
                )
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

    def _refuse(self, event: Event, code: str, problem: str, remedy: str) -> NotATreeError:
        return _refused(self.path, _at(event), code, problem, remedy)


def kind_of(text: str) -> Kind:
    """Return what an unquoted word is under the core schema of YAML 1.2."""
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(text)), "str")


def _decode(path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused(path, (line, 1), "not-utf-8", "a byte that is not UTF-8", "Save the file as UTF-8.") from None


def _at(event: Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _refused(path: str, at: tuple[int, int], code: str, problem: str, remedy: str) -> NotATreeError:
    return NotATreeError(Finding(path, *at, code, "this file", problem, remedy))
