"""The requests of a message batch: sorted by likeness, decided once for all that are alike, edited where they stand.

A batch holds up to 100,000 requests [A], and most of them differ in a few words: what a decision can turn on is the
same. So those are decided together that share model, tools, system and options and whose prompts are about as long,
by the longest and the shortest of them where an edge is near. A rewrite that is wrong shows hours later, when the batch
is processed, so the rules are stricter than live ones:

- nothing is decided but under the setting `batches.edits`, and then only an edit that is *proven*: the API took the
  same one in a live request of this workspace and model within `batches.proven_days`;
- it must be likelier to save money (`batches.confidence`), with its tokens taken as never cached, and nothing is tried
  out for what it would teach;
- no container is put in: by the time the batch is processed it may be gone;
- the edit of a conversation is repeated, as everywhere: without it, its thinking would be refused.

Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing, checked 2026-11-22.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from math import log2
from typing import Final

import msgspec
from msgspec import Raw

from planner.core import splice
from planner.core.containers import preloads
from planner.core.conversations import Scope, ToolEdit, begins, digest_of, root_key
from planner.core.decisions.bundle import frees_code
from planner.core.decisions.worth import MOST_BYTES, USUAL_BYTES, see
from planner.core.facts import Facts
from planner.core.learning.scale import Prompt
from planner.core.ledger.batched import Kind, Made, member
from planner.core.plan import Plan, concerns, gates, plan_whole
from planner.core.reasons import EVERY_TIME, Action, Decision, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.splice import Edit, Place, SpliceError
from planner.core.wire import MessagesRequest, WireError

MOST_REQUESTS: Final = 100_000
"""https://platform.claude.com/docs/en/build-with-claude/batch-processing, checked 2026-11-22 [A]."""
MOST_SIZES: Final = 2_000
"""Groups up to which prompts are told apart to the byte where a policy asks how long they are. Ours."""
CLASSES: Final = 4
"""Classes of length in which a prompt doubles. Ours: within one, prompts differ by less than their estimate errs."""
_ASKED: Final = (*EVERY_TIME, Action.WEB, Action.DENY)
"""What is decided for requests of a batch: how it is recorded, and what a hang-up ends, is not."""
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Group(msgspec.Struct):
    """Requests that are alike: the longest of them, their places in the batch and their names, and their sizes."""

    request: MessagesRequest
    numbers: list[int] = []
    names: list[str] = []
    smallest: int = 0
    total: int = 0

    @property
    def prompt(self) -> Prompt:
        """How long their prompts are: bounds of all of them, and what is likely of one."""
        prompt = see(self.request)
        mean = self.total / max(len(self.numbers), 1)
        return msgspec.structs.replace(prompt, tokens=mean / USUAL_BYTES, fewest=self.smallest / MOST_BYTES)

    def take(self, number: int, name: str, request: MessagesRequest) -> None:
        """One more request."""
        size = len(request.body)
        if not self.numbers or size > len(self.request.body):
            self.request = request
        self.smallest = min(self.smallest, size) if self.numbers else size
        self.total += size
        self.numbers.append(number)
        self.names.append(name)


class Sorted(msgspec.Struct):
    """The requests of a batch: those that begin a conversation, or run no code, by group, and the others one by one."""

    groups: list[Group]
    middles: list[Group]

    @property
    def all(self) -> list[Group]:
        """All of them."""
        return [*self.groups, *self.middles]


class Ruled(msgspec.Struct, frozen=True):
    """What was decided for a group; `added` are the input tokens that its edit is believed to add to each iteration."""

    group: Group
    plan: Plan
    added: float | None = None


class _Entry(msgspec.Struct):
    custom_id: str
    params: Raw


class _Body(msgspec.Struct):
    requests: list[_Entry]


_BODY: Final = msgspec.json.Decoder(_Body)


