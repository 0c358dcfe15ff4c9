"""Text becomes a tree: every word knows its place, and what YAML leaves open, or lets grow, is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.rulefile import tree
from planner.core.rulefile.tree import Node, Pairs, Scalar, position_in


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"x: " + b"a" * 1_000_001, "too-large"),
        (b"prices: \xff", "not-utf-8"),
        (b"prices: [\x01]", "not-yaml"),
        (b"%YAML 1.1\n---\nprices: []\n", "not-yaml"),
        (b"? [a]\n: b\n", "not-yaml"),
        (b"prices: *nowhere\n", "not-yaml"),
        (b"a: {<<: {b: 1}}\n", "merge-key"),
        (b"a: !!python/name:os.system x\n", "tag"),
        (b"a: !<tag:yaml.org,2002:binary> aGk=\n", "tag"),
        (
            b"".join(b"%d: &a%d [*a%d, *a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 40)).replace(b"*a0", b"x"),
            "too-large",
        ),
        (b"[" * 10_000, "too-deep"),
        (b"- " * 10_000, "too-deep"),
        (b"{a: " * 10_000, "too-deep"),
        (b"[" + b"x," * 100_001 + b"]", "too-large"),
        (b"a: 1\n" * 1_002, "too-many-findings"),
    ],
)
def test_what_is_no_yaml_for_us(content: bytes, code: str) -> None:
    """Size, encoding, control characters, another YAML, list keys and loose aliases are refused with a place."""
    node, (finding,) = tree.parse("f.yaml", content)
    assert node is None
    assert finding.code == code
    assert finding.line >= 1


def test_words_are_words() -> None:
    """YAML 1.2: `yes`, `on` and dates are text, and only quoted digits are."""
    kinds = {
        text: tree.kind_of(text) for text in ("yes", "on", "2026-11-22", "1_000", "0x10", "12", "1.", ".5", "~", ".inf")
    }
    assert kinds == {
        "yes": "str", "on": "str", "2026-11-22": "str", "1_000": "str", "0x10": "str",
        "12": "int", "1.": "float", ".5": "float", "~": "null", ".inf": "str",
    }  # fmt: skip


def scalar(text: str, key: str = "when") -> Scalar:
    """The word at a key of a file of one table."""
    root, findings = tree.parse("f.yaml", text.encode())
    assert not findings
    assert isinstance(root, Pairs)
    found = root.values[key]
    assert isinstance(found, Scalar)
    return found


PLACES = {
    "plain": "a: 1\nwhen: x < 2 # note\n",
    "plain on two lines": "when: x\n    < 2 # note\nb: 1\n",
    "single quotes": "when: 'x < 2'\n",
    "double quotes": 'when: "x < 2"\n',
    "quotes on two lines": 'when: "x\n   < 2"\n',
    "literal": "a: 1\nwhen: | # note\n    x < 2\nb: 1\n",
    "literal, kept line ends": "when: |+\n  x < 2\n\n\nb: 1\n",
    "literal with its indentation told": "when: |1\n x < 2\n",
    "literal at the end": "when: |-\n  x < 2",
    "literal in a list": "rows:\n  - when: |\n      x < 2\nwhen: |\n  x < 2\n",
    "folded": "when: >-\n  x\n  < 2\n",
    "folded on one line": "when: >\n  x < 2\n",
    "windows": "when: |\r\n  x < 2\r\n",
    "anchor": "when: &it x < 2\n",
    "anchor on a line above": "when: &it # note\n  # another\n  x < 2\n",
    "anchored literal": "when: &it |\n  x < 2\n",
}


@pytest.mark.parametrize("text", PLACES.values(), ids=list(PLACES))
def test_a_place_in_a_text_is_found_in_the_file(text: str) -> None:
    """Line, column and the line of source there, for every way to write the text `x < 2`."""
    word = scalar(text)
    assert word.text.strip() == "x < 2"
    row, col, source = position_in(word, 1, 3)
    assert source == text.splitlines()[row - 1]
    assert source[col - 1] == "<"
    row, col, source = position_in(word, 1, 6)
    assert source[: col - 1].endswith("2"), "what is missing is missing behind the last word"


@pytest.mark.parametrize(
    ("text", "line", "col", "expected"),
    [
        ("when: 'it''s < 2'\n", 1, 6, (1, 14)),
        ('when: "a\\tb\\u0041\\x41\\U00000041\\"<"\n', 1, 8, (1, 34)),
        ('when: "a\\nb < 2"\n', 2, 3, (1, 13)),
        ("when: |\n  a &&\n  b < 2\n", 2, 3, (3, 5)),
        ("when: |\n  a &&\n    b < 2\n", 2, 5, (3, 7)),
        ("when: |\n\n  a &&\n\n  b < 2\n", 4, 3, (5, 5)),
        ("when: >\n  a &&\n  b < 2\n", 1, 8, (3, 5)),
        ("when: >\n  a\n\n  b < 2\n", 2, 3, (1, 7)),
        ('when: "a\\\n  b < 2"\n', 1, 4, (1, 7)),
        ("when: |\n  a\n", 9, 1, (1, 7)),
        ("when: |\n  a &&\nb: 1\n", 2, 1, (2, 7)),
        ("when: |+\n  a &&  \n\n\nb: 1\n", 3, 1, (2, 7)),
        ("when: >\n  a\n  &&\nb: 1\n", 2, 1, (3, 5)),
    ],
)
def test_places_in_texts_that_are_harder_to_follow(text: str, line: int, col: int, expected: tuple[int, int]) -> None:
    """Doubled quotes, escapes, blank lines; where a text cannot be followed, its own place is told."""
    row, at, source = position_in(scalar(text), line, col)
    assert (row, at) == expected
    assert source == text.splitlines()[row - 1]


def test_a_word_from_the_command_line_has_a_place_too() -> None:
    """It has no source, and nothing breaks."""
    assert position_in(Scalar(1, 1, "", "null"), 1, 1) == (1, 1, "")


def spelt(text: str, style: str) -> str:
    """A text as the value of a key, in one of the styles of YAML."""
    if style == "'":
        return "when: '" + text.replace("'", "''") + "'\n"
    if style in ("|", ">"):
        return f"when: {style}1\n" + "".join(f" {line}\n" for line in text.split("\n"))
    return f"when: {msgspec.json.encode(text).decode()}\n" if style == '"' else f"when: {text}\n"


@given(st.text(st.sampled_from("ab<'\"\\ \n#:>|&-é"), min_size=1, max_size=30), st.sampled_from("'\"|> "), st.data())
def test_a_caret_never_points_to_another_character(text: str, style: str, data: st.DataObject) -> None:
    """It points to the character that is meant, to the escape that stands for it, or to the beginning of the text."""
    root, _ = tree.parse("f.yaml", spelt(text, style).encode())
    word = root.values.get("when") if isinstance(root, Pairs) else None
    if not isinstance(word, Scalar):
        return
    line, col = data.draw(st.sampled_from(places(word.text)))
    row, at, source = position_in(word, line, col)
    if (row, at) != (word.line, word.col):
        char = word.text.split("\n")[line - 1][col - 1 : col]
        assert char in ("", " ") or source[at - 1] in (char, "\\")


def places(text: str) -> list[tuple[int, int]]:
    """Every place in a text, that behind each line included."""
    return [(row, col) for row, line in enumerate(text.split("\n"), 1) for col in range(1, len(line) + 2)]


def test_an_empty_word_stands_at_its_key() -> None:
    """Not where the next word happens to begin."""
    root, _ = tree.parse("f.yaml", b"a: {b: , c: 1}\nd:\n\ne: 1\n")
    assert isinstance(root, Pairs)
    assert (root.values["d"].line, root.values["d"].col) == (2, 1)
    inner: Node = root.values["a"]
    assert isinstance(inner, Pairs)
    assert (inner.values["b"].line, inner.values["b"].col) == (1, 5)


def test_a_file_is_taken_apart_once() -> None:
    """What is said of the same bytes at the same path is remembered; any other byte, or another path, is read anew."""
    root, findings = tree.parse("f.yaml", b"a: b\na: c\n")
    again, said = tree.parse("f.yaml", b"a: b\na: c\n")
    assert again is root
    assert said is findings
    assert tree.parse("f.yaml", b"a: d\na: c\n")[0] != root
    assert [each.path for each in tree.parse("g.yaml", b"a: b\na: c\n")[1]] == ["g.yaml"]
