"""What one ledger entry adds to the hourly sums, and how sums are added up: days, months and reports are sums of these.

    sums of all entries = sum of the parts, in whatever order and however they are cut

An amount is an exact integer under a name; a name that is missing is 0. New names need no new schema. Money is in
nano-dollars, durations in milliseconds or microseconds as their names say. The names, each for the requests of a cell:

- `conversations` that began, `conversation_nano` that the requests of conversations cost, whenever these began
- `requests`, `corrections`, `attempts`, `batch_results`; `batch_requests` of batches that were made: by decision these
  stand where each kind was decided, and all else of a batch where it was decided taken together
- `tokens.<class>`, `web_searches`
- `code_requests` in which code could run, and their `code_runs`
- `nano.<kind>`, `list.<kind>`: lines at contracted and at list price; the allowance credit is `nano.allowance_credit`
- `estimated_nano`: how much of the contracted cost stands in lines that are estimated
- `untouched_nano`: what the same work would have cost without our edits, of the `untouched_known` requests of which
  that is known; these cost `compared_nano`, so that what was saved is the one less the other
- `expected_untouched_nano`, `expected_planned_nano`: as expected when it was decided, of `expected_known` requests
- `container_ms.low`, `.likely`, `.high`; of what is likely `code_ms.<charge>` by how it bills; `charged_ms`,
  `credited_ms` as in the lines; `hours_ms`, `untouched_hours_ms` that count toward the free hours;
  `container_starts`, `container_reuses`
- `container_losses` of containers that were named, `replays` without what the API refused of ours
- `avoided.bundle`, `.container`: minimums that our edits spared, and what these would have cost, `avoided_nano`;
  `start_saved_ms` that new containers are believed to take to start
- `unpriced.<reason>`: requests whose cost is unknown
- `latency_us` over `latencies`, `first_byte_us` over `first_bytes`, `overhead_us` over `latencies`

Subscription traffic is not billed by the token. Whatever it used stands under the same names behind `notional.`, so
that no sum of money, tokens or hours can take it for billed; `requests`, `attempts` and latencies count everything.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from planner.core.ledger.entry import Entry, Shadow
from planner.core.pricing.prices import CODE, CREDIT
from planner.core.reasons import Decision, Reason

NOTIONAL: Final = "notional."
NANO: Final = "nano."
LIST: Final = "list."
TOKENS: Final = "tokens."
UNPRICED: Final = "unpriced."
AVOIDED: Final = "avoided."
RAN: Final = "code_ms."
"""What a name begins with; what follows is a kind of line, a token class, a reason, what spared a minimum, or how
container time bills."""
BATCH_REQUESTS: Final = "batch_requests"

_MICROSECONDS: Final = 1_000_000
_HOUR: Final = len("2026-11-22T12")
_REST_OF_HOUR: Final = ":00:00.000000+00:00"

Amounts = dict[str, int]
"""Exact integers by name; none of them is 0 where it was made here."""


class Key(NamedTuple):
    """Where the amounts of a request stand: its hour (RFC 3339 UTC) and what is told of it; unknown is empty."""

    hour: str
    organization: str
    workspace: str
    team: str
    project: str
    principal: str
    model: str
    endpoint: str
    outcome: str


class TagKey(NamedTuple):
    """Where they stand by tag; a request has a cell for each of its tags, so cells of different tags do not add up."""

    hour: str
    organization: str
    team: str
    tag: str
    value: str


class DecisionKey(NamedTuple):
    """Where they stand by decision; a request has one cell for each action, so those of one action add up."""

    hour: str
    organization: str
    team: str
    action: str
    outcome: str
    reason: str
    policy: str


class ShadowKey(NamedTuple):
    """Where stands what policies in shadow would have done: `requests` and what was expected, nothing else."""

    hour: str
    organization: str
    team: str
    action: str
    outcome: str
    reason: str
    policy: str


class DecisionModelKey(NamedTuple):
    """Where they stand by decision and model, which is named as in `Key`; versions before kept none of these."""

    hour: str
    organization: str
    team: str
    model: str
    action: str
    outcome: str
    reason: str
    policy: str


class ShadowModelKey(NamedTuple):
    """Where stands what policies in shadow would have done, by model."""

    hour: str
    organization: str
    team: str
    model: str
    action: str
    outcome: str
    reason: str
    policy: str


KINDS: Final = (Key, TagKey, DecisionKey, ShadowKey, DecisionModelKey, ShadowModelKey)
K = TypeVar("K", Key, TagKey, DecisionKey, ShadowKey, DecisionModelKey, ShadowModelKey)


class Rollup(msgspec.Struct, frozen=True):
    """Amounts by key: of everything, by tag, by decision, by shadow, and the last two by model as well."""

    requests: dict[Key, Amounts] = msgspec.field(default_factory=dict)
    tags: dict[TagKey, Amounts] = msgspec.field(default_factory=dict)
    decisions: dict[DecisionKey, Amounts] = msgspec.field(default_factory=dict)
    shadows: dict[ShadowKey, Amounts] = msgspec.field(default_factory=dict)
    decision_models: dict[DecisionModelKey, Amounts] = msgspec.field(default_factory=dict)
    shadow_models: dict[ShadowModelKey, Amounts] = msgspec.field(default_factory=dict)

    @classmethod
    def made(cls, cells: Callable[[type[Any]], dict[Any, Amounts]]) -> "Rollup":
        """Sums of which the cells of each kind are told by a function."""
        return cls(*map(cells, KINDS))

    def of(self, kind: type[K]) -> dict[K, Amounts]:
        """The amounts by keys of one kind."""
        found: dict[K, Amounts] = getattr(self, self.__struct_fields__[KINDS.index(kind)])
        return found

    def __add__(self, other: "Rollup") -> "Rollup":
        return Rollup.made(lambda kind: merged(self.of(kind), other.of(kind)))


def rollup(entries: Iterable[Entry]) -> Rollup:
    """What these entries add together; an open intent adds nothing, for it is not known yet what it will add."""
    summed = Rollup()
    alike: dict[object, tuple[Entry, Amounts]] = {}
    for entry in entries:
        if entry.outcome == "unknown":
            continue
        amounts = _amounts(entry)
        if entry.shadows or entry.batch is not None:  # each of these enters more than its amounts
            _enter(summed, entry, amounts)
            continue
        where = (_key(entry), *entry.tags.items(), entry.decisions)
        _, together = alike.setdefault(where, (entry, {}))  # most of a busy moment enter the same cells: together
        add(together, amounts)
    for entry, amounts in alike.values():
        _enter(summed, entry, amounts)
    return summed


def hour_of(at: str) -> str:
    """The first moment of the hour (RFC 3339 UTC) of a moment, written like the moments of the ledger."""
    return at[:_HOUR] + _REST_OF_HOUR


def merged(one: Mapping[K, Amounts], other: Mapping[K, Amounts]) -> dict[K, Amounts]:
    """The sums of two mappings."""
    sums = {key: dict(amounts) for key, amounts in one.items()}
    for key, amounts in other.items():
        add(sums.setdefault(key, {}), amounts)
    return sums


def add(into: Amounts, amounts: Mapping[str, int]) -> None:
    """Add amounts to others in place; what comes to 0 is left out."""
    for name, amount in amounts.items():
        total = into.get(name, 0) + amount
        if total:
            into[name] = total
        else:
            into.pop(name, None)


def cost_nano(amounts: Mapping[str, int]) -> int:
    """The contracted cost of everything billed and priced, the allowance credit taken off."""
    return sum(amount for name, amount in amounts.items() if name.startswith(NANO))


def list_nano(amounts: Mapping[str, int]) -> int:
    """The same at list price."""
    return sum(amount for name, amount in amounts.items() if name.startswith(LIST))


def saved_nano(amounts: Mapping[str, int]) -> int:
    """What our edits saved, of those requests of which it is known what they would have cost without."""
    return amounts.get("untouched_nano", 0) - amounts.get("compared_nano", 0)


def is_notional(entry: Entry) -> bool:
    """Whether an entry is not billed by the token: its lines say so, or what was decided where it has none."""
    return any(line.basis == "notional" for line in entry.lines) or any(
        decision.reason is Reason.SUBSCRIPTION for decision in entry.decisions
    )


def _key(entry: Entry) -> Key:
    model = entry.served_model or entry.model
    where = (entry.organization, entry.workspace, entry.team, entry.project, entry.principal, model)
    return Key._make((hour_of(entry.at), *(word or "" for word in where), entry.endpoint, entry.outcome))


def _enter(into: Rollup, entry: Entry, amounts: Amounts) -> None:
    """Add the amounts of an entry wherever they stand."""
    key = _key(entry)
    hour, organization, team, model = key.hour, key.organization, key.team, key.model
    add(into.requests.setdefault(key, {}), amounts)
    for tag, value in entry.tags.items():
        add(into.tags.setdefault(TagKey(hour, organization, team, tag, value), {}), amounts)
    for decision, decided_model, part in _decided(entry, model, amounts):
        words, where = _words(decision), (hour, organization, team)
        add(into.decisions.setdefault(DecisionKey(*where, *words), {}), part)
        add(into.decision_models.setdefault(DecisionModelKey(*where, decided_model, *words), {}), part)
    front = NOTIONAL if is_notional(entry) else ""
    for shadow in entry.shadows:
        found: Amounts = {"requests": 1}
        if shadow.expected_nano is not None:
            untouched = shadow.expected_nano.untouched
            planned = shadow.expected_nano.planned if shadow.acts else untouched
            found |= _expected(front, untouched, planned)
        words = _words(shadow)
        add(into.shadows.setdefault(ShadowKey(hour, organization, team, *words), {}), found)
        add(into.shadow_models.setdefault(ShadowModelKey(hour, organization, team, model, *words), {}), found)


def _decided(entry: Entry, model: str, amounts: Amounts) -> Iterator[tuple[Decision, str, Amounts]]:
    """The decisions of an entry, the first of each action, with their model and what stands under them."""
    made = None if entry.batch is None else entry.batch.made
    whole = {name: amount for name, amount in amounts.items() if made is None or name != BATCH_REQUESTS}
    for decision in _firsts(entry.decisions):
        yield decision, model, whole
        for kind in () if made is None else made.kinds:
            for each in _firsts(kind.decisions):
                if each.action is decision.action:
                    yield each, kind.model or "", {BATCH_REQUESTS: kind.requests}


def _firsts(decisions: tuple[Decision, ...]) -> Iterable[Decision]:
    return {each.action: each for each in reversed(decisions)}.values()


def _words(said: Decision | Shadow) -> tuple[str, str, str, str]:
    """Action, outcome, reason and policy."""
    reason = "" if said.reason is None else said.reason.value
    return said.action.value, said.outcome.value, reason, said.policy or ""


def _amounts(entry: Entry) -> Amounts:
    """What an entry adds, by name; no two parts of it share one."""
    front = NOTIONAL if is_notional(entry) else ""
    if entry.corrects is None:
        found = {"requests": 1, "attempts": entry.attempts, f"{front}requests": 1} | _latency(entry)
        if entry.batch is not None and entry.batch.made is not None:
            found[BATCH_REQUESTS] = entry.batch.made.requests
        found |= {"container_losses": int(entry.lost is not None), "replays": int(entry.replayed is not None)}
    else:
        found = {"corrections": 1}
    used = _tokens(entry) | _money(entry) | _container(entry) | _conversation(entry)
    if entry.expected_nano is not None and entry.corrects is None:
        used |= _expected("", entry.expected_nano.untouched, entry.expected_nano.planned)
    found |= {front + name: amount for name, amount in used.items()} if front else used
    return {name: amount for name, amount in found.items() if amount}


def _conversation(entry: Entry) -> Amounts:
    """Of requests whose conversation is known by their shape; a correction has none."""
    if entry.shape is None:
        return {}
    return {"conversations": int(entry.shape.begins), "conversation_nano": entry.cost_nano or 0}


def _expected(front: str, untouched: int, planned: int) -> Amounts:
    return {
        f"{front}expected_untouched_nano": untouched,
        f"{front}expected_planned_nano": planned,
        f"{front}expected_known": 1,
    }


def _latency(entry: Entry) -> Amounts:
    latency = entry.latency
    if latency is None:
        return {}
    found = {"latencies": 1, "latency_us": _round(latency.total), "overhead_us": _round(latency.overhead)}
    if latency.first_byte is not None:
        found |= {"first_bytes": 1, "first_byte_us": _round(latency.first_byte)}
    return found


def _round(seconds: float, per: int = _MICROSECONDS) -> int:
    return round(seconds * per)


class _ServerTools(msgspec.Struct, frozen=True):
    web_search_requests: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    server_tool_use: _ServerTools | None = None


_usage: Final = msgspec.json.Decoder(_Usage | None)


def _searches(entry: Entry) -> int:
    """Web searches as they are billed; of a request without a price, as its usage tells them."""
    billed = [line.quantity for line in entry.lines if line.kind == "web_search"]
    if billed or entry.lines:
        return sum(int(quantity) for quantity in billed)
    try:
        usage = _usage.decode(entry.usage)
    except msgspec.MsgspecError:  # usage is kept as it came, and what came may be anything
        return 0
    return 0 if usage is None or usage.server_tool_use is None else usage.server_tool_use.web_search_requests or 0


def _tokens(entry: Entry) -> Amounts:
    found: Amounts = {"web_searches": _searches(entry)}
    if entry.tokens is not None:
        found |= {TOKENS + name: getattr(entry.tokens, name) for name in entry.tokens.__struct_fields__}
    if entry.batch is not None:
        found["batch_results"] = entry.batch.results - entry.batch.settled_before
    return found


def _money(entry: Entry) -> Amounts:
    found: Amounts = {}
    for line in entry.lines:
        add(found, {NANO + line.kind: line.nano, LIST + line.kind: line.listed})
        if line.basis == "estimated":
            add(found, {"estimated_nano": line.nano})
        if line.kind in _TIMED:
            add(found, {_TIMED[line.kind]: line.milliseconds})
    if entry.unpriced is not None:
        found[UNPRICED + entry.unpriced] = 1
    if entry.untouched_nano is not None and entry.cost_nano is not None:
        found |= {"untouched_nano": entry.untouched_nano, "compared_nano": entry.cost_nano}
        found["untouched_known"] = 1 if entry.corrects is None else 0
    return found


_TIMED: Final = {CODE: "charged_ms", CREDIT: "credited_ms"}
"""Lines of container time: their quantities are seconds, kept exact here as milliseconds."""


def _container(entry: Entry) -> Amounts:
    code = entry.code
    if code is None:
        return {}
    found: Amounts = {
        "container_ms.low": _round(code.seconds.low, 1_000),
        "container_ms.likely": _round(code.seconds.likely, 1_000),
        "container_ms.high": _round(code.seconds.high, 1_000),
        RAN + code.charge: _round(code.seconds.likely, 1_000),
        "code_runs": code.runs,
        "code_requests": 1 if entry.corrects is None else 0,
        "hours_ms": code.hours_ms,
        "untouched_hours_ms": code.untouched_hours_ms,
    }
    if code.avoided_nano is not None:
        found |= {f"{AVOIDED}{code.avoided_by}": 1, "avoided_nano": code.avoided_nano}
    found["start_saved_ms"] = code.start_saved_ms
    if entry.container is not None and entry.corrects is None:
        found["container_reuses" if entry.warm else "container_starts"] = 1
    return found
