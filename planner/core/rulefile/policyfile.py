"""`policies/*.yaml` becomes the policies, in the order of the files; none is without a reason or out of reach."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Final, Literal

import msgspec

from planner.core.findings import Level
from planner.core.rulebook.book import Callers
from planner.core.rulebook.catalog import Catalog, Text
from planner.core.rulebook.policies import (
    BundleRule,
    ContainerRule,
    DisconnectRule,
    Match,
    Parses,
    Policy,
    PolicyMode,
    Portion,
    TagKey,
    Then,
    WebRule,
    named,
)
from planner.core.rulebook.policyset import never_decides
from planner.core.rulefile.partial import Row
from planner.core.rulefile.policycheck import check, check_claims
from planner.core.rulefile.read import Reader, place, word
from planner.core.rulefile.tree import Node, Pairs


class ThenShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy decides about each action; what it does not name it leaves to the policies behind it.

    Attributes:
        bundle: whether code execution is made free with a web tool; one word, or a table that says by which means.
        tool_version: `keep`, `newest-compatible`, `pin` (nothing may change it), or the one version to declare.
        container: whether warm containers are threaded, within a conversation or within a caller's session.
        parses: formats that the client is known to read, so that versions may be raised beyond them.
        web: bounds for the web tools that the caller declares.
        on_disconnect: when the caller hangs up, close the upstream (`abort`) or read the answer to its end (`drain`).
        deny: refuse the request, with this message for the caller.
        tags: tags to record the request under; they beat the client's, and `callers.yaml` beats them.
    """

    bundle: Literal["never", "when-cheaper", "always"] | BundleRule | None = None
    tool_version: Text | None = None
    container: ContainerRule | None = None
    parses: tuple[Parses, ...] | None = None
    web: WebRule | None = None
    on_disconnect: DisconnectRule | None = None
    deny: Text | None = None
    tags: dict[TagKey, Text] | None = None


