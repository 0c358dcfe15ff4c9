"""`tests/*.yaml` becomes tests of the rules: given a request, a caller and facts, what is expected of the decisions.

Tests are no part of a rule book or its digest, so that a broken one keeps no server from starting: they are read by
`planner rules check` and `planner rules test` alone, and by the same strict reader as every other rule file.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Final, Literal

import msgspec

from planner.core.findings import Finding, did_you_mean
from planner.core.reasons import PLANNED, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.catalog import OTHER_TOOLS
from planner.core.rulefile.read import Reader, place, word
from planner.core.rulefile.testshape import Expect, FactsGiven, Given, RuleTestShape
from planner.core.rulefile.tree import Items, Node, Pairs, Scalar, parse

NOON: Final = time(12, tzinfo=UTC)
FIRST, LAST = "2000", "3000"

# fmt: off
MEMBERS: Final = frozenset((
    "betas", "billing_policy", "cache_control", "compaction", "container", "context_management", "diagnostics",
    "fallback_credit_token", "fallbacks", "inference_geo", "max_tokens", "mcp_servers", "messages", "metadata",
    "model", "output_config", "output_format", "service_tier", "speed", "stop_sequences", "stream", "system",
    "temperature", "thinking", "thread", "tool_choice", "tools", "top_k", "top_p", "user_profile_id",
    "workspace_id",
))
# fmt: on
"""What a request may hold, to tell a slip of the pen from what is meant.
Source: `MessageCreateParams` of the official SDK, its beta included, checked 2026-11-25."""


class RuleTest(msgspec.Struct, frozen=True):
    """One test and where it stands."""

    path: str
    node: Pairs
    shape: RuleTestShape

    @property
    def name(self) -> str:
        """Its name, unique among all tests of a rules directory."""
        return self.shape.name

    def place(self, *keys: str) -> Node:
        """Where something of it stands, as far as the keys lead."""
        return place(self.node, *keys)


class TestsReading(msgspec.Struct, frozen=True):
    """What reading gave: every test that could be read, and what is wrong with the others."""

    __test__ = False  # to pytest a name like this one is a class of tests

    tests: tuple[RuleTest, ...]
    findings: tuple[Finding, ...]


def read_tests(files: Mapping[str, bytes], book: RuleBook | None) -> TestsReading:
    """Read test files, by path; names of policies, models and tools are checked where there is a rule book."""
    findings: list[Finding] = []
    tests: list[RuleTest] = []
    seen: dict[str, str] = {}
    for path in sorted(files):
        if not path.endswith(".yaml"):
            remedy = "Call it .yaml: files of other names are not read."
            findings.append(Finding(path, 1, 1, "unknown-file", "this file", "no test file has this name", remedy))
            continue
        root, problems = parse(path, files[path])
        findings += problems
        reader = Reader(path)
        if reader.top(root, ("tests",)):
            for row in reader.all_rows(root, "tests", RuleTestShape, _subject):
                test = RuleTest(path, row.node, _filled(row.value))
                if "name" not in row.lost:
                    _check_name(reader, test, seen)
                _check(reader, test, book, row.lost)
                if not row.lost:
                    tests.append(test)
        findings += reader.findings
    return TestsReading(tuple(tests), tuple(sorted(set(findings))))


def moment(text: str) -> datetime:
    """The moment that `at` means: a day alone is its noon.

    Raises ValueError for what is in no calendar, or in none of the years in which prices can be looked up.
    """
    if not FIRST <= text < LAST:
        raise ValueError(f"{text} is not between {FIRST} and {LAST}")
    if "T" not in text:
        return datetime.combine(date.fromisoformat(text), NOON)
    return datetime.fromisoformat(text)


def places(files: Mapping[str, bytes]) -> dict[str, tuple[str, int, int]]:
    """Where each policy of some files stands, by its name: path, line, column."""
    found: dict[str, tuple[str, int, int]] = {}
    for path in sorted(files):
        root, _ = parse(path, files[path])
        rows = place(root, "policies") if root is not None else None
        for node in rows.items if isinstance(rows, Items) else ():
            found.setdefault(word(node, "name"), (path, node.line, node.col))
    return found


def _filled(shape: RuleTestShape) -> RuleTestShape:
    """A shape of which parts may be lost, with empty ones in their place, so that the others can be checked."""
    given: Given | None = shape.given
    expect: Expect | None = shape.expect
    return msgspec.structs.replace(shape, given=given or Given(request={}), expect=expect or Expect())


def _subject(node: Pairs) -> str:
    return f'test "{word(node, "name")}"'


def _check_name(reader: Reader, test: RuleTest, seen: dict[str, str]) -> None:
    here = f"{reader.path}:{test.node.line}"
    if seen.setdefault(test.name, here) != here:
        problem = f"a test of this name stands at {seen[test.name]}"
        reader.find(test.place("name"), "duplicate-name", _subject(test.node), problem, "Name it differently.")


def _check(reader: Reader, test: RuleTest, book: RuleBook | None, lost: Collection[str]) -> None:
    """What the types of the fields cannot tell."""
    subject, facts = _subject(test.node), test.shape.given.facts
    if test.shape.expect == Expect() and "expect" not in lost:
        remedy = f"Say one of: {', '.join(Expect.__struct_fields__)}."
        reader.find(test.place("expect"), "expects-nothing", subject, '"expect" is empty', remedy)
    try:
        moment(facts.at)
    except ValueError:
        remedy = "Write it like 2026-11-22 or 2026-11-22T09:30:00Z."
        reader.find(
            test.place("given", "facts", "at"), "wrong-type", subject, "no calendar of this age has this day", remedy
        )
    for key, problem, remedy in _contradictions(facts):
        reader.find(test.place("given", "facts", key), "contradiction", subject, problem, remedy)
    request = _request(test)
    if request is not None:
        _check_request(reader, request, subject)
    if book is not None:
        _check_policies(reader, test, subject, [policy.name for policy in book.policies])
        if request is not None:
            _check_known(reader, test, request, subject, book)


def _contradictions(facts: FactsGiven) -> Iterator[tuple[str, str, str]]:
    """Facts that cannot all be true: the key of one, what is wrong, and what to do."""
    if facts.earlier is not None and facts.begins and facts.earlier.by == "ids":
        yield "begins", "a conversation that begins has nothing earlier", "Leave begins or earlier out."
    if facts.cached_tokens and facts.cached is False:
        yield "cached", "tokens are cached, and no breakpoint is there", "Leave cached or cached_tokens out."
    if facts.cached_tokens and facts.prompt_tokens is not None and facts.cached_tokens > facts.prompt_tokens:
        yield "cached_tokens", "more tokens are cached than the prompt has", "At most prompt_tokens can be cached."


def _request(test: RuleTest) -> Pairs | None:
    """The table of a test's request; None where there is none to check."""
    given = test.node.values.get("given")
    request = given.values.get("request") if isinstance(given, Pairs) else None
    return request if isinstance(request, Pairs) else None


