"""All policies of a rule book, compiled once: which are for a request is a few lookups, however many there are.

For each key of `match` it is known which policies a value is for, as the bits of a number; what is for a request is the
bits that all of its values have in common. Only those are looked at one by one, in their order, and only as long as
there is an action that none has decided. Deciding is a function of the policies and what they see of the request.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, Protocol, get_args

from planner.core.rulebook.catalog import LONGEST_REMEMBERED, is_exact, matcher
from planner.core.rulebook.conditions import Condition, ConditionError, bind, compile_condition
from planner.core.rulebook.policies import (
    ACTIONS,
    EVERYTHING,
    SILENT,
    Match,
    Patterns,
    Policy,
    Range,
    Ruling,
    Rulings,
    Shadowed,
    Subject,
    TagKey,
    falls_in,
    in_force,
    named,
)

Values = Callable[[], Mapping[str, Any]]
"""Makes the variables of `when`, once, and only if a policy asks."""

WORDS: Final = ("team", "project", "principal", "organization", "workspace", "model")
"""Keys of `match` that are globs of one word of the request."""
RANGES: Final = ("prompt_tokens", "max_tokens", "tools_count")

_REMEMBERED: Final = 1_024  # values come from clients, so what is remembered of each key is bounded
_PATTERNS_COMPILED: Final = 4_096


class PolicySet:
    """Policies in their order. Raises BadExpressionError, NoCelError for a `when` that cannot be compiled."""

    def __init__(self, policies: Sequence[Policy] = ()) -> None:
        self._policies = tuple(each for each in policies if each.mode != "off" and each.rollout.percent > 0)
        self._indexes = tuple(index for index in _indexes(self._policies) if not index.idle)
        self._conditions: tuple[Condition | None, ...] = tuple(
            None if policy.when is None else compile_condition(policy.when) for policy in self._policies
        )
        self._names = tuple(named(policy.then) for policy in self._policies)
        self._naming = {action: _bits(action in names for names in self._names) for action in ACTIONS}
        self._spoken = tuple(bits for bits in self._naming.items() if bits[1])
        self.conditional = any(condition is not None for condition in self._conditions)

    def names(self, *actions: str) -> bool:
        """Say whether any policy names one of these actions."""
        return any(self._naming[action] for action in actions)

    @property
    def remembered(self) -> int:
        """How many values are remembered at most for one key."""
        return max((len(index) for index in self._indexes), default=0)

    def decide(self, subject: Subject, values: Values = dict) -> Rulings:
        """Return what the policies say about a request."""
        asked, drawn = _Asked(values), _Drawn()
        left = self._candidates(subject)
        while left:
            index = (left & -left).bit_length() - 1
            left &= left - 1
            policy = self._policies[index]
            if self._is_for(index, subject, asked) and drawn.take(policy, self._names[index], subject):
                left &= self._open(drawn.found)
        return drawn.rulings(tuple(asked.failed))

    def _is_for(self, index: int, subject: Subject, asked: "_Asked") -> bool:
        """Whether a policy that matches is for the request: its days, `when`, its roll-out."""
        policy, condition = self._policies[index], self._conditions[index]
        if not in_force(policy, subject.day):
            return False
        if condition is not None and not asked.holds(policy.name, condition):
            return False
        return falls_in(policy.name, "rollout", policy.rollout, subject)

    def _open(self, found: Mapping[str, object]) -> int:
        """The policies that name an action which none has decided yet."""
        bits = 0
        for action, naming in self._spoken:
            if action not in found:
                bits |= naming
        return bits

    def _candidates(self, subject: Subject) -> int:
        """The policies that match."""
        left = (1 << len(self._policies)) - 1
        for index in self._indexes:
            left &= index.of(subject)
            if not left:
                return 0
        return left


class _Asked:
    """The variables of one request, made when the first expression asks; expressions that fail are kept by policy."""

    def __init__(self, values: Values) -> None:
        self.failed: list[tuple[str, str]] = []
        self._values = values
        self._bound: object = None

    def holds(self, policy: str, condition: Condition) -> bool:
        """Whether an expression is true; one that cannot be evaluated is not."""
        if self._bound is None:
            self._bound = bind(self._values())
        try:
            return condition.holds(self._bound)
        except ConditionError as error:
            self.failed.append((policy, str(error)))
            return False


class _Drawn:
    """Rulings in the making."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self._shadows: dict[str, list[Shadowed[Any]]] = {}

    def take(self, policy: Policy, names: tuple[str, ...], subject: Subject) -> bool:
        """Let a policy decide what none before it has decided; say whether it decided anything."""
        open_ = [action for action in names if action not in self.found]
        if policy.mode == "shadow":
            for action in open_:
                self._shadows.setdefault(action, []).append(Shadowed(policy.name, getattr(policy.then, action)))
            return False
        held = falls_in(policy.name, "holdout", policy.holdout, subject)
        for action in open_:
            value = getattr(SILENT, action).value if held else getattr(policy.then, action)
            self.found[action] = Ruling(value, policy.name, held, tuple(self._shadows.pop(action, ())))
        return bool(open_)

    def rulings(self, failed: tuple[tuple[str, str], ...]) -> Rulings:
        """All of them; where only shadows spoke, the request stays as it is."""
        for action, would in self._shadows.items():
            self.found[action] = Ruling(getattr(SILENT, action).value, shadow=tuple(would))
        return Rulings(**self.found, failed=failed) if self.found or failed else SILENT


