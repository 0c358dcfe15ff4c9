"""Tests of the rules: each is planned as a request would be, and what comes out is held against what is expected.

A policy is *hit* by a test in which it decides, or in shadow would have. It is *missed* by one in which it has no word:
it does not match, or others decide before. A policy that no test has hit and missed is not covered.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from planner.core.decisions.bundle import web_type
from planner.core.decisions.version import code_type
from planner.core.findings import Code, Finding
from planner.core.plan import Plan, plan_whole
from planner.core.preview.explanation import Judged, judge
from planner.core.preview.given import NotEditedError, Stage, stage
from planner.core.reasons import PLANNED, Action, Decision, Outcome
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import EVERYTHING, Match, Policy, named
from planner.core.rulefile.testfile import RuleTest

KEYS: Final = {action: "tool_version" if action is Action.VERSION else action.value for action in PLANNED}
"""The keys of `then` by the actions whose decisions a plan tells; what `parses` says is in no decision."""


_DONE: Final = frozenset({Outcome.APPLIED, Outcome.THREADED})
_SAID: Final = (
    ("reason", "({})", "without a reason"),
    ("policy", 'by "{}"', "by no policy"),
    ("type", "with {}", "with no code execution"),
    ("tool", "with {}", "with no web tool"),
    ("message", 'saying "{}"', "saying nothing"),
    ("values", "with {}", "with no tags"),
)
"""The parts of a decision in words, and what stands for none."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that came out otherwise: where it is expected, what it is about, and how it came to that."""

    path: str
    line: int
    col: int
    test: str
    about: str
    expected: str
    got: str
    because: tuple[str, ...] = ()

    def text(self) -> str:
        """`file:line:col: test "name": about: expected …, got …` on one line."""
        place = f"{self.path}:{self.line}:{self.col}"
        return f'{place}: test "{self.test}": {self.about}: expected {self.expected}, got {self.got}'


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A test that was run; `judged` are the policies before its request, `decisions` those of its plan."""

    test: RuleTest
    failures: tuple[Failure, ...]
    decisions: tuple[Decision, ...] = ()
    judged: tuple[Judged, ...] = ()


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """How many tests hit a policy and how many missed it.

    `missable` says that there are requests that it misses; `shipped` that it is, word for word, one that ships with
    the planner, whose tests show what it does.
    """

    name: str
    mode: str
    hits: int
    misses: int
    missable: bool
    shipped: bool = False

    @property
    def asked(self) -> bool:
        """Whether tests must show what it does."""
        return self.mode != "off" and not self.shipped

    @property
    def lacks(self) -> str | None:
        """What no test shows of it; None where both are shown, or need not be."""
        if not self.asked or (self.hits and (self.misses or not self.missable)):
            return None
        return "hit" if not self.hits else "miss"


def run(test: RuleTest, book: RuleBook) -> Ran:
    """Run one test under a rule book."""
    try:
        scene = stage(test.shape.given, book)
    except NotEditedError as error:
        return Ran(test=test, failures=(_failure(test, ("given", "facts", "earlier"), "edited", "true", str(error)),))
    judged = judge(scene.request, scene.facts, scene.book)
    plan = plan_whole(scene.request, scene.facts, scene.book)
    failures = tuple(_compare(test, scene, plan, judged))
    return Ran(test=test, failures=failures, decisions=plan.decisions, judged=judged)


def coverage(book: RuleBook, ran: Sequence[Ran], shipped: Collection[Policy] = ()) -> tuple[Covered, ...]:
    """How the policies of a book are covered, in their order; those of `shipped` have tests elsewhere."""
    hits = [frozenset(_hit(each)) for each in ran]
    words = [frozenset(judged.name for judged in each.judged if judged.decides) for each in ran]
    looked = [(hit, word) for hit, word, each in zip(hits, words, ran, strict=True) if each.judged]
    return tuple(
        Covered(
            name=policy.name,
            mode=policy.mode,
            hits=sum(policy.name in hit for hit, _ in looked),
            misses=sum(policy.name not in word for _, word in looked),
            missable=_missable(policy, book.policies[:index]),
            shipped=policy in shipped,
        )
        for index, policy in enumerate(book.policies)
    )


def uncovered(found: Iterable[Covered], places: Mapping[str, tuple[str, int, int]]) -> Iterator[Finding]:
    """What is not covered, as findings at the places of the policies."""
    for each in found:
        if each.lacks is None:
            continue
        path, line, col = places.get(each.name, ("policies", 1, 1))
        code: Code = "no-hit" if each.lacks == "hit" else "no-miss"
        if each.lacks == "hit":
            problem, remedy = "no test hits it", "Add a test in which it decides, or in shadow would have."
        else:
            problem = "no test misses it"
            remedy = "Add a test with a request that it is not for, or that another policy decides before it."
        yield Finding(path, line, col, code, f'policy "{each.name}"', problem, remedy)


def _hit(ran: Ran) -> Iterator[str]:
    """The policies that a test has hit.

    Of what a plan decides only its decisions count: a policy whose word was not asked for is not shown by the test.
    """
    told = {(KEYS[decision.action], decision.policy) for decision in ran.decisions}
    for judged in ran.judged:
        for standing in judged.actions:
            asked = standing.action not in KEYS.values() or (standing.action, judged.name) in told
            if standing.end == "would-decide" or (standing.end in {"decides", "holds-out"} and asked):
                yield judged.name


def _missable(policy: Policy, earlier: Sequence[Policy]) -> bool:
    """Whether there are requests in which a policy has no word.

    There are none where it is for all of them on all days and no policy before it can decide one of its actions.
    """
    asks = (policy.when, policy.since, policy.until) != (None, None, None)
    if policy.match != Match() or asks or policy.rollout.percent < EVERYTHING:
        return True
    before = {action for each in earlier if each.mode == "enforce" for action in named(each.then)}
    return set(named(policy.then)) <= before


def _compare(test: RuleTest, scene: Stage, plan: Plan, judged: tuple[Judged, ...]) -> Iterator[Failure]:
    expect = test.shape.expect
    for action in PLANNED:
        expected = getattr(expect, action.value)
        if expected is not UNSET:
            yield from _compare_decision(test, action, _parts(scene, plan, action), judged)
    edited = bool(plan.edits)
    if expect.edited is not None and expect.edited is not edited:
        yield _failure(test, ("expect", "edited"), "edited", _bool(expect.edited), _bool(edited))
    for key, wanted in (("matched", True), ("not_matched", False)):
        for each in judged:
            if each.name in (getattr(expect, key) or ()) and each.matched is not wanted:
                got = "a match" if each.matched else "no match"
                yield _failure(test, ("expect", key), key, f'"{each.name}"', got, _because(each))
    if expect.shadow is not None:
        would = {each.policy for each in plan.shadows if each.outcome in _DONE}
        if would != set(expect.shadow):
            because = tuple(line for each in judged if each.mode == "shadow" for line in _because(each))
            yield _failure(test, ("expect", "shadow"), "shadow", _names(expect.shadow), _names(would), because)


def _compare_decision(
    test: RuleTest, action: Action, got: dict[str, Any], judged: tuple[Judged, ...]
) -> Iterator[Failure]:
    expected = getattr(test.shape.expect, action.value)
    if expected is None or isinstance(expected, Outcome):
        expected = {"outcome": expected}
    else:
        stated = {name: getattr(expected, name) for name in expected.__struct_fields__}
        expected = {name: value for name, value in stated.items() if value is not UNSET}
    wrong = [name for name, value in expected.items() if got[name] != value]
    if wrong:
        because = tuple(line for each in judged if KEYS[action] in each.names for line in _because(each, KEYS[action]))
        keys = ("expect", action.value, wrong[0])
        yield _failure(test, keys, action.value, _decision(expected), _decision(got, dict.fromkeys(expected)), because)


def _parts(scene: Stage, plan: Plan, action: Action) -> dict[str, Any]:
    """A decision as far as a test can speak of it; without an outcome where no policy speaks of the action."""
    decision = next((each for each in plan.decisions if each.action is action), None)
    parts: dict[str, Any] = {name: getattr(decision, name, None) for name in ("outcome", "reason", "policy")}
    match action:
        case Action.VERSION:
            parts["type"] = code_type(scene.request, plan.tool_edit)
        case Action.BUNDLE:
            parts["tool"] = web_type(plan.tool_edit)
        case Action.DENY:
            parts["message"] = None if plan.denial is None else plan.denial.message
        case Action.TAGS:
            parts["values"] = dict(plan.tags)
        case _:
            pass
    return parts


def _decision(parts: Mapping[str, Any], also: Mapping[str, object] | None = None) -> str:
    """`declined (below-allowance) by "x"`: of what came out, what matters; of what is expected, what is said.

    `also` names what is told of what came out although it is nothing, since somebody expected something there.
    """
    told = [str(parts["outcome"] or "nothing")] if "outcome" in parts else []
    always = parts if also is None else also
    for name, some, none in _SAID:
        value = parts.get(name)
        if value and (name in {"reason", "policy"} or name in always):
            words = ", ".join(f"{key}={word}" for key, word in value.items()) if isinstance(value, dict) else value
            told.append(some.format(words))
        elif name in parts and not value and name in always:
            told.append(none)
    return " ".join(told)


def _because(judged: Judged, key: str | None = None) -> tuple[str, ...]:
    return tuple(f'"{judged.name}" ({judged.mode}) {reason}' for reason in judged.reasons(key))


def _failure(
    test: RuleTest, keys: tuple[str, ...], about: str, expected: str, got: str, because: tuple[str, ...] = ()
) -> Failure:
    node = test.place(*keys)
    return Failure(
        path=test.path,
        line=node.line,
        col=node.col,
        test=test.name,
        about=about,
        expected=expected,
        got=got,
        because=because,
    )


def _bool(value: bool) -> str:  # noqa: FBT001 - a value to spell
    return "true" if value else "false"


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