def _check_request(reader: Reader, node: Pairs, subject: str) -> None:
    model = node.values.get("model")
    if not isinstance(model, Scalar) or model.kind != "str":
        problem = '"model" is missing' if model is None else '"model" must be text'
        reader.find(node if model is None else model, "missing-field", subject, problem, "Add a model.")
    for member, at in node.keys.items():
        if member not in MEMBERS:
            problem, remedy = f'no request has a member "{member}"', did_you_mean(member, sorted(MEMBERS))
            reader.find(at, "unknown-member", subject, problem, f"It is sent as it stands. {remedy}", "warning")
    tools = place(node, "tools")
    for tool in tools.items if isinstance(tools, Items) else ():
        if not isinstance(tool, Pairs) and not (isinstance(tool, Scalar) and tool.kind == "str"):
            remedy = "Write its type, or the tool as the API takes it."
            reader.find(tool, "wrong-type", subject, "a tool must be a word or a table", remedy)


def _check_policies(reader: Reader, test: RuleTest, subject: str, known: list[str]) -> None:
    """Every name of a policy must be one."""
    for at, name in _named_policies(test):
        if name not in known:
            reader.find(at, "unknown-policy", subject, f'there is no policy "{name}"', did_you_mean(name, known))


def _named_policies(test: RuleTest) -> Iterator[tuple[Node, str]]:
    expect, facts = test.shape.expect, test.shape.given.facts
    for action in (each.value for each in PLANNED):
        expected = getattr(expect, action)
        name = getattr(expected, "policy", None)
        if isinstance(name, str):
            yield test.place("expect", action, "policy"), name
    for key in ("matched", "not_matched", "shadow"):
        listed = test.place("expect", key)
        items: Iterable[Node] = listed.items if isinstance(listed, Items) else ()
        names: Iterable[str | None] = getattr(expect, key) or ()  # None for one that could not be read
        yield from ((item, name) for item, name in zip(items, names, strict=False) if name is not None)
    for key in ("rollout", "holdout"):
        table = test.place("given", "facts", key)
        for name in getattr(facts, key):
            yield (table.keys[name] if isinstance(table, Pairs) else table), name


def _check_known(reader: Reader, test: RuleTest, request: Pairs, subject: str, book: RuleBook) -> None:
    """A model or a tool that nobody knows is a slip of the pen, unless the test is about that."""
    reasons = {getattr(getattr(test.shape.expect, action), "reason", None) for action in ("version", "bundle")}
    model, types = place(request, "model"), [tool.type for tool in book.catalog.tools]
    if isinstance(model, Scalar) and Reason.UNKNOWN_MODEL not in reasons and book.catalog.model(model.text) is None:
        _find_unknown(reader, model, "unknown-model", subject, book.catalog.known_models)
    tools = place(request, "tools")
    for tool in tools.items if isinstance(tools, Items) else ():
        type_ = tool if isinstance(tool, Scalar) else place(tool, "type")
        if not isinstance(type_, Scalar) or type_.kind != "str" or Reason.UNKNOWN_TOOL in reasons:
            continue
        if type_.text not in types and not type_.text.startswith(OTHER_TOOLS):
            _find_unknown(reader, type_, "unknown-tool", subject, types)


def _find_unknown(
    reader: Reader, node: Scalar, code: Literal["unknown-model", "unknown-tool"], subject: str, known: Iterable[str]
) -> None:
    problem = f'the catalog does not know the {code.removeprefix("unknown-")} "{node.text}"'
    remedy = did_you_mean(node.text, known)
    reader.find(node, code, subject, problem, remedy, "warning")
