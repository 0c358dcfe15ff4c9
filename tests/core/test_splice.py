"""Outside the declared spans nothing changes, the empty plan is the identity, a re-parse equals the intended value."""

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from planner.core.splice import (
    AppendTool,
    Edit,
    ReplaceTool,
    ReplaceToolType,
    SetContainer,
    SetToolMember,
    Span,
    SpliceError,
    apply,
    locate,
)

# ---------------------------------------------------------------- random spellings of random values


class Number(str):
    """A number as it is spelled."""

    __slots__ = ()


Pairs = list[tuple[str, Any]]


class Obj:
    """An object that keeps order, and keys that are written twice."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Obj) and self.pairs == other.pairs

    def __hash__(self) -> int:
        return hash(len(self.pairs))

    def __repr__(self) -> str:
        return f"Obj({self.pairs!r})"

    def named(self, key: str) -> list[Any]:
        """The values of a key, in order."""
        return [value for name, value in self.pairs if name == key]


NUMBERS = st.sampled_from(["0", "-0", "1", "10", "1.0", "1.10", "1e5", "1E+2", "12345678901234567890123", "1e400"])
KEYS = st.sampled_from(["tools", "container", "id", "type", "name", "a", "allowed_callers", ""]) | st.text(max_size=3)
LEAVES = st.none() | st.booleans() | NUMBERS.map(Number) | st.text(max_size=6) | KEYS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(KEYS, inner), max_size=3).map(Obj),
    max_leaves=8,
)
TOOL_KEYS = st.sampled_from(["type", "name", "input_schema", "allowed_callers", "tools"])
TOOLS = st.lists(st.lists(st.tuples(TOOL_KEYS, st.text(max_size=4) | VALUES), max_size=4).map(Obj) | VALUES, max_size=3)
CONTAINERS = st.none() | st.lists(st.tuples(st.sampled_from(["id", "skills"]), VALUES), max_size=3).map(Obj) | VALUES
MEMBERS = st.one_of(
    st.tuples(st.just("tools"), TOOLS), st.tuples(st.just("container"), CONTAINERS), st.tuples(KEYS, VALUES)
)
SOUND_TOOLS = st.builds(
    lambda kind, more: Obj([("type", kind), *((name, value) for name, value in more.items() if name != "type")]),
    st.text(max_size=4),
    st.dictionaries(TOOL_KEYS, VALUES, max_size=2),
)
SOUND = st.builds(
    lambda tools, container, more: Obj(
        [
            *more[:1],
            ("tools", tools),
            *(pair for pair in more[1:] if pair[0] not in {"tools", "container"}),
            *container,
        ]
    ),
    st.lists(SOUND_TOOLS, min_size=1, max_size=4),
    st.sampled_from([[], [("container", None)], [("container", Obj([("skills", [])]))]]),
    st.lists(st.tuples(KEYS.filter(lambda key: key not in {"tools", "container"}), VALUES), max_size=4),
)
BODIES = st.lists(MEMBERS, max_size=6).map(Obj) | SOUND
NEW_TOOLS = st.sampled_from([b'{"type":"web_fetch_20260318","name":"web_fetch"}', b"{}", '{"n": "é" }'.encode()])
EDITS: st.SearchStrategy[list[Edit]] = st.lists(
    st.one_of(
        st.builds(AppendTool, NEW_TOOLS),
        st.builds(ReplaceTool, st.integers(0, 2), NEW_TOOLS),
        st.builds(
            ReplaceToolType,
            st.integers(0, 2),
            st.sampled_from(["code_execution_20260120", 'q"\\é']),
            st.sampled_from([(), (("allowed_callers", b'["direct"]'),), (("x", b"1"), ("y", b"null"))]),
        ),
        st.builds(
            SetToolMember,
            st.integers(0, 2),
            st.sampled_from(["max_uses", "type", "x", 'q"']),
            st.sampled_from([b"5", b'["a.example"]', b"null"]),
        ),
        st.builds(SetContainer, st.sampled_from(["container_1", 'q"'])),
    ),
    max_size=4,
)


def spelled(value: Any, rng: random.Random) -> str:
    """One of the many spellings of a value: white space, escapes, all at random."""
    gap = "".join(rng.choices(" \t\r\n", k=rng.choice([0, 0, 1, 2])))
    if isinstance(value, Number):
        return gap + str(value) + gap
    if isinstance(value, str):
        return gap + '"' + "".join(_letter(letter, rng) for letter in value) + '"' + gap
    if isinstance(value, list):
        return gap + "[" + (",".join(spelled(item, rng) for item in value) or gap) + "]" + gap
    if isinstance(value, Obj):
        inside = ",".join(spelled(key, rng) + ":" + spelled(member, rng) for key, member in value.pairs)
        return gap + "{" + (inside or gap) + "}" + gap
    return gap + json.dumps(value) + gap


def _letter(letter: str, rng: random.Random) -> str:
    must = letter in '"\\' or ord(letter) < 0x20
    if not must and rng.random() < 0.8:
        return letter
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2]):04{rng.choice('xX')}}" for at in range(0, len(units), 2))


def read(body: bytes) -> Any:
    """Parse, keeping order, repeated keys and the spelling of numbers."""
    return json.loads(body, object_pairs_hook=Obj, parse_int=Number, parse_float=Number)


# ---------------------------------------------------------------- what is meant, by code of its own


class RefusedError(Exception):
    """The edit must be refused."""


def only(inside: Obj, key: str) -> Any:
    """The value of a key, the class `RefusedError` when it is missing; a repeated key is refused."""
    found = inside.named(key)
    if len(found) > 1:
        raise RefusedError
    return found[0] if found else RefusedError


def put(inside: Obj, key: str, value: Any) -> Obj:
    """The object with this member, in its old place or the last."""
    if not inside.named(key):
        return Obj([*inside.pairs, (key, value)])
    return Obj([(name, value if name == key else old) for name, old in inside.pairs])


def intended(body: Obj, edits: list[Edit]) -> Obj:
    """The value that the edits mean, or `RefusedError`."""
    touched = [edit.index for edit in edits if isinstance(edit, ReplaceTool | ReplaceToolType)]
    if len(set(touched)) < len(touched) or sum(isinstance(edit, SetContainer) for edit in edits) > 1:
        raise RefusedError
    whole = {edit.index for edit in edits if isinstance(edit, ReplaceTool)}
    named = [(edit.index, edit.name) for edit in edits if isinstance(edit, SetToolMember)]
    typed = [(edit.index, name) for edit in edits if isinstance(edit, ReplaceToolType) for name in _sets(edit)]
    if len({*named, *typed}) < len(named) + len(typed) or any(index in whole for index, _ in named):
        raise RefusedError
    for edit in sorted(edits, key=lambda edit: 2 * isinstance(edit, AppendTool) + isinstance(edit, SetToolMember)):
        body = _contained(body, edit.id) if isinstance(edit, SetContainer) else put(body, "tools", _tooled(body, edit))
    return body


def _contained(body: Obj, name: str) -> Obj:
    held = only(body, "container")
    if held is None or held is RefusedError:
        return put(body, "container", name)
    if not isinstance(held, Obj) or only(held, "id") not in (None, RefusedError):
        raise RefusedError
    return put(body, "container", put(held, "id", name))


def _sets(edit: ReplaceToolType) -> list[str]:
    return ["type", *(name for name, _ in edit.members)]


def _tooled(body: Obj, edit: AppendTool | ReplaceTool | ReplaceToolType | SetToolMember) -> list[Any]:
    tools = only(body, "tools")
    if not isinstance(tools, list):
        raise RefusedError
    if isinstance(edit, AppendTool):
        return [*tools, read(edit.raw)]
    if edit.index >= len(tools):
        raise RefusedError
    return [*tools[: edit.index], _replaced(tools[edit.index], edit), *tools[edit.index + 1 :]]


def _replaced(tool: Any, edit: ReplaceTool | ReplaceToolType | SetToolMember) -> Any:
    if isinstance(edit, ReplaceTool):
        return read(edit.raw)
    if isinstance(edit, SetToolMember):
        if not isinstance(tool, Obj) or len(tool.named(edit.name)) > 1:
            raise RefusedError
        return put(tool, edit.name, read(edit.raw))
    if not isinstance(tool, Obj) or type(only(tool, "type")) is not str:
        raise RefusedError
    if any(tool.named(name) for name, _ in edit.members):
        raise RefusedError
    return Obj([*put(tool, "type", edit.type).pairs, *((name, read(raw)) for name, raw in edit.members)])


# ---------------------------------------------------------------- the laws

SEEDED = random.Random(1)  # noqa: S311 - white space needs no cryptography


def assert_only_spans_differ(old: bytes, new: bytes, spans: tuple[Span, ...]) -> None:
    """Outside the spans old and new are the same bytes."""
    done = done_new = 0
    for span in spans:
        assert done <= span.start <= span.end_old
        assert old[done : span.start] == new[done_new : span.start_new]
        assert span.end_new > span.start_new
        done, done_new = span.end_old, span.end_new
    assert old[done:] == new[done_new:]


@settings(max_examples=250)
@given(BODIES, EDITS, st.randoms(use_true_random=False))
@example(Obj([("tools", [])]), [AppendTool(b"{}"), AppendTool(b"{}")], SEEDED)
@example(Obj([("a", Number("12")), ("a", Number("1")), ("tools", [])]), [AppendTool(b"{}")], SEEDED)
@example(Obj([]), [SetContainer("c")], SEEDED)
def test_laws(value: Obj, edits: list[Edit], rng: random.Random) -> None:
    """Every spelling of every body: the intended value with nothing else touched, or a refusal where one is due."""
    body = spelled(value, rng).encode()
    try:
        meant = intended(value, edits)
    except RefusedError:
        with pytest.raises(SpliceError):
            apply(body, edits)
        return
    spliced = apply(body, edits)
    assert read(spliced.body) == meant
    assert_only_spans_differ(body, spliced.body, spliced.spans)
    assert bool(spliced.spans) == bool(edits)
    if not edits:
        assert spliced.body is body


@given(BODIES, st.randoms(use_true_random=False))
def test_places_hold_their_values(value: Obj, rng: random.Random) -> None:
    """Each place found is, byte for byte, a spelling of the value that counts."""
    body = spelled(value, rng).encode()
    top = locate(body).top
    assert set(top.members) == {key for key, _ in value.pairs}
    assert top.repeated == {key for key, _ in value.pairs if len(value.named(key)) > 1}
    for key, place in top.members.items():
        found = body[place.start : place.end]
        assert read(found) == value.named(key)[-1]
        assert found == found.strip()


@given(st.binary(max_size=40) | st.binary(max_size=12).map(lambda raw: b'{"tools":[' + raw + b"]}"))
def test_any_bytes_are_located_or_refused(body: bytes) -> None:
    """What is no JSON object is refused, and nothing else is raised."""
    try:
        locate(body)
    except SpliceError:
        with pytest.raises(SpliceError):
            apply(body, [SetContainer("c")])


# ---------------------------------------------------------------- single cases


@pytest.mark.parametrize(
    ("body", "edit", "edited"),
    [
        ('{"tools":[]}', AppendTool(b'{"a":1}'), '{"tools":[{"a":1}]}'),
        ('{"tools": [ ] }', AppendTool(b"{}"), '{"tools": [{} ] }'),
        ('{ "tools" : [ {"x":1.0} ] }\n', AppendTool(b"{}"), '{ "tools" : [ {"x":1.0},{} ] }\n'),
        ('{"to\\u006fls":[{}]}', AppendTool(b"{}"), '{"to\\u006fls":[{},{}]}'),
        ('{"a":{"tools":[]},"tools":[1]}', AppendTool(b"{}"), '{"a":{"tools":[]},"tools":[1,{}]}'),
        ('{"s":"\\"tools\\":[]","tools":[1]}', AppendTool(b"{}"), '{"s":"\\"tools\\":[]","tools":[1,{}]}'),
        ('{"tools":[{"type":"o","n":1e2}]}', ReplaceToolType(0, "n"), '{"tools":[{"type":"n","n":1e2}]}'),
        (
            '{"tools":[{"type":"o" }]}',
            ReplaceToolType(0, "n", (("allowed_callers", b'["direct"]'),)),
            '{"tools":[{"type":"n","allowed_callers":["direct"] }]}',
        ),
        ("{}", SetContainer("c"), '{"container":"c"}'),
        (" { } ", SetContainer("c"), ' {"container":"c" } '),
        ('{"a":1 }', SetContainer("c"), '{"a":1,"container":"c" }'),
        ('{"container": null,"a":1}', SetContainer("c"), '{"container": "c","a":1}'),
        ('{"container":{"skills":[]}}', SetContainer("c"), '{"container":{"skills":[],"id":"c"}}'),
        ('{"container":{}}', SetContainer("c"), '{"container":{"id":"c"}}'),
        ('{"container":{"id":null}}', SetContainer("c"), '{"container":{"id":"c"}}'),
        ('{"x":1,"x":11,"x":1,"tools":[1]}', AppendTool(b"{}"), '{"x":1,"x":11,"x":1,"tools":[1,{}]}'),
        ('{"x":[{"y":"]"}],"x":[],"tools":[1]}', AppendTool(b"{}"), '{"x":[{"y":"]"}],"x":[],"tools":[1,{}]}'),
    ],
)
def test_the_bytes_that_are_meant(body: str, edit: Edit, edited: str) -> None:
    """Each edit changes what it names, in the caller's own spelling of the rest."""
    assert apply(body.encode(), [edit]).body.decode() == edited