class _Index(Protocol):
    """Which policies a subject is for by one key; `idle` says that none asks for it."""

    idle: bool

    def of(self, subject: Subject) -> int:
        """The bits of the policies that the subject is for, or that do not ask for the key."""
        ...

    def __len__(self) -> int:
        """How much is remembered."""
        ...


Tests = Sequence[Callable[[str], object] | None]
"""For each policy how it tests a word; None where it does not ask."""


class _Words:
    """By the words of a key, of which one must fit: remembered by word, since the same ones come again and again."""

    def __init__(self, read: Callable[[Subject], Iterable[str]], tests: Tests) -> None:
        self._read = read
        self._indifferent = _bits(test is None for test in tests)
        self._tests = [(1 << i, test) for i, test in enumerate(tests) if test is not None]
        self._known: dict[str, int] = {}
        self.idle = not self._tests

    def __len__(self) -> int:
        return len(self._known)

    def of(self, subject: Subject) -> int:
        """See `_Index`."""
        bits = self._indifferent
        for word in self._read(subject):
            known = self._known.get(word)
            bits |= self._look(word) if known is None else known
        return bits

    def _look(self, word: str) -> int:
        bits = sum(bit for bit, test in self._tests if test(word))
        if len(word) <= LONGEST_REMEMBERED:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[word] = bits
        return bits


class _Numbers:
    """By the ranges of a key: between two of their bounds all numbers are for the same policies."""

    def __init__(self, key: str, ranges: Sequence[Range | None]) -> None:
        self._read = attrgetter(key)
        asked = [each for each in ranges if each is not None]
        bounds = {bound for each in asked for bound in (each.at_least, each.below) if bound is not None}
        self._bounds = sorted(bounds)
        starts = (-1.0, *self._bounds)
        self._bits = [_bits(each is None or start in each for each in ranges) for start in starts]
        self.idle = not asked

    def __len__(self) -> int:
        return 0

    def of(self, subject: Subject) -> int:
        """See `_Index`."""
        return self._bits[bisect_right(self._bounds, self._read(subject))]


def _indexes(policies: Sequence[Policy]) -> Iterator[_Index]:
    """An index for every key of `match`."""
    matches = [policy.match for policy in policies]
    for key in WORDS:
        yield _Words(_word(key), [_globs(getattr(each, key)) for each in matches])
    for key, sets in (
        ("tools", [_globs(each.tools) for each in matches]),
        ("flags", [_set(each.flags) for each in matches]),
    ):
        yield _Words(attrgetter(key), sets)
    yield _Words(_word("billing"), [_set(each.billing) for each in matches])
    streamed = [None if each.stream is None else _set((str(each.stream),)) for each in matches]
    yield _Words(lambda subject: (str(subject.stream),), streamed)
    for tag in get_args(TagKey):
        yield _Words(_tag(tag), [_globs((each.tags or {}).get(tag)) for each in matches])
    for key in RANGES:
        yield _Numbers(key, [getattr(each, key) for each in matches])


