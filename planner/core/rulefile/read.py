"""A tree is read into a typed value by the value's own type; every place that does not fit becomes a finding.

The structs of `prices`, `catalog`, `rules` and `rulebook` are the schema: their fields, limits and literals are what a
file may say, so that nothing is checked in a second, differing way.
"""

import math
import re
from collections.abc import Callable, Hashable
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar, cast

import msgspec
from msgspec import inspect

from planner.core.findings import Code, Finding, Level, did_you_mean, nearest
from planner.core.money import MAX_DECIMALS, parse_millionths
from planner.core.rulefile.partial import BAD, Partial, Row, bare, broken
from planner.core.rulefile.testshape import MOMENT
from planner.core.rulefile.tree import MAX_FINDINGS, MEND_FIRST, TOO_MANY, Items, Node, Pairs, Scalar, kind_of

MAX_ROWS = 1_000
"""Rows of one list: each is compared with all others, so that more of them would hold a reload up."""

DECIMAL: Final = r"^[0-9]{1,9}(\.[0-9]{1,6})?$"
Usd = Annotated[str, msgspec.Meta(pattern=DECIMAL, extra={"decimal": True})]  # a quoted decimal string

T = TypeVar("T")

_ENOUGH: Final[tuple[Code, str, str, str]] = ("too-many-findings", "this file", TOO_MANY, MEND_FIRST)

_SHOWN = 80  # characters of a word
_INT_DIGITS = 18  # what fits 64 bits, sign included
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)  # `fromisoformat` alone also takes weeks


type_info = lru_cache(maxsize=256)(inspect.type_info)
"""What a type is made of, made once: rows are many and their types few."""