@pytest.mark.parametrize(
    ("body", "edit", "why"),
    [
        ('{"tools":[],"tools":[]}', AppendTool(b"{}"), "more than one"),
        ('{"tools":[],"to\\u006fls":[]}', AppendTool(b"{}"), "more than one"),
        ('{"tools":null}', AppendTool(b"{}"), "no `tools`"),
        ("{}", AppendTool(b"{}"), "no `tools`"),
        ('{"tools":[]}', AppendTool(b"[]"), "object"),
        ('{"tools":[]}', AppendTool(b"{}]"), "not JSON"),
        ('{"tools":[]}', ReplaceTool(0, b"{}"), "no tool 0"),
        ('{"tools":[{}]}', ReplaceTool(-1, b"{}"), "no tool -1"),
        ('{"tools":[7]}', ReplaceToolType(0, "n"), "cannot be read"),
        ('{"tools":[{"name":"a"}]}', ReplaceToolType(0, "n"), "has no type"),
        ('{"tools":[{"type":null}]}', ReplaceToolType(0, "n"), "has no type"),
        ('{"tools":[{"type":"a","type":"a"}]}', ReplaceToolType(0, "n"), "twice"),
        ('{"tools":[{"type":"a","x":1}]}', ReplaceToolType(0, "n", (("x", b"1"),)), "twice"),
        ('{"container":"mine"}', SetContainer("c"), "of its own"),
        ('{"container":{"id":"mine"}}', SetContainer("c"), "of its own"),
        ('{"container":null,"container":null}', SetContainer("c"), "twice"),
        ('\ufeff{"tools":[]}', AppendTool(b"{}"), "cannot be read"),
        ('{"tools":[]}{}', AppendTool(b"{}"), "cannot be read"),
        ("[]", SetContainer("c"), "cannot be read"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(body: str, edit: Edit, why: str) -> None:
    """A refusal says why; the caller's bytes then go as they came."""
    with pytest.raises(SpliceError, match=why):
        apply(body.encode(), [edit])


def test_bodies_with_members_beyond_counting_are_refused() -> None:
    """Neither many keys, nor one key many times, nor many tools hold the loop."""
    many = ",".join(f'"{index}":1' for index in range(10_001))
    nested = f'{{"a":[{",".join(["[]"] * 10_001)}],"a":1}}'
    for body in (
        nested,
        f"{{{many}}}",
        "{" + ",".join(['"a":1'] * 10_001) + "}",
        f'{{"tools":[{",".join("1" * 10_001)}]}}',
    ):
        with pytest.raises(SpliceError, match="told apart"):
            apply(body.encode(), [SetContainer("c")])


def test_two_edits_of_one_place_are_refused() -> None:
    """Edits are placed by the body as it came, so two of the same bytes have no meaning."""
    edits: list[Edit] = [ReplaceToolType(0, "n"), ReplaceTool(0, b"{}")]
    for each in (edits, edits[::-1]):
        with pytest.raises(SpliceError, match="same bytes"):
            apply(b'{"tools":[{"type":"a"}]}', each)


def test_edits_survive_being_stored() -> None:
    """An edit is repeated byte-identically on later turns, so it must come back from its stored form unchanged."""
    edits: list[Edit] = [
        AppendTool(b'{"a": 1.0}'),
        ReplaceTool(1, b"{}"),
        ReplaceToolType(0, "n", (("x", b"1"),)),
        SetContainer("c"),
    ]
    assert msgspec.json.decode(msgspec.json.encode(edits), type=list[Edit]) == edits
