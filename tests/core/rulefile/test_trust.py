"""Nothing in a rule file runs, reads or reaches anything, and whatever it holds, a book or findings come of it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.findings import LONGEST, errors
from planner.core.rulefile import SHAPES, Reading, kind_of, read
from planner.core.rulefile.fields import structs_of
from planner.core.rulefile.read import plain
from planner.core.rulefile.settingsfile import setting_types
from planner.core.rulefile.tree import MAX_FINDINGS, parse

FILES: Final = Path(__file__).parent.parent.parent / "rulefiles"
GOOD: Final[Mapping[str, bytes]] = {
    path.relative_to(FILES / "good").as_posix(): path.read_bytes() for path in sorted((FILES / "good").rglob("*.yaml"))
}
KEYS: Final = sorted(
    {
        field.encode_name
        for shape in SHAPES.values()
        for each in structs_of(shape)
        for field in msgspec.structs.fields(each)
    }
    | set(setting_types())
)
TRAPS: Final = (
    "yes", "on", "~", "0o17", ".inf", "1e999", "-0", "2026-02-30", "2026-11-22", '"\\ud800"', '"\\0"', "*a", "&a x",
    "&a [*a]", "!!str x", "!!python/object/apply:os.system [id]", "!include /etc/passwd", "{<<: *a}", "|2\n x", "> x",
    "? x", "- -", "[", "]", "{", "}", "'", '"', "%YAML 1.1", "---", "...", "\t", "\ufeff", "\u2028", "\x85", "#",
    "a: b: c", "9" * 400, "x" * 5_000, "*" * 50, "[!a]", "[z-a]*", "(((", "when",
)  # fmt: skip


def judged(path: str, content: bytes) -> Reading:
    """Read a file in the place of a good one; the laws hold whatever is in it."""
    reading = read({**GOOD, path: content})
    found = reading.findings
    assert (reading.book is None) is bool(errors(found)), "never half a book"
    assert len(found) <= MAX_FINDINGS + 2
    lines = content.decode("utf-8", "replace").splitlines()
    for each in found:
        assert each.line >= 1
        assert each.col >= 1
        assert each.path != path or each.line <= len(lines) + 1
        assert each.text().split("\n")[0].isprintable()
        assert max(len(each.subject), len(each.problem), len(each.remedy)) <= LONGEST * 10
    return reading


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(GOOD)))
def test_no_bytes_break_the_reader(content: bytes, path: str) -> None:
    """Whatever stands in a file, reading it gives a book or findings."""
    judged(path, content)


WORDS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8),
    st.sampled_from(KEYS),
    st.sampled_from(["2026-11-22", "0.25", "A", "?", "enforce", "never", "claude-*", "web_fetch_20260318"]),
)  # fmt: skip
TREES = st.recursive(
    WORDS,
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=6) | st.lists(inner, max_size=4),
    max_leaves=30,
)


@settings(max_examples=70, deadline=None)
@given(TREES, st.sampled_from(sorted(GOOD)))
def test_no_shape_breaks_the_reader(value: object, path: str) -> None:
    """Well-formed YAML of any wrong shape, made of words that mean something elsewhere."""
    judged(path, json.dumps(value).encode())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), TREES), min_size=1, max_size=3), st.sampled_from(sorted(GOOD)))
def test_no_value_in_the_wrong_place_breaks_the_reader(changes: list[tuple[int, object]], path: str) -> None:
    """A sound file in which some values are others: the reader gets far before it meets them."""
    root = plainly(GOOD[path])
    for index, value in changes:
        replace(root, index, value)
    judged(path, json.dumps(root).encode())


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good file in which lines or words were dropped, doubled, swapped, replaced or brought from elsewhere."""
    path = draw(st.sampled_from(sorted(GOOD)))
    lines = GOOD[path].decode().split("\n")
    others = GOOD[draw(st.sampled_from(sorted(GOOD)))].decode().split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        act = draw(st.sampled_from(["drop", "double", "swap", "borrow", "word", "trap", "indent"]))
        words = lines[at].split(" ")
        which = draw(st.integers(0, len(words) - 1))
        if act == "drop" and len(lines) > 1:
            del lines[at]
        elif act == "double":
            lines.insert(at, lines[at])
        elif act == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        elif act == "borrow":
            lines.insert(at, draw(st.sampled_from(others)))
        elif act == "word":
            lines[at] = " ".join(words[:which] + words[which + 1 :])
        elif act == "trap":
            lines[at] = " ".join([*words[:which], draw(st.sampled_from(TRAPS)), *words[which + 1 :]])
        else:
            lines[at] = draw(st.sampled_from(["  ", " ", "\t", "- "])) + lines[at]
    return path, "\n".join(lines).encode("utf-8", "surrogatepass")


@settings(max_examples=100, deadline=None)
@given(mutations())
def test_no_slip_of_a_hand_breaks_the_reader(changed: tuple[str, bytes]) -> None:
    """What people do to rule files, and what they paste into them."""
    judged(*changed)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=20), st.sampled_from(TRAPS) | st.text(), max_size=3))
def test_no_override_breaks_the_reader(overrides: dict[str, str]) -> None:
    """Words of `--set` are YAML too."""
    encodable = {key: text for key, text in overrides.items() if (key + text).isprintable() or text in TRAPS}
    reading = read(GOOD, encodable)
    assert (reading.book is None) is bool(errors(reading.findings))