class Reader:
    """Reads the trees of one file and keeps what is wrong with them, up to a limit."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.findings: list[Finding] = []
        self.meant: set[str] = set()  # keys of the top that are there, misspelt

    @property
    def full(self) -> bool:
        """Whether so much was found that nothing more is read."""
        return len(self.findings) > MAX_FINDINGS

    def find(  # noqa: PLR0913 - the parts of a finding
        self,
        node: Node,
        code: Code,
        subject: str,
        problem: str,
        remedy: str,
        level: Level = "error",
        *,
        at: tuple[int, int] | None = None,
        excerpt: str = "",
    ) -> None:
        """Keep one finding at the place of a node, or at a line and column inside of it, with an excerpt of the source.

        `tree.position_in` and `findings.excerpt_of` make these two.
        """
        if self.full:
            return
        line, col = at or (node.line, node.col)
        if len(self.findings) == MAX_FINDINGS:
            code, subject, problem, remedy, level, excerpt = *_ENOUGH, "error", ""
        self.findings.append(Finding(self.path, line, col, code, subject, problem, remedy, level, excerpt))

    def read(self, node: Node, type_: type[T], subject: str) -> T | None:
        """Return the value of a node as `type_`, or None with at least one finding."""
        value = self.value(node, type_info(cast("Hashable", type_)), subject, "")
        return None if value is BAD else cast("T", value)

    def rows(
        self, root: Node | None, key: str, type_: type[T], subject: Callable[[Pairs], str]
    ) -> list[tuple[Pairs, T]]:
        """Return the rows of the list at `key` that are whole, each with its node; a file without the key has none."""
        return [(row.node, row.value) for row in self.all_rows(root, key, type_, subject) if not row.lost]

    def all_rows(self, root: Node | None, key: str, type_: type[T], subject: Callable[[Pairs], str]) -> list[Row[T]]:
        """Return all rows that are tables, so that what could be read of a broken one is checked as well."""
        if not isinstance(root, Pairs) or key not in root.values:
            return []
        node = root.values[key]
        if not isinstance(node, Items):
            if not (isinstance(node, Scalar) and node.kind == "null"):
                self.find(node, "wrong-type", "this file", f'"{key}" must be a list', "Begin each row with a dash.")
            return []
        if len(node.items) > MAX_ROWS:
            problem = f'"{key}" has {len(node.items):,} rows, more than {MAX_ROWS:,}'
            self.find(node, "too-large", "this file", problem, "Drop what nobody needs, or split it.")
            return []
        found: list[Row[T]] = []
        for item in node.items:
            if not isinstance(item, Pairs):
                self.find(item, "wrong-type", key, f"a row must be a table, not {_what(item)}", "Write key: value.")
                continue
            value = self._value(item, type_info(cast("Hashable", type_)), subject(item), "")
            lost = value.lost if isinstance(value, Partial) else frozenset()
            if value is not BAD:
                found.append(Row(item, bare(value), lost))
        return found

    def top(self, root: Node | None, keys: tuple[str, ...]) -> bool:
        """Say whether the file is a table; unknown keys at its top are findings."""
        if root is None:
            return False
        if not isinstance(root, Pairs):
            self.find(root, "wrong-type", "this file", f"must be a table, not {_what(root)}", f"Begin with {keys[0]}:.")
            return False
        self.meant = self._unknown(root, keys, "this file")
        return True

    def value(self, node: Node, info: inspect.Type, subject: str, where: str) -> Any:  # noqa: ANN401 - the type decides
        """Return the value of a node under a type, or BAD."""
        value = self._value(node, info, subject, where)
        return BAD if broken(value) else value

    def _value(self, node: Node, info: inspect.Type, subject: str, where: str) -> Any:  # noqa: ANN401 - the type decides
        if self.full:
            return BAD
        extra: dict[str, Any] = {}
        if isinstance(info, inspect.Metadata):
            extra, info = info.extra or {}, info.type
        if extra.get("decimal"):
            return self._decimal(node, subject, where)
        if extra.get("null") and isinstance(node, Scalar) and node.kind == "null":
            return None
        if isinstance(info, inspect.AnyType):
            return plain(node)
        if isinstance(info, inspect.UnionType):
            return self._value(node, _member(node, info), subject, where)
        return self._shaped(node, info, subject, where)

    def _shaped(self, node: Node, info: inspect.Type, subject: str, where: str) -> Any:  # noqa: ANN401 - the type decides
        if isinstance(info, inspect.StructType):
            return self._struct(node, info, subject, where)
        if isinstance(info, inspect.DictType):
            return self._table(node, info, subject, where)
        if isinstance(info, inspect.VarTupleType):
            return self._list(node, info, subject, where)
        return self._word(node, info, subject, where)

    def _struct(self, node: Node, info: inspect.StructType, subject: str, where: str) -> Any:  # noqa: ANN401 - the type decides
        if not isinstance(node, Pairs):
            return self._wrong(node, "a table", subject, where)
        meant = self._unknown(node, tuple(field.encode_name for field in info.fields), subject, where)
        values: dict[str, Any] = {field.name: None for field in info.fields if field.required}
        lost: set[str] = set()
        for field in info.fields:
            inner = f"{where}.{field.encode_name}" if where else field.encode_name
            if field.encode_name in node.values:
                value = self._value(node.values[field.encode_name], field.type, subject, inner)
                if broken(value):
                    lost.add(field.name)
                if value is not BAD:
                    values[field.name] = bare(value)
            elif field.required:
                lost.add(field.name)
                if field.encode_name not in meant:
                    remedy = _MISSING.get(field.encode_name, f"Add {field.encode_name}.")
                    self.find(node, "missing-field", subject, f'"{inner}" is missing', remedy)
        made = info.cls(**values)
        return Partial(made, frozenset(lost)) if lost else made

    def _table(self, node: Node, info: inspect.DictType, subject: str, where: str) -> Any:  # noqa: ANN401 - the type decides
        if not isinstance(node, Pairs):
            return self._wrong(node, "a table", subject, where)
        values = {
            key: self._value(inner, info.value_type, subject, f"{where}.{key}") for key, inner in node.values.items()
        }
        if isinstance(info.key_type, inspect.LiteralType):
            self._unknown(node, tuple(str(key) for key in info.key_type.values), subject, where)
        sound = {key: bare(value) for key, value in values.items() if value is not BAD}
        return Partial(sound) if any(map(broken, values.values())) else values

    def _list(self, node: Node, info: inspect.VarTupleType, subject: str, where: str) -> Any:  # noqa: ANN401 - the type decides
        if not isinstance(node, Items):
            return self._wrong(node, "a list", subject, where)
        if len(node.items) < (info.min_length or 0):
            self.find(
                node, "out-of-range", subject, f'"{where}" is empty', "Name at least one, or leave the field out."
            )
            return BAD
        values = tuple(self._value(item, info.item_type, subject, f"{where}[{i}]") for i, item in enumerate(node.items))
        return Partial(tuple(map(bare, values))) if any(map(broken, values)) else values

    def _decimal(self, node: Node, subject: str, where: str) -> Any:  # noqa: ANN401 - the type decides
        if not isinstance(node, Scalar):
            return self._wrong(node, "a quoted decimal number", subject, where)
        if node.kind in ("int", "float"):
            problem = f'"{where}" is a number, and numbers are read as floats'
            self.find(node, "money-not-a-string", subject, problem, f'Quote it: "{node.text}".')
            return BAD
        try:
            parse_millionths(node.text)
        except ValueError as error:
            code: Code = "too-many-decimals" if "decimals" in str(error) else "wrong-type"
            self.find(
                node, code, subject, f'"{where}": {error}', f'Write it like "0.25", up to {MAX_DECIMALS} decimals.'
            )
            return BAD
        return node.text

    def _word(self, node: Node, info: inspect.Type, subject: str, where: str) -> Any:  # noqa: ANN401 - the type decides
        expected = _EXPECTED.get(type(info), "a word")
        if not isinstance(node, Scalar):
            return self._wrong(node, expected, subject, where)
        if isinstance(info, inspect.LiteralType | inspect.EnumType):
            words = [str(value) for value in (info.values if isinstance(info, inspect.LiteralType) else info.cls)]
            if node.text in words:
                return node.text if isinstance(info, inspect.LiteralType) else info.cls(node.text)
            problem = f'"{where}" cannot be "{shown(node.text)}"'
            remedy = _REFUSED.get((where.rpartition(".")[2], node.text)) or did_you_mean(node.text, words)
            self.find(node, "unknown-value", subject, problem, remedy)
            return BAD
        value = _scalar(node, info)
        if value is BAD:
            return self._wrong(node, expected, subject, where)
        if (limit := _beyond(value, info)) is not None:
            self.find(
                node,
                "out-of-range",
                subject,
                f'"{where}" is {shown(node.text.strip()) or "empty"}',
                f"It must be {limit}.",
            )
            return BAD
        return value

    def _wrong(self, node: Node, expected: str, subject: str, where: str) -> object:
        it = f'"{where}" must be' if where else "must be"
        remedy = f"Write {expected}."
        if isinstance(node, Scalar) and expected == "text" and node.kind != "null":
            remedy = f'Quote it: "{shown(node.text)}".'
        elif isinstance(node, Scalar) and node.style and kind_of(node.text) != "str" and expected in _UNQUOTED:
            remedy = "Take the quotes away."
        self.find(node, "wrong-type", subject, f"{it} {expected}, not {_what(node)}", remedy)
        return BAD

    def _unknown(self, node: Pairs, known: tuple[str, ...], subject: str, where: str = "") -> set[str]:
        """Find the keys that nobody reads; return the fields that they were probably meant to be."""
        meant: set[str] = set()
        free = [name for name in known if name not in node.keys]
        for key, at in node.keys.items():
            if key not in known and not self.full:
                inner = f"{where}.{key}" if where else key
                self.find(at, "unknown-field", subject, f'unknown field "{inner}"', did_you_mean(key, free))
                meant |= {near} if (near := nearest(key, free)) else set()
        return meant


def plain(node: Node) -> Any:  # noqa: ANN401 - JSON
    """Return a node as plain JSON values."""
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    if isinstance(node, Pairs):
        return {key: plain(value) for key, value in node.values.items()}
    if node.kind == "null":
        return None
    if node.kind == "bool":
        return node.text.lower() == "true"
    if node.kind == "int" and len(node.text) <= _INT_DIGITS:
        return int(node.text)
    return float(node.text) if node.kind == "float" else node.text


def word(node: Node, key: str) -> str:
    """Return the word at a key of a table, or "?" for want of one."""
    found = node.values.get(key) if isinstance(node, Pairs) else None
    return found.text if isinstance(found, Scalar) else "?"


def shown(text: str) -> str:
    """Return a word of a file as a finding shows it: of a long one the beginning."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def place(node: Node, *keys: str) -> Node:
    """Return the node at a path of keys, as far as it goes."""
    here: Node = node
    for key in keys:
        if not isinstance(here, Pairs) or key not in here.values:
            break
        here = here.values[key]
    return here


