"""Batches of a small month: what the planner writes when one is made and when results pass, and what is charged."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from planner.core.ledger.batched import Kind, Made
from planner.core.ledger.entry import Batch, Digests, Entry
from planner.core.metering.usage import TokenClasses, meter
from planner.core.pricing.prices import Line
from planner.core.settlement import Terms, settle
from planner.simulator.bill import Charge
from tests.doubles.billed import OPUS, ORGANIZATION, START, Ask, book, charges

DIGEST = "b" * 16


def answers(
    count: int = 3, *, day: int = 13, model: str = OPUS, workspace: str = "wrkspc_1", principal: str = "team-a"
) -> list[Ask]:
    """Requests of a batch as they were processed, in the evening of a day of the month, counted from 0."""
    return [
        Ask(
            number=20_000 + number,
            at=START + timedelta(days=day, hours=20, seconds=number),
            workspace=workspace,
            principal=principal,
            model=model,
            input=2_001 + 10 * number,
            output=301 + 2 * number,
            tier="batch",
        )
        for number in range(count)
    ]


def made(
    models: Mapping[str | None, int], *, day: int = 13, batch: str = DIGEST, principal: str = "team-a", **changes: Any
) -> Entry:
    """The entry of the request that made a batch, at seven in the evening of a day."""
    kinds = tuple(Kind(requests=count, model=model) for model, count in models.items())
    entry = Entry(
        request_id=f"made-{batch}",
        at=(START + timedelta(days=day, hours=19)).isoformat(timespec="microseconds"),
        principal=principal,
        organization=ORGANIZATION,
        workspace="wrkspc_1",
        endpoint="batches",
        method="POST",
        mode="plan",
        outcome="ok",
        status=200,
        cost_nano=0,
        batch=Batch(batch, made=Made(kinds)),
        digests=Digests("r" * 16, "p" * 16),
    )
    return msgspec.structs.replace(entry, **changes)


def passed(asks: Sequence[Ask], *, day: float = 13.9, batch: str = DIGEST, before: int = 0, **changes: Any) -> Entry:
    """The entry of a fetch of these results; `before` of the batch were settled earlier."""
    lines: dict[tuple[str, str], list[Line]] = {}
    classes = TokenClasses()
    for ask in asks:
        usage = {"input_tokens": ask.input, "output_tokens": ask.output, "service_tier": "batch"}
        metered = meter(msgspec.json.encode(usage))
        classes = TokenClasses(input=classes.input + ask.input, output=classes.output + ask.output)
        for line in settle(metered, Terms(at=ask.at, model=ask.model), book()).lines:
            lines.setdefault((line.kind, line.unit), []).append(line)
    summed = tuple(
        Line(kind, sum(int(line.quantity) for line in found), unit, sum(line.nano for line in found), "measured")
        for (kind, unit), found in lines.items()
    )
    models = {ask.model for ask in asks}
    entry = msgspec.structs.replace(
        made({}, batch=batch),
        request_id=f"results-{batch}-{day}",
        at=(START + timedelta(days=day)).isoformat(timespec="microseconds"),
        endpoint="batch_results",
        method="GET",
        served_model=models.pop() if len(models) == 1 else None,
        cost_nano=sum(line.nano for line in summed),
        lines=summed,
        tokens=classes,
        batch=Batch(batch, before + len(asks), before),
        workspace=asks[0].workspace if asks else "wrkspc_1",
        principal=asks[0].principal if asks else "team-a",
    )
    return msgspec.structs.replace(entry, **changes)


def billed(asks: Iterable[Ask], key: str | None = None) -> list[Charge]:
    """What the bill charges for them, by their own key or another one."""
    found = charges(asks)
    if key is None:
        return found
    return [Charge(msgspec.structs.replace(each.work, api_key_id=key), each.lines) for each in found]
