"""A small month on both sides: the ledger by the planner's own settlement, the bill by the simulator's own counting."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Any, Final

import msgspec

from planner.core.ledger.entry import Digests, Entry, Latency
from planner.core.ledger.shape import Shape
from planner.core.metering.usage import meter
from planner.core.reconcile.cells import CODE, NOTHING, SEARCH, TOKENS, Cell, plus
from planner.core.reconcile.ours import Ours
from planner.core.reconcile.statement import Found, reconcile
from planner.core.reconcile.theirs import Bill, CodeCost, Variant
from planner.core.rulebook.book import RuleBook
from planner.core.settlement import Sessions, Terms, settle
from planner.simulator.bill import Bill as Till
from planner.simulator.bill import Charge, Sample, Work
from planner.simulator.config import Switches, shipped_prices
from planner.simulator.hours import Use
from planner.simulator.prices import read as read_prices
from tests.doubles.simulated import rules

MONTH: Final = "2026-11"
START: Final = datetime(2026, 11, 1, tzinfo=UTC)
KNOWN: Final = datetime(2026, 12, 5, tzinfo=UTC)
ORGANIZATION: Final = "org-1"
KEYS: Final = {"team-a": "apikey_01A", "team-b": "apikey_01B"}
OWNERS: Final = {key: name for name, key in KEYS.items()}
STRANGER: Final = "apikey_01Stranger"
OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
LIMIT: Final = 2.0
"""Free hours: 24 minimums, which last some days."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `seconds` is how long its code really ran, `seen` how long the planner believes it did.

    Its tokens are those of `parts` sampling iterations that are alike; `rest` are the seconds that it took besides.
    `files` are in its messages, all of them in earlier ones unless it `begins` its conversation or has a `fresh` one;
    `after` is the number of the request that it goes on from. `skills` are named in it.
    """

    number: int
    at: datetime
    workspace: str
    principal: str
    model: str
    input: int
    output: int
    cache_read: int = 0
    searches: int = 0
    runs: int = 0
    seconds: float = 0.0
    seen: float = 0.0
    container: str = ""
    tier: str = "standard"
    parts: int = 1
    rest: float = 2.0
    files: int = 0
    begins: bool = True
    fresh: bool = False
    after: int | None = None
    skills: int = 0

    def loads(self, *, history: bool, skills: bool) -> bool:
        """Whether something is loaded into its container that bills, if these settings are so."""
        return (self.files > 0 and (self.begins or self.fresh or history)) or (self.skills > 0 and skills)

    @property
    def elapsed(self) -> float:
        """Seconds that its answer took."""
        return max(self.seconds, self.seen) + self.rest


@cache
def asks() -> tuple[Ask, ...]:
    """The month: three requests a day in each of two workspaces, none of them near midnight or a tier."""
    found: list[Ask] = []
    for day in range(30):
        for place, (workspace, principal) in enumerate((("wrkspc_1", "team-a"), ("wrkspc_2", "team-b"))):
            for turn in range(3):
                number = len(found)
                found.append(
                    Ask(
                        number=number,
                        at=START + timedelta(days=day, hours=8 + 2 * turn, minutes=place),
                        workspace=workspace,
                        principal=principal,
                        model=(OPUS, SONNET, HAIKU)[turn],
                        input=1_000 + 37 * number,
                        output=200 + 11 * number,
                        cache_read=5_000 if turn == 1 else 0,
                        searches=turn if place else 0,
                        runs=1 if turn < 2 else 0,
                        seconds=20.0 + number,
                        seen=20.0 + number,
                        container=f"c{day}-{place}" if turn < 2 else "",
                    )
                )
    for ask in tuple(found[::6]):  # the same container once more within the session, so that readings differ
        again = {"at": ask.at + timedelta(minutes=4), "number": len(found), "seconds": 5.0, "seen": 5.0}
        found.append(msgspec.structs.replace(ask, **again))
    return tuple(sorted(found, key=lambda ask: ask.at))


def book(**settings: str) -> RuleBook:
    """The shipped rules with few free hours."""
    return rules(settings={"free_hours.limit": str(LIMIT), **settings})


def ledger(requests: Iterable[Ask], rule_book: RuleBook | None = None) -> list[Entry]:
    """What the planner writes of these requests."""
    chosen = rule_book or book()
    sessions: dict[str, Sessions] = {}
    left, code = round(chosen.settings.free_hours.limit * 3_600_000), chosen.settings.code
    entries = []
    for ask in requests:
        usage = _usage(ask)
        terms = Terms(
            at=ask.at,
            model=ask.model,
            organization=ORGANIZATION,
            sessions=sessions.get(ask.container, Sessions()),
            free_ms=max(left, 0),
            runs=ask.runs,
            measured_ms=round(ask.seen * 1_000) if ask.runs else None,
            elapsed_ms=round(ask.elapsed * 1_000),
            preloaded=ask.loads(history=code.history_uploads_bill, skills=code.skills_preload_bills),
        )
        metered = meter(usage)
        money = settle(metered, terms, chosen)
        if ask.container:
            sessions[ask.container] = money.sessions
        left -= money.hours_ms
        entries.append(
            Entry(
                request_id=f"{ask.number:024x}",
                at=ask.at.isoformat(timespec="microseconds"),
                principal=ask.principal,
                organization=ORGANIZATION,
                workspace=ask.workspace,
                endpoint="messages",
                method="POST",
                model=ask.model,
                served_model=ask.model,
                mode="plan",
                outcome="ok",
                cost_nano=money.cost,
                list_nano=money.listed,
                unpriced=money.unpriced,
                lines=money.lines,
                untouched_nano=money.untouched,
                usage=msgspec.Raw(usage),
                tokens=metered.classes,
                code=money.code,
                container=ask.container or None,
                shape=_shape(ask),
                latency=Latency(ask.elapsed, 0.5, 0.001),
                digests=Digests("r" * 16, "p" * 16),
            )
        )
    return entries


def charges(requests: Iterable[Ask], **switches: Any) -> list[Charge]:
    """What the simulator's bill charges for them."""
    chosen = Switches(free_hours_limit=int(LIMIT)).with_settings(switches)
    till = Till(read_prices(shipped_prices()), chosen, idle=300.0, kept=10_000)
    loads = {"history": chosen.code_history_uploads_bill, "skills": chosen.code_skills_preload_bills}
    return [till.charge(_work(ask, loaded=ask.loads(**loads))) for ask in requests]