class PolicyShape(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `policies`.

    Attributes:
        name: how it is called in headers, ledger, metrics and findings.
        why: what it is for, in a sentence for whoever reads it in a year.
        mode: `enforce`, `shadow` (evaluated and reported beside the others), or `off`.
        match: which requests it is for; without it, all.
        when: a CEL expression over the documented variables, asked only where `match` holds; needs the extra `cel`.
        then: what it decides.
        rollout: the share of its requests that it is for; the rest falls through to the policies behind it.
        holdout: the share of its requests that is left untouched, to measure what it is worth.
        since: the first day on which it holds, from 00:00 UTC.
        until: the first day on which it does not hold any more.
    """

    name: Text
    why: Text
    mode: PolicyMode
    match: Match = Match()
    when: Text | None = None
    then: ThenShape
    rollout: Portion = Portion(100)
    holdout: Portion = Portion(0)
    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = None


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of `policies/`.

    Attributes:
        policies: in their order; for each action the first that matches and names it decides.
    """

    policies: tuple[PolicyShape, ...] = ()


_ORDERING: Final = frozenset(PolicyShape.__struct_fields__) - {"why", "holdout"}
"""What must be read to say whom a policy stands before."""


def read_policies(
    files: Iterable[tuple[Reader, Node | None]],
    catalog: Catalog | None,
    callers: Callers | None = None,
    *,
    shipped: Collection[Policy] = (),
    today: date | None = None,
) -> tuple[Policy, ...]:
    """Return the policies of all files that are whole; of the others what could be read is checked all the same.

    Names are checked against the catalog, and claims against the callers, where there are any; ends of policies
    against a day where one is given. A policy that is one of `shipped`, word for word, may stand where it is never
    reached: teams keep a copy of the shipped ones behind their own.
    """
    placed: list[tuple[Reader, Row[PolicyShape], Policy]] = []
    for reader, root in files:
        if reader.top(root, ("policies",)):
            for row in reader.all_rows(root, "policies", PolicyShape, lambda node: f'policy "{word(node, "name")}"'):
                policy = _policy(row)
                check(reader, row, policy, catalog)
                if callers is not None:
                    check_claims(reader, row.node, policy, callers.rows)
                if today is not None:
                    _check_end(reader, row.node, policy, today)
                placed.append((reader, row, policy))
    _check_twice(placed)
    _check_order([(reader, row.node, policy) for reader, row, policy in placed if _sure(row)], shipped)
    return tuple(policy for _, row, policy in placed if not row.lost)


def _policy(row: Row[PolicyShape]) -> Policy:
    """A policy; of a row that is not whole what was read of it, and nothing where that says nothing."""
    shape = row.value
    said: ThenShape | None = shape.then  # None where it is lost
    then = said or ThenShape()
    actions = {action: getattr(then, action) for action in Then.__struct_fields__}
    bundle = BundleRule(act=then.bundle) if isinstance(then.bundle, str) else then.bundle
    return Policy(
        name=word(row.node, "name"),
        why=shape.why,
        mode=shape.mode,
        match=shape.match,
        when=shape.when,
        then=Then(**{**actions, "bundle": bundle}),
        rollout=shape.rollout,
        holdout=shape.holdout,
        since=shape.since,
        until=shape.until,
    )


def _sure(row: Row[PolicyShape]) -> bool:
    """Whether all is known that says when a policy decides; a key that nobody reads may have been meant for that."""
    keys = {field.encode_name for field in msgspec.structs.fields(PolicyShape)}
    match = row.node.values.get("match")
    strange = set(row.node.keys) - keys
    if isinstance(match, Pairs):
        strange |= set(match.keys) - set(Match.__struct_fields__)
    return not strange and not row.lost & _ORDERING


def _check_end(reader: Reader, node: Pairs, policy: Policy, today: date) -> None:
    if policy.until is not None and policy.until <= today and policy.mode != "off":
        problem = f'it does not hold any more: "until" is {policy.until}'
        remedy = "Drop it, or give it another end."
        reader.find(place(node, "until"), "expired-policy", f'policy "{policy.name}"', problem, remedy, "warning")


def _check_twice(placed: list[tuple[Reader, Row[PolicyShape], Policy]]) -> None:
    """Find names that stand twice."""
    seen: dict[str, str] = {}
    for reader, row, policy in placed:
        here = f"{reader.path}:{row.node.line}"
        if "name" not in row.lost and seen.setdefault(policy.name, here) != here:
            problem = f"a policy of this name stands at {seen[policy.name]}"
            subject = f'policy "{policy.name}"'
            reader.find(place(row.node, "name"), "duplicate-name", subject, problem, "Name it differently.")


def _check_order(placed: list[tuple[Reader, Pairs, Policy]], shipped: Collection[Policy]) -> None:
    """Find policies that an earlier one leaves nothing to decide; of two with one name the first is looked at."""
    silenced = never_decides([policy for _, _, policy in placed])
    seen: set[str] = set()
    for reader, node, policy in placed:
        if policy.name in seen:
            continue
        seen.add(policy.name)
        subject = f'policy "{policy.name}"'
        lost = silenced.get(policy.name, {})
        if lost and set(lost) == set(named(policy.then)):
            problem = f'it can never decide: "{next(iter(lost.values()))}" stands before it and always does'
            remedy, level = _UNREACHABLE[policy in shipped]
            reader.find(node, "unreachable-policy", subject, problem, remedy, level)
            continue
        for action, culprit in lost.items():
            problem = f'its {action} is never asked for: "{culprit}" stands before it and always decides that'
            remedy = f"Leave {action} out, move the policy up, or narrow the other."
            reader.find(place(node, "then", action), "shadowed-action", subject, problem, remedy, "warning")


_UNREACHABLE: Final[dict[bool, tuple[str, Level]]] = {
    False: ("Move it up, or narrow the other.", "error"),
    True: ("It is as the planner ships it, and may stay; leave it out, or narrow the other.", "warning"),
}
