"""Made-up traffic for benchmarks of the stores: settled requests of eight teams, with the turns of what ran code."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from planner.core.conversations import Conversation, Scope, Turn
from planner.core.ledger.entry import Code, Digests, Entry, Expected, Latency, Seconds
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.records import EntryRecord, Record, TurnRecord
from planner.core.rulebook.spending import Spender

MONTH: Final = "2026-11"
BEGIN: Final = datetime(2026, 11, 1, tzinfo=UTC)
END: Final = datetime(2026, 12, 1, tzinfo=UTC)
TEAMS, PRINCIPALS, MODELS = 8, 40, ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")
KINDS: Final = ("input", "cache_write_5m", "cache_read", "output")
HERE: Final = Scope("0f2c6ad4-6f3e-4a2b-9f6e-0d7a3d5b8c11", "wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ")
DECISIONS: Final = (
    Decision(Action.VERSION, Outcome.KEPT),
    Decision(Action.BUNDLE, Outcome.DECLINED, Reason.BELOW_ALLOWANCE, "bundle-when-cheaper"),
)


def traffic(number: int, seed: int = 1, begin: datetime = BEGIN, end: datetime = END) -> Iterator[Record]:
    """The records of so many settled requests, evenly from a moment until another, in time order."""
    rng = random.Random(seed)  # noqa: S311 - traffic, no secret
    for place in range(number):
        at = begin + (end - begin) * place / number + timedelta(microseconds=rng.randrange(1_000))
        entry = _entry(rng, at.isoformat(timespec="microseconds"))
        yield EntryRecord(entry)
        if entry.container is not None:
            yield TurnRecord(entry.at, _turn(rng, entry, at))


def _entry(rng: random.Random, at: str) -> Entry:
    """A request of one of the principals; half of them run code."""
    counts = [rng.randint(1, 40_000) for _ in KINDS]
    lines = tuple(
        Line(kind, count, "token", count * 4_000, "measured") for kind, count in zip(KINDS, counts, strict=True)
    )
    number, code = rng.randrange(PRINCIPALS), rng.random() < 0.5
    if code:
        lines += (Line("code_execution", "300", "second", 4_166_667, "estimated"),)
    cost = sum(line.nano for line in lines)
    principal, team, project = f"{number:016x}", f"team-{number % TEAMS}", f"project-{number % 20}"
    return Entry(
        request_id=f"{rng.getrandbits(96):024x}",
        at=at,
        principal=principal,
        organization=HERE.organization,
        workspace=HERE.workspace,
        team=team,
        project=project,
        tags={"feature": f"feature-{number % 12}"},
        spender=Spender(principal=principal, team=team, project=project),
        endpoint="messages",
        method="POST",
        model=MODELS[number % 3],
        served_model=MODELS[number % 3],
        mode="plan",
        outcome="ok" if rng.random() < 0.97 else "error",
        status=200,
        upstream_request_id=f"req_{rng.getrandbits(96):024x}",
        cost_nano=cost,
        list_nano=cost,
        lines=lines,
        untouched_nano=cost + 1_000,
        expected_nano=Expected(cost, cost - 500),
        decisions=(*DECISIONS, Decision(Action.CONTAINER, Outcome.THREADED if code else Outcome.NONE)),
        prefix=f"{rng.getrandbits(64):016x}",
        usage=msgspec.Raw(
            b'{"input_tokens":%d,"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,"output_tokens":%d,'
            b'"cache_creation":{"ephemeral_5m_input_tokens":%d,"ephemeral_1h_input_tokens":0},'
            b'"service_tier":"standard","inference_geo":"global"}'
            % (counts[0], counts[1], counts[2], counts[3], counts[1])
        ),
        tokens=TokenClasses(input=counts[0], cache_write_5m=counts[1], cache_read=counts[2], output=counts[3]),
        code=Code(2, Seconds(0.5, 2.0, 12.0), "billed", 300_000, 300_000) if code else None,
        container=f"{rng.getrandbits(64):016x}" if code else None,
        latency=Latency(rng.random() * 20, rng.random(), 0.001),
        digests=Digests("0123456789abcdef", "0123456789abcdef"),
    )


def _turn(rng: random.Random, entry: Entry, at: datetime) -> Turn:
    """What is remembered of an answer that ran code: it is found again by its id, and by that of its call."""
    return Turn(
        conversation=Conversation(
            root=f"{rng.getrandbits(128):032x}",
            principal=entry.principal,
            prefix=f"{rng.getrandbits(128):032x}",
            model=entry.model or "",
            decisions=entry.decisions,
        ),
        message_id=f"msg_{rng.getrandbits(96):024x}",
        call_ids=(f"srvtoolu_{rng.getrandbits(96):024x}",),
        scope=HERE,
        container=f"container_{rng.getrandbits(96):024x}",
        expires_at=at + timedelta(days=30),
        opened_at=at,
        used_ms=300_000,
        used_at=at,
        untouched_ms=300_000,
        untouched_at=at,
        threaded=True,
    )