def bill(charged: Iterable[Charge], *, known: datetime = KNOWN, decimals: int = 7) -> Bill:
    """The charges as the three reports tell them."""
    found = Bill(known_until=known, decimals=decimals, code_known=True)
    for charge in charged:
        work = charge.work
        day = work.at.date().isoformat()
        for line in charge.lines:
            tokens = line.kind in TOKENS
            kind = line.kind if tokens or line.kind == SEARCH else CODE
            cell = Cell(day, work.workspace, kind, work.model if tokens else "", tokens and work.tier == "batch")
            if work.tier != "priority" or not tokens:
                found.costs[cell] = found.costs.get(cell, Fraction(0)) + (line.nano or 0)
                found.cost_days.add(day)
            if kind == CODE:
                cost = found.code.setdefault((day, work.workspace, work.api_key_id), CodeCost())
                cost.nano += line.nano or 0
        if work.use is not None:
            cost = found.code.setdefault((day, work.workspace, work.api_key_id), CodeCost())
            cost.spans = (cost.spans or 0) + work.spans
        counts = {line.kind: int(line.quantity) for line in charge.lines if line.kind in (*TOKENS, SEARCH)}
        variant = Variant(day, work.workspace, work.api_key_id, work.model, work.tier)
        used: Any = tuple(counts.get(kind, 0) for kind in (*TOKENS, SEARCH))
        found.usage[variant] = plus(found.usage.get(variant, NOTHING), used)
        found.usage_days.add(day)
    return found


