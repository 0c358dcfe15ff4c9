"""What an expression mentions: variables, keys of tags and words, each where it stands; read without compiling it."""

import re
from collections.abc import Iterator
from typing import Final

_QUOTED: Final = re.compile(r"\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|//[^\n]*", re.DOTALL)
_NAME: Final = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_DOTTED: Final = re.compile(r"(?<![\w.])tags\s*\.\s*([A-Za-z_]\w*)(?!\w|\s*\()")
_INDEXED: Final = re.compile(r"(?<![\w.])tags\s*\[\s*(?=[\"'])")
_KEPT: Final = 3  # quotes that a literal may begin with


def names(text: str) -> frozenset[str]:
    """Return the names that stand in an expression, members and quoted words left out."""
    return frozenset(_NAME.findall(_blank(text)))


def words(text: str) -> tuple[str, ...]:
    """Return the quoted words of an expression, as they are written."""
    found = (match[0] for match in _QUOTED.finditer(text))
    return tuple(_unquoted(each) for each in found if not each.startswith("//"))


def tag_keys(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the keys of `tags.key` and `tags["key"]` with line and column, both counted from 1 inside the text."""
    blank = _blank(text)
    found = [(match.start(1), match[1]) for match in _DOTTED.finditer(blank)]
    for match in _INDEXED.finditer(blank):
        quoted = _QUOTED.match(text, match.end())
        if quoted is not None:
            found.append((match.end(), _unquoted(quoted[0])))
    for at, key in sorted(found):
        yield key, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _blank(text: str) -> str:
    """The text with nothing between its quotes and in its comments; every other character stays in its place."""
    return _QUOTED.sub(_hollow, text)


def _hollow(match: re.Match[str]) -> str:
    if match[0].startswith("//"):
        return " " * len(match[0])
    inner = "".join(char if char == "\n" else " " for char in match[0][1:-1])
    return f"{match[0][0]}{inner}{match[0][-1]}"


def _unquoted(literal: str) -> str:
    quotes = _KEPT if literal[:_KEPT] in {'"""', "'''"} else 1
    return literal[quotes:-quotes]