def sort_out(body: bytes, book: RuleBook) -> Sorted:
    """Read a batch and sort its requests. Raises WireError for what the API will refuse as a batch."""
    entries = _entries(body)
    exact = book.ruling.conditional or any(policy.match.prompt_tokens is not None for policy in book.policies)
    found = _sorted(entries, book, exact=exact)
    return found if not exact or len(found.groups) <= MOST_SIZES else _sorted(entries, book, exact=False)


def plan_strictly(request: MessagesRequest, facts: Facts, book: RuleBook, proven: Callable[[ToolEdit], bool]) -> Plan:
    """The plan of one request of a batch: an edit that is new and not proven is only shown."""
    plan, known = plan_whole(request, facts, book), facts.conversation
    repeated = known is not None and plan.tool_edit == known.edit
    if repeated or plan.tool_edit.empty or facts.undecided is not None or proven(plan.tool_edit):
        return plan
    return plan_whole(request, msgspec.structs.replace(facts, undecided=Reason.UNPROVEN), book)


def proof_key(scope: Scope, model: str, edit: ToolEdit) -> str:
    """What an edit is proven under, once a request with it was answered."""
    return digest_of(b"proof", scope.organization.encode(), scope.workspace.encode(), model.encode(), _spelled(edit))


def edited(body: bytes, edits: Mapping[int, Sequence[Edit]], principal: str) -> tuple[bytes, dict[int, str]]:
    """The batch with the requests at these places edited, and the roots of the conversations that begin so.

    A request that cannot be edited without doubt is left as it came, and has no root.

    Raises:
        SpliceError: the batch itself could be read in two ways.
    """
    top = splice.whole(body)
    if "requests" in top.repeated or "requests" not in top.members:
        raise SpliceError("The key `requests` is missing, or written twice.")
    items = splice.array_at(body, top.members["requests"], MOST_REQUESTS).items
    patches: list[splice.Patch] = []
    roots: dict[int, str] = {}
    for number, wanted in edits.items():
        place = _params(body, items[number])
        if place is None:
            continue
        params = body[place.start : place.end]
        try:
            new = splice.apply(params, wanted).body
        except SpliceError:
            continue
        patches.append(splice.Patch(place.start, place.end, new))
        roots[number] = root_key(MessagesRequest.parse(params), principal)
    return splice.patched(body, patches).body, roots


def made_of(ruled: Iterable[Ruled], book: RuleBook) -> Made:
    """What the ledger keeps of a batch: its kinds, the largest first."""
    kinds: dict[Hashable, Kind] = {}
    members: dict[Hashable, list[str]] = {}
    for each in ruled:
        kind = _kind(each, book)
        key = msgspec.json.encode(msgspec.structs.replace(kind, requests=0, untouched_nano=None, planned_nano=None))
        kinds[key] = _joined(kinds[key], kind) if key in kinds else kind
        members.setdefault(key, []).extend(each.group.names)
    largest = sorted(kinds, key=lambda key: -kinds[key].requests)
    return Made(
        tuple(
            msgspec.structs.replace(kinds[key], members="".join(map(member, members[key])) if place else "")
            for place, key in enumerate(largest)
        )
    )


def summary(ruled: Sequence[Ruled]) -> tuple[Decision, ...]:
    """One decision an action for a whole batch: what was done to any, else what would be, else what most got."""
    found: list[Decision] = []
    for action in _ASKED:
        counts: dict[Decision, int] = {}
        for each in ruled:
            for decision in each.plan.decisions:
                if decision.action is action:
                    counts[decision] = counts.get(decision, 0) + len(each.group.numbers)
        if counts:
            found.append(max(counts, key=lambda decision: (_weight(decision), counts[decision])))
    return tuple(found)


def _entries(body: bytes) -> list[_Entry]:
    try:
        entries = _BODY.decode(body).requests
    except _UNREADABLE as error:
        raise WireError("The body is no batch of requests.") from error
    if len(entries) > MOST_REQUESTS:
        raise WireError("The batch has more requests than the API takes.")
    return entries