_EXPECTED: dict[type[inspect.Type], str] = {
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.DateType: "a date like 2026-11-22",
    inspect.StrType: "text",
    inspect.LiteralType: "one word",
    inspect.EnumType: "one word",
}

_UNQUOTED = ("a whole number", "a number", "true or false")

_PATTERNS = {
    r"^[0-9a-f]{16}$": "a fingerprint: 16 hex digits, as planner key prints them",
    r"^[0-9]{1,6}(\.[0-9]{1,3})?[smhd]$": "a length of time like 90s, 10m, 2h or 1d",
    r"^[a-z0-9][a-z0-9_-]{0,63}$": "of small letters, digits, - and _, 64 at most, and begin with a letter or digit",
    MOMENT: "a day like 2026-11-22, or a moment like 2026-11-22T09:30:00Z",
}

_REFUSED = {("by", "conversation"): "By conversation it would warm two prompt caches: use prefix-day."}

_MISSING = {
    "why": "Say in one sentence why this rule is there.",
    "checked": "Add the day on which it was compared with its source.",
    "source": "Add the address of the page that says so.",
    "mark": 'Add A (official), B (seen in part), C (reported by others) or "?" (nobody says).',
}


def _scalar(node: Scalar, info: inspect.Type) -> Any:  # noqa: ANN401 - the type decides
    if isinstance(info, inspect.BoolType):
        return node.text.lower() == "true" if node.kind == "bool" else BAD
    if isinstance(info, inspect.IntType):
        return int(node.text) if node.kind == "int" and len(node.text) <= _INT_DIGITS else BAD
    if isinstance(info, inspect.FloatType):
        return float(node.text) if node.kind in ("int", "float") else BAD
    if isinstance(info, inspect.DateType):
        try:
            return date.fromisoformat(node.text) if _DAY.fullmatch(node.text) else BAD
        except ValueError:
            return BAD
    return node.text if node.kind == "str" else BAD