def compared(
    entries: Sequence[Entry],
    theirs: Bill,
    *,
    rule_book: RuleBook | None = None,
    owners: dict[str, str] | None = None,
    threshold: str = "0.5%",
) -> Found:
    """Both sides held against each other."""
    chosen = rule_book or book()
    own = read(entries, theirs, rule_book=chosen)
    return reconcile(
        own,
        theirs,
        chosen.prices,
        chosen.settings,
        owners=OWNERS if owners is None else owners,
        organization=ORGANIZATION,
        threshold=threshold,
        made_at=KNOWN,
    )


def read(entries: Iterable[Entry], theirs: Bill, *, rule_book: RuleBook | None = None) -> Ours:
    """The ledger as it is compared."""
    chosen = rule_book or book()
    per_iteration = chosen.settings.haiku55_tier_on == "iteration_prompt"
    own = Ours(MONTH, chosen.prices, theirs.known_until, organization=ORGANIZATION, per_iteration=per_iteration)
    for entry in entries:
        own.add(entry)
    return own


def explained(found: Found) -> dict[str, int]:
    """What causes explain, those of nothing left out."""
    return {cause: nano for cause, nano in found.statement.explained.items() if nano}


def stranger(ask: Ask, number: int) -> Charge:
    """A request of the same kind with a key that the planner never saw, and without code."""
    same = msgspec.structs.replace(ask, number=10_000 + number, runs=0, container="", seconds=0.0)
    (charge,) = charges([same])
    return msgspec.structs.replace(charge, work=msgspec.structs.replace(charge.work, api_key_id=STRANGER))


def repriced(charged: Iterable[Charge], model: str, kind: str, factor: Fraction) -> Iterator[Charge]:
    """Charges in which one class of one model costs another price."""
    for charge in charged:
        lines = tuple(
            msgspec.structs.replace(line, exact=line.exact * factor)
            if line.exact is not None and (line.model, line.kind) == (model, kind)
            else line
            for line in charge.lines
        )
        yield Charge(charge.work, lines)


def cost(charged: Iterable[Charge]) -> int:
    """What charges come to."""
    return sum(line.nano or 0 for charge in charged for line in charge.lines)


def wrong_book(rule_book: RuleBook, **changes: Any) -> RuleBook:
    """A rule book with other settings or prices."""
    return replace(rule_book, **changes)


def _usage(ask: Ask) -> bytes:
    value: dict[str, Any] = {
        "input_tokens": ask.input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": ask.cache_read,
        "output_tokens": ask.output,
        "service_tier": ask.tier,
    }
    if ask.parts > 1:
        one = {
            "type": "message",
            "input_tokens": ask.input // ask.parts,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": ask.cache_read // ask.parts,
            "output_tokens": ask.output // ask.parts,
        }
        value["iterations"] = [one] * ask.parts
    if ask.searches:
        value["server_tool_use"] = {"web_search_requests": ask.searches}
    return msgspec.json.encode(value)


def _shape(ask: Ask) -> Shape | None:
    """What the ledger keeps of its messages; nothing where neither files nor Skills are in them."""
    if not ask.files and not ask.skills:
        return None
    after = None if ask.after is None else f"m{ask.after}"
    return Shape(
        conversation=ask.container,
        begins=ask.begins,
        message=f"m{ask.number}",
        after=after,
        prefix="p",
        files=ask.files,
        skills=ask.skills,
        prompt_tokens=ask.input,
    )


def _work(ask: Ask, *, loaded: bool = False) -> Work:
    use = None
    if ask.runs or loaded:
        end = ask.at + timedelta(seconds=ask.elapsed)
        use = Use(
            container=ask.container,
            organization=ORGANIZATION,
            start=ask.at,
            end=end,
            seconds=Fraction(round(ask.seconds * 1_000), 1_000),
            free=False,
        )
    return Work(
        request_id=f"req_{ask.number}",
        message_id=f"msg_{ask.number}",
        at=ask.at,
        organization=ORGANIZATION,
        workspace=ask.workspace,
        api_key_id=KEYS[ask.principal],
        model=ask.model,
        tier=ask.tier,
        samples=(
            Sample(
                model=ask.model,
                input=ask.input // ask.parts,
                output=ask.output // ask.parts,
                cache_read=ask.cache_read // ask.parts,
            ),
        )
        * ask.parts,
        searches=ask.searches,
        spans=ask.runs,
        use=use,
    )
