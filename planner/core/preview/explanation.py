"""Why a policy decides, or does not: which of its keys fails, where its portions cut, who stands before it.

Says in words what `PolicySet.decide` has decided: who has the word is read from its rulings, and nothing is decided
here. Why a policy is not for a request is looked up key by key; a property test holds the two together.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal

import msgspec

from planner.core.decisions.subject import subject, values
from planner.core.facts import Facts
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.conditions import TYPES, ConditionError, bind, compile_condition
from planner.core.rulebook.policies import Match, Policy, Range, Ruling, Rulings, Subject, falls_in, in_force, named
from planner.core.rulebook.policyset import RANGES, PolicySet
from planner.core.rulebook.policyset import unmet as failing
from planner.core.wire import MessagesRequest

Cut = Literal["in", "out"]
End = Literal["decides", "holds-out", "would-decide", "pre-empted", "refused"]
Values = Callable[[], Mapping[str, Any]]

GATE: Final = frozenset({"deny", "on_disconnect", "tags"})
"""Keys of `then` that are decided of a request which is refused, too."""

_WORD: Final = re.compile(r"(?<![\w.\"'])[a-z_]+\b")


class Unmet(msgspec.Struct, frozen=True):
    """Something that a policy asks for and the request has not: what it wants, of which any would do, and what is seen.

    `key` is a key of `match` (of tags with theirs: `tags.feature`), `when`, `from` or `until`. What is seen of an
    expression are the variables that it asks for.
    """

    key: str
    wanted: tuple[str, ...]
    seen: tuple[str, ...] = ()
    error: str | None = None

    def text(self) -> str:
        """In words."""
        wanted, seen = " or ".join(self.wanted), ", ".join(value for value in self.seen if value)
        if self.error is not None:
            return f"its when cannot be evaluated ({self.error}), which is no match: {wanted}"
        if self.key == "when":
            return f"its when is false: {wanted}{f' ({seen})' if seen else ''}"
        if self.key in {"from", "until"}:
            return f"it holds {'from' if self.key == 'from' else 'before'} {wanted}, and this is {seen}"
        if self.key in {"tools", "flags"}:
            return f"none of its {self.key} is {wanted}: {seen or 'it has none'}"
        if self.key in RANGES:
            return f"{self.key} is {seen}, not {wanted}"
        return f'{self.key} is "{seen}", not {wanted}' if seen else f"it has no {self.key}, and {wanted} is wanted"


class Standing(msgspec.Struct, frozen=True):
    """How a policy ended for one action that it names.

    `by` is the policy that decided before, or that refuses the request; `message` are the words of a `deny`.
    """

    action: str
    end: End
    by: str | None = None
    message: str | None = None

    def text(self) -> str:
        """In words."""
        said = "" if self.message is None else f', saying "{self.message}"'
        match self.end:
            case "decides":
                return f"{self.action}: decides{said}"
            case "holds-out":
                return f"{self.action}: decides, and its hold-out leaves the request untouched"
            case "would-decide":
                return f"{self.action}: would decide, were it enforced{said}"
            case "pre-empted":
                return f'{self.action}: matches, but "{self.by}" stands before it and decides'
            case "refused":
                return f'{self.action}: matches, but is not asked for, since "{self.by}" refuses the request'


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One policy before one request: `unmet` is empty exactly when it is for it; portions are those of its name.

    Of a policy that is `off` the `when` is not asked.
    """

    name: str
    why: str
    mode: str
    names: tuple[str, ...]
    unmet: tuple[Unmet, ...]
    rollout: Cut
    holdout: Cut
    actions: tuple[Standing, ...]

    @property
    def matched(self) -> bool:
        """Whether the policy is for this request, wherever its portions cut."""
        return not self.unmet

    @property
    def decides(self) -> bool:
        """Whether it has the word on any action, in shadow included."""
        return any(each.end not in {"pre-empted", "refused"} for each in self.actions)

    def reasons(self, action: str | None = None) -> Iterator[str]:
        """How it came to that, a sentence each, for all actions or one key of `then`."""
        if self.mode == "off":
            yield "is off"
        elif self.unmet:
            yield from (f"does not match: {each.text()}" for each in self.unmet)
        elif self.rollout == "out":
            yield "matches, but the roll-out leaves this request out"
        else:
            yield from (each.text() for each in self.actions if action in {None, each.action})


def judge(request: MessagesRequest, facts: Facts, book: RuleBook) -> tuple[Judged, ...]:
    """Every policy of a book before one request, in their order, with how it ended and why.

    Where one refuses the request, nothing is decided of its bytes, whoever would have had the word.
    """
    seen = subject(request, facts)
    judged = _judged(book.policies, book.ruling, seen, lambda: values(seen, request, facts, book))
    denies = (each.name for each in judged for one in each.actions if (one.action, one.end) == ("deny", "decides"))
    refuser = None if facts.observing else next(denies, None)
    return judged if refuser is None else tuple(_unasked(each, refuser) for each in judged)