def _beyond(value: Any, info: inspect.Type) -> str | None:  # noqa: ANN401 - the type decides
    """Return the limit of a type that a value does not keep."""
    if isinstance(info, inspect.IntType | inspect.FloatType):
        if info.ge is not None and not value >= info.ge:
            return f"{info.ge:g} or more"
        if info.le is not None and not value <= info.le:
            return f"{info.le:g} or less"
        return None if math.isfinite(value) else "a finite number"
    if isinstance(info, inspect.StrType):
        if len(value.strip()) < (info.min_length or 0):
            return "filled in"
        if info.pattern is not None and re.search(info.pattern, value) is None:
            return _PATTERNS.get(info.pattern, f"of the form {info.pattern}")
    return None


def _member(node: Node, union: inspect.UnionType) -> inspect.Type:
    wanted: tuple[type[inspect.Type], ...]
    if isinstance(node, Pairs):
        wanted = (inspect.StructType, inspect.DictType)
    elif isinstance(node, Items):
        wanted = (inspect.VarTupleType,)
    else:
        wanted = tuple(_EXPECTED)
    inner = [(each.type if isinstance(each, inspect.Metadata) else each, each) for each in union.types]
    fits = [whole for bare, whole in inner if isinstance(bare, wanted)]
    return fits[0] if fits else next(whole for bare, whole in inner if not isinstance(bare, inspect.NoneType))


def _what(node: Node) -> str:
    if isinstance(node, Pairs):
        return "a table"
    if isinstance(node, Items):
        return "a list"
    text = shown(node.text)
    names = {"null": "nothing", "bool": text, "int": f"the number {text}", "float": f"the number {text}"}
    return names.get(node.kind, f'"{text}"')