def _sorted(entries: Iterable[_Entry], book: RuleBook, *, exact: bool) -> Sorted:
    groups: dict[Hashable, Group] = {}
    middles: list[Group] = []
    gated = book.ruling.names("deny", "tags", "on_disconnect")
    for number, entry in enumerate(entries):
        request = _read(bytes(entry.params))
        concerned = concerns(request, book)
        if concerned and not begins(request):
            alone = Group(request)
            alone.take(number, entry.custom_id, request)
            middles.append(alone)
            continue
        key: Hashable = _plain(request, book)
        if concerned or gated or gates(request, book):
            key = _likeness(request, book, exact=exact)
        if key not in groups:
            groups[key] = Group(request)
        groups[key].take(number, entry.custom_id, request)
    return Sorted(list(groups.values()), middles)


def _read(params: bytes) -> MessagesRequest:
    """A request of a batch; of one that cannot be read nothing is known, and the API will say what is wrong with it."""
    try:
        return MessagesRequest.parse(params)
    except WireError:
        return MessagesRequest(body=params)


def _likeness(request: MessagesRequest, book: RuleBook, *, exact: bool) -> Hashable:
    """All of a request that a decision can turn on, its length to its class, or exactly."""
    size = len(request.body)
    return (
        request.written_prefix,
        begins(request),
        request.stream,
        request.max_tokens,
        request.tool_choice,
        request.container,
        request.thread,
        request.speed,
        request.inference_geo,
        request.service_tier,
        request.breakpoints.after_tools,
        request.long_cache,
        bool(request.uploads),
        preloads(request, book.settings.code),
        size if exact else round(log2(size) * CLASSES),
    )


def _plain(request: MessagesRequest, book: RuleBook) -> Hashable:
    """All that the money of a request turns on for which nothing is decided; how much it may be, only budgets ask."""
    bounds: Hashable = None
    if book.budgets:
        marks = request.breakpoints.cover_tools or any(tool.cache_control for tool in request.tools)
        size = round(log2(len(request.body)) * CLASSES)
        bounds = (size, request.max_tokens, request.speed, request.inference_geo, marks, request.long_cache)
    return request.model, preloads(request, book.settings.code), bounds


def _kind(ruled: Ruled, book: RuleBook) -> Kind:
    request, plan, count = ruled.group.request, ruled.plan, len(ruled.group.numbers)
    expected = plan.expected
    return Kind(
        requests=count,
        model=request.model,
        decisions=tuple(each for each in plan.decisions if each.action in _ASKED),
        edit=plan.tool_edit,
        added=None if plan.tool_edit.empty else ruled.added,
        free=plan.free or frees_code(request.tools, plan.tool_edit, book),
        frees=frees_code(request.tools, ToolEdit(), book),
        tool_cached=request.breakpoints.after_tools,
        preloaded=preloads(request, book.settings.code),
        untouched_nano=None if expected is None else expected.untouched * count,
        planned_nano=None if expected is None else expected.planned * count,
    )


def _joined(one: Kind, other: Kind) -> Kind:
    return msgspec.structs.replace(
        one,
        requests=one.requests + other.requests,
        untouched_nano=_sum(one.untouched_nano, other.untouched_nano),
        planned_nano=_sum(one.planned_nano, other.planned_nano),
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _weight(decision: Decision) -> int:
    """What is told first of a batch: what was done, then what would be."""
    if decision.outcome is Outcome.APPLIED or decision.reason is Reason.REPEATED:
        return 2
    return 1 if decision.outcome is Outcome.SHADOW else 0


def _params(body: bytes, item: Place) -> Place | None:
    """Where the parameters of one request stand; None where they could be read in two ways."""
    try:
        found = splice.object_at(body, item)
    except SpliceError:
        return None
    return None if "params" in found.repeated else found.members.get("params")


def _spelled(edit: ToolEdit) -> bytes:
    return msgspec.json.encode(edit)