def judge_policies(policies: Sequence[Policy], seen: Subject, variables: Values = dict) -> tuple[Judged, ...]:
    """Every policy in its order, before what can be seen of a request; `variables` are those of `when`."""
    return _judged(policies, PolicySet(policies), seen, variables)


def _judged(policies: Sequence[Policy], ruling: PolicySet, seen: Subject, variables: Values) -> tuple[Judged, ...]:
    rulings = ruling.decide(seen, variables)
    return tuple(_judge(policy, rulings, seen, variables) for policy in policies)


def unmet(match: Match, seen: Subject) -> tuple[Unmet, ...]:
    """The keys of a match that do not hold for a subject, in the order in which they are documented."""
    return tuple(found for key in failing(match, seen) for found in _unmet(match, key, seen))


def _unasked(judged: Judged, refuser: str) -> Judged:
    """A policy before a request that is refused: what it says of the bytes is not asked for."""
    actions = tuple(
        each if each.action in GATE or each.end == "pre-empted" else Standing(each.action, "refused", refuser)
        for each in judged.actions
    )
    return msgspec.structs.replace(judged, actions=actions)


def _unmet(match: Match, key: str, seen: Subject) -> Iterator[Unmet]:
    wanted, value = getattr(match, key), getattr(seen, key)
    if key == "tags":
        for tag, globs in wanted.items():
            if failing(Match(tags={tag: globs}), seen):
                yield Unmet(f"tags.{tag}", globs, (value[tag],) if tag in value else ())
    elif isinstance(wanted, Range):
        yield Unmet(key, (_range(wanted),), (f"{value:g}",))
    elif isinstance(wanted, bool):
        yield Unmet(key, (str(wanted).lower(),), (str(value).lower(),))
    else:
        yield Unmet(key, wanted, value if isinstance(value, tuple) else (value,))


def _judge(policy: Policy, rulings: Rulings, seen: Subject, variables: Values) -> Judged:
    failed = (*unmet(policy.match, seen), *_dates(policy, seen.day))
    if policy.mode != "off" and policy.when is not None and not failed:
        failed = tuple(_asked(policy.when, variables()))
    inside = falls_in(policy.name, "rollout", policy.rollout, seen)
    speaks = policy.mode != "off" and not failed and inside
    return Judged(
        name=policy.name,
        why=policy.why,
        mode=policy.mode,
        names=named(policy.then),
        unmet=failed,
        rollout="in" if inside else "out",
        holdout="in" if falls_in(policy.name, "holdout", policy.holdout, seen) else "out",
        actions=tuple(_standing(policy, action, rulings) for action in named(policy.then)) if speaks else (),
    )


def _standing(policy: Policy, action: str, rulings: Rulings) -> Standing:
    """How a policy that is for the request ended for an action, by the ruling on it."""
    ruling: Ruling[Any] = getattr(rulings, action)
    if ruling.policy == policy.name:
        return Standing(action, "holds-out") if ruling.held_out else _speaking(policy, action, "decides")
    if any(each.policy == policy.name for each in ruling.shadow):
        return _speaking(policy, action, "would-decide")
    return Standing(action, "pre-empted", ruling.policy)


def _speaking(policy: Policy, action: str, end: End) -> Standing:
    return Standing(action, end, message=policy.then.deny if action == "deny" else None)


def _dates(policy: Policy, day: date) -> Iterator[Unmet]:
    if in_force(policy, day):
        return
    key, limit = ("until", policy.until) if policy.since is None or policy.since <= day else ("from", policy.since)
    yield Unmet(key, (str(limit),), (str(day),))


def _asked(text: str, variables: Mapping[str, Any]) -> Iterator[Unmet]:
    """An expression that does not hold, with the values of the variables in it."""
    asked = dict.fromkeys(name for name in _WORD.findall(text) if name in TYPES)
    seen = tuple(f"{name} = {msgspec.json.encode(variables[name]).decode()}" for name in asked)
    try:
        if not compile_condition(text).holds(bind(variables)):
            yield Unmet("when", (text,), seen)
    except ConditionError as error:
        yield Unmet("when", (text,), seen, str(error))


def _range(wanted: Range) -> str:
    least = None if wanted.at_least is None else f"at least {wanted.at_least:g}"
    below = None if wanted.below is None else f"below {wanted.below:g}"
    return " and ".join(each for each in (least, below) if each)