def plainly(content: bytes) -> Any:
    """A good file as JSON."""
    node, _ = parse("f.yaml", content)
    assert node is not None
    return plain(node)


def replace(root: Any, index: int, value: object) -> None:
    """Put a value in the place of one of those below a root."""
    places = list(places_of(root))
    table, key = places[index % len(places)]
    table[key] = value


def places_of(root: Any) -> Any:
    """Every place below a root: its table or list, and its key."""
    keys = list(root) if isinstance(root, dict) else list(range(len(root))) if isinstance(root, list) else []
    for key in keys:
        yield root, key
        yield from places_of(root[key])


GREEDY: Final = {
    "a long word told often": (
        "catalog.yaml",
        "x: &a " + "z" * 900_000 + "\nmodels:\n- code: [" + "*a," * 20_000 + "]\n",
    ),
    "many unknown words": ("callers.yaml", "principals:\n  a: {keys: [" + "xyz," * 20_000 + "]}\n"),
    "many unknown keys": (
        "policies/policies.yaml",
        "policies:\n- " + "".join(f"naame{i}: 1\n  " for i in range(5_000)),
    ),
    "many rows": ("policies/policies.yaml", "policies:\n" + "- {}\n" * 10_000),
    "many keys twice": ("settings.yaml", "settings:\n" + "  a: 1\n" * 90_000),
    "many settings": ("settings.yaml", "settings:\n" + "".join(f"  code.minimum{i}: 1\n" for i in range(5_000))),
    "aliases of aliases": ("prices/prices.yaml", "a: &a [x,x,x,x]\nb: &b [*a,*a,*a]\nprices: [" + "*b," * 30_000 + "]"),
    "brackets": ("prices/prices.yaml", "[" * 900_000),
    "dashes": ("prices/prices.yaml", "- " * 400_000),
    "an endless scalar": ("prices/prices.yaml", 'prices: "' + "\\x41" * 240_000),
}


@pytest.mark.parametrize(("path", "text"), GREEDY.values(), ids=list(GREEDY))
def test_what_is_read_and_told_stays_bounded(path: str, text: str) -> None:
    """A file of less than a megabyte makes no more findings, and no longer ones, than anybody reads."""
    reading = judged(path, text.encode())
    assert reading.book is None
    told = sum(len(each.text()) for each in reading.findings if kind_of(each.path) == kind_of(path))
    assert told < 1_000_000
    assert len(reading.findings) <= MAX_FINDINGS + 2


WATCHED: Final = """
import pathlib, sys

good, evil = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
from planner.core.rulefile import kind_of, read
from planner.core.rulefile.tree import parse
sound = {path.relative_to(good).as_posix(): path.read_bytes() for path in sorted(good.rglob("*.yaml"))}
files = [(path.name.split(".")[0], path.read_bytes()) for path in sorted(evil.glob("*.yaml"))]
needed = {path: content for path, content in sound.items() if kind_of(path) in ("catalog", "prices")}
for kind, content in files:
    if b"when:" in content or kind == "callers":
        read({**needed, f"{kind}/{kind}.yaml": content})  # what is imported once is imported by now
for content in (b"x: [", b"x: \\xff", b"x: !t 1", b"x: \\x01", b"- " * 20):
    parse("first", content)

QUIET = ("object.", "sys._getframe", "marshal.", "code.", "gc.", "cpython.")
heard = set()

def hear(event, arguments):
    if not event.startswith(QUIET):
        heard.add(event if event != "import" else f"import {arguments[0]}")

sys.addaudithook(hear)
for kind, content in files:
    place = next(path for path in sound if kind_of(path) == kind)
    read({**needed, place: content})
read(sound)
print("heard", sorted(heard))
good.is_dir()
open(next(good.glob("*.yaml"))).close()
print("and then", sorted(heard & {"glob.glob", "open", "os.scandir"}))
"""


def test_reading_opens_nothing_runs_nothing_and_reaches_nothing() -> None:
    """Every malformed file is read under an audit hook that hears of files, sockets, programs, imports and code."""
    told = subprocess.run(
        [sys.executable, "-c", WATCHED, FILES / "good", FILES / "bad"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    assert told.splitlines() == ["heard []", "and then ['open', 'os.scandir']"], "nothing, by a hook that hears"


LISTED: Final = """
import pathlib, sys

folder = pathlib.Path(sys.argv[1])
from planner.rulesource import load_rules, shipped_directory
load_rules(folder)
opened = set()
sys.addaudithook(lambda event, arguments: opened.add(str(arguments[0])) if event == "open" else None)
rules = load_rules(folder)
print(*sorted(opened), sep="\\n")
"""


def test_loading_opens_the_files_of_the_directory_and_no_others(tmp_path: Path) -> None:
    """Not even those that a file names; what is no rule file is left closed."""
    for path, content in GOOD.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "callers.yaml").write_text("principals: !include secret.txt\n", encoding="utf-8")
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema/callers.json").write_text("{}", encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-c", LISTED, tmp_path], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    own = {line for line in told.splitlines() if line.startswith(str(tmp_path))}
    assert own == {str(tmp_path / path) for path in GOOD}
    shipped = {Path(line).suffix for line in told.splitlines() if line not in own}
    assert shipped <= {".yaml"}
