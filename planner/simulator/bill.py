"""What Anthropic would charge, counted a second time: fractions all the way, one half-even rounding per line."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import chain
from typing import Any

import msgspec

from planner.simulator.config import Switches
from planner.simulator.hours import Hours, Use
from planner.simulator.prices import ModelPrice, PriceRows, Tier

KINDS = (
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "web_search",
    "code_execution",
    "allowance_credit",
)
TOKEN_KINDS = KINDS[:5]
BATCH = "batch"
HAIKU_55 = "claude-haiku-5-5"
LONG_CONTEXT = 200_000


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of one sampling iteration, in disjoint classes, and the model that billed them."""

    model: str
    kind: str = "message"
    input: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    output: int = 0
    thinking: int = 0

    @property
    def prompt(self) -> int:
        """Prompt tokens of every class."""
        return self.input + self.cache_write_5m + self.cache_write_1h + self.cache_read


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One request as the bill sees it."""

    request_id: str
    message_id: str
    at: datetime
    organization: str
    workspace: str
    api_key_id: str
    model: str
    tier: str = "standard"
    geo: str = "global"
    fast: bool = False
    samples: Sequence[Sample] = ()
    searches: int = 0
    spans: int = 0
    use: Use | None = None
    outcome: str = "ok"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line: `exact` is nano-dollars as a fraction, `nano` the same rounded half-even; None: unpriced.

    `listed` is the amount at list price, None where that is the same.
    """

    kind: str
    quantity: Fraction
    unit: str
    model: str | None
    exact: Fraction | None
    context_window: str | None = None
    listed: Fraction | None = None

    @property
    def nano(self) -> int | None:
        """Whole nano-dollars."""
        return None if self.exact is None else round(self.exact)


class Charge(msgspec.Struct, frozen=True):
    """A request and its lines; of a prepared bill, so many `requests` that are alike."""

    work: Work
    lines: tuple[Line, ...]
    requests: int = 1

    @property
    def nano(self) -> int | None:
        """The request's price in nano-dollars, or None when any line has no published price."""
        amounts = [line.nano for line in self.lines]
        return None if None in amounts else sum(amount for amount in amounts if amount is not None)