def _word(key: str) -> Callable[[Subject], Iterable[str]]:
    read = attrgetter(key)
    return lambda subject: (read(subject),)


def _tag(tag: str) -> Callable[[Subject], Iterable[str]]:
    return lambda subject: (subject.tags[tag],) if tag in subject.tags else ()


def _globs(patterns: Patterns) -> Callable[[str], object] | None:
    return None if patterns is None else _compiled(patterns)


def _set(words: tuple[str, ...] | None) -> Callable[[str], object] | None:
    return None if words is None else frozenset(words).__contains__


def unmet(match: Match, subject: Subject) -> tuple[str, ...]:
    """Return the keys of a match that do not hold for a subject, in their order; none means that it matches."""
    wanted = ((key, getattr(match, key)) for key in Match.__struct_fields__)
    return tuple(key for key, each in wanted if each is not None and not _met(key, each, subject))


def _met(key: str, wanted: Any, subject: Subject) -> bool:  # noqa: ANN401 - the type of each key
    value = getattr(subject, key)
    if key in WORDS:
        return bool(_compiled(wanted)(value))
    if key == "tools":
        return any(map(_compiled(wanted), value))
    if key == "tags":
        return all(tag in value and _compiled(globs)(value[tag]) for tag, globs in wanted.items())
    if key == "flags":
        return any(flag in wanted for flag in value)
    return value in wanted if key == "billing" or key in RANGES else bool(value == wanted)


def never_decides(policies: Sequence[Policy]) -> dict[str, dict[str, str]]:
    """Return, for each policy, the actions that it can never decide, with the earlier policy that always does before.

    Only what is sure is named: an enforced policy without `when`, dates or a partial roll-out, whose match covers the
    later one's.
    """
    found: dict[str, dict[str, str]] = {}
    for i, policy in enumerate(policies):
        if policy.mode == "off":
            continue
        for action in named(policy.then):
            before = (other for other in policies[:i] if action in named(other.then) and _always_before(other, policy))
            if (culprit := next(before, None)) is not None:
                found.setdefault(policy.name, {})[action] = culprit.name
    return found


def _always_before(earlier: Policy, later: Policy) -> bool:
    return (
        earlier.mode == "enforce"
        and earlier.when is None
        and earlier.since is None
        and earlier.until is None
        and earlier.rollout.percent == EVERYTHING
        and all(_covers(key, getattr(earlier.match, key), getattr(later.match, key)) for key in _KEYS)
    )


def _covers(key: str, wide: Any, narrow: Any) -> bool:  # noqa: ANN401 - the type of each key
    """Say whether everything that fits one value of a key fits another, as far as that is sure."""
    if wide is None or wide == narrow:
        return True
    if narrow is None:
        return False
    if key in (*WORDS, "tools"):
        return _covers_globs(wide, narrow)
    if key in RANGES:
        low, high = wide.at_least or 0, wide.below
        return (narrow.at_least or 0) >= low and (high is None or (narrow.below is not None and narrow.below <= high))
    if key == "tags":
        return all(tag in narrow and _covers_globs(globs, narrow[tag]) for tag, globs in wide.items())
    return key in ("billing", "flags") and set(narrow) <= set(wide)


def _covers_globs(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    others = [pattern for pattern in narrow if pattern not in wide]
    globs = tuple(pattern for pattern in wide if "*" in pattern and is_exact(pattern.replace("*", "")))
    if not others or not globs:
        return not others
    test = _compiled(globs)
    return all("[" not in pattern and bool(test(pattern)) for pattern in others)


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << i for i, flag in enumerate(flags) if flag)


_KEYS: Final = Match.__struct_fields__
_compiled = lru_cache(maxsize=_PATTERNS_COMPILED)(matcher)