class Bill:
    """All charges of one simulator, in the order in which requests ended; `listeners` hear of each.

    `prepared` are charges that it began with: they count, and are in the reports, but are not told one by one.
    """

    def __init__(self, prices: PriceRows, switches: Switches, *, idle: float, kept: int) -> None:
        self._prices = prices
        self._switches = switches
        self.hours = Hours(switches, idle)
        self.charges: deque[Charge] = deque(maxlen=kept)
        self.prepared: list[Charge] = []
        self.totals: dict[str, int] = dict.fromkeys(KINDS, 0)
        self.requests = 0
        self.unpriced = 0
        self.listeners: list[Callable[[Charge], None]] = []

    @property
    def nano(self) -> int:
        """The whole bill in nano-dollars."""
        return sum(self.totals.values())

    @property
    def everything(self) -> Iterable[Charge]:
        """What the reports tell of: what was prepared, and what is remembered of the requests."""
        return chain(self.prepared, self.charges)

    def prepare(self, charges: Iterable[Charge]) -> None:
        """Begin with these charges, priced as they are."""
        for charge in charges:
            self.prepared.append(charge)
            self._count(charge)

    def charge(self, work: Work) -> Charge:
        """Put a request on the bill."""
        lines = (*self._tokens(work), *self._searches(work), *self._code(work))
        charge = Charge(work, lines)
        self.charges.append(charge)
        self._count(charge)
        for listener in self.listeners:
            listener(charge)
        return charge

    def _count(self, charge: Charge) -> None:
        self.requests += charge.requests
        for line in charge.lines:
            if line.nano is None:
                self.unpriced += 1
            else:
                self.totals[line.kind] += line.nano

    def _tokens(self, work: Work) -> Iterable[Line]:
        for model in dict.fromkeys(sample.model for sample in work.samples):
            samples = [sample for sample in work.samples if sample.model == model]
            row = self._prices.model(model, work.at)
            per_iteration = self._switches.haiku55_tier_on == "iteration_prompt" and model.startswith(HAIKU_55)
            if row is None or not per_iteration:
                yield from _token_lines(work, model, samples, row)
                continue
            for tier in (row.base, row.over):  # iterations of one tier are one line a class
                group = [sample for sample in samples if row.tier(sample.prompt) is tier]
                yield from _token_lines(work, model, group, row, tier)

    def _searches(self, work: Work) -> Iterable[Line]:
        if work.searches:
            price = self._prices.tool("web_search", work.at)
            exact = None if price is None else price.nano * work.searches
            yield Line(kind="web_search", quantity=Fraction(work.searches), unit="searches", model=None, exact=exact)

    def _code(self, work: Work) -> Iterable[Line]:
        if work.use is None:
            return
        price = self._prices.tool("code_execution", work.at)
        billed = self.hours.charge(work.use, price.minimum_seconds if price else Fraction(300))
        for kind, seconds in (("code_execution", billed.seconds), ("allowance_credit", -billed.credited)):
            if seconds:
                exact = None if price is None else price.nano * seconds
                yield Line(kind=kind, quantity=seconds, unit="seconds", model=None, exact=exact)

    def report(self) -> dict[str, Any]:
        """The bill as a JSON value: `GET /simulator/bill`."""
        return {
            "currency": "USD",
            "requests": [_charge_value(charge) for charge in self.charges],
            "totals": self.totals,
            "nano": self.nano,
            "request_count": self.requests,
            "unpriced_lines": self.unpriced,
        }


def _token_lines(
    work: Work, model: str, samples: Sequence[Sample], row: ModelPrice | None, tier: Tier | None = None
) -> Iterable[Line]:
    """The lines of iterations that are priced together: at `tier`, or at that of their whole prompt."""
    prompts = [sample.prompt for sample in samples]
    prompt = sum(prompts) if tier is None else max(prompts, default=0)
    window = "0-200k" if prompt <= LONG_CONTEXT else "200k-1M"
    factor = _factor(row, work)
    for kind in TOKEN_KINDS:
        tokens = sum(int(getattr(sample, kind)) for sample in samples)
        if tokens:
            exact = None if row is None or factor is None else (tier or row.tier(prompt)).nano[kind] * tokens * factor
            quantity = Fraction(tokens)
            yield Line(kind=kind, quantity=quantity, unit="tokens", model=model, exact=exact, context_window=window)


def _factor(row: ModelPrice | None, work: Work) -> Fraction | None:
    """The product of the modifiers in force; None: one of them has no published price."""
    factor = Fraction(1)
    names = ((BATCH, work.tier == BATCH), ("us", work.geo == "us"), ("fast", work.fast))
    for name, wanted in names:
        if wanted:
            multiplier = row.multipliers.get(name) if row is not None else None
            if multiplier is None:
                return None
            factor *= multiplier
    return factor


def _charge_value(charge: Charge) -> dict[str, Any]:
    work = charge.work
    return {
        "request_id": work.request_id,
        "message_id": work.message_id,
        "at": work.at.isoformat().replace("+00:00", "Z"),
        "organization_id": work.organization,
        "workspace_id": work.workspace,
        "api_key_id": work.api_key_id,
        "model": work.model,
        "service_tier": work.tier,
        "outcome": work.outcome,
        "container_id": work.use.container if work.use else None,
        "nano": charge.nano,
        "lines": [
            {
                "kind": line.kind,
                "quantity": str(line.quantity),
                "unit": line.unit,
                "model": line.model,
                "exact": None if line.exact is None else str(line.exact),
                "nano": line.nano,
            }
            for line in charge.lines
        ],
    }
