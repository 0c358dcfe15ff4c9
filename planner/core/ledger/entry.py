"""A ledger entry is one request and its money: written as an intent before it is sent, settled exactly once after.

It never holds prompt text, tool output or a key. The names are public: `export --format jsonl` writes them as they are.
"""

from hashlib import sha256
from typing import Final, Literal

import msgspec

from planner.core.ledger.batched import Made
from planner.core.ledger.shape import Shape
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.spending import Spender

Mode = Literal["plan", "observe", "off"]
Ending = Literal["ok", "error", "cancelled", "refused", "unknown"]
Cause = Literal["refused", "server-error", "replaced"]


RESULTS: Final = "batch_results"
"""The `endpoint` of entries of a batch's results."""
CORRECTION: Final = "correction"
"""The `endpoint` of entries that amend others."""


class Digests(msgspec.Struct, frozen=True):
    """Which rule book and which price book decided and priced: first 16 hex digits of their SHA-256."""

    rules: str
    prices: str


class Seconds(msgspec.Struct, frozen=True):
    """A duration that no response tells: what is sure, what is likely, what it can be at most."""

    low: float
    likely: float
    high: float


class Code(msgspec.Struct, frozen=True):
    """Code execution of one request: `charge` says how its container time bills.

    `hours_ms` counts toward the organization's free hours, `untouched_hours_ms` would without our edits.
    `avoided_nano` is what the container time would have cost more without them, free hours taken off, where they spared
    it a minimum; None where they spared none. `start_saved_ms` is how long a new container is believed to take to
    start, where they had the request go on in a warm one.
    """

    runs: int
    seconds: Seconds
    charge: Literal["free", "billed", "covered", "unmetered"]
    hours_ms: int = 0
    untouched_hours_ms: int = 0
    avoided_nano: int | None = None
    start_saved_ms: int = 0

    @property
    def avoided_by(self) -> Literal["bundle", "container"]:
        """What spared it a minimum, if anything did: code that was free, or a session that had paid."""
        return "bundle" if self.charge == "free" else "container"


class Expected(msgspec.Struct, frozen=True):
    """What the request was expected to cost when it was decided, in nano-dollars, without and with our edits."""

    untouched: int
    planned: int


class Shadow(msgspec.Struct, frozen=True):
    """What a policy in shadow would have done, were it enforced, and what that was expected to cost.

    `expected_nano` is there where money was weighed: of bundles, and of joining the container of a session.
    """

    action: Action
    outcome: Outcome
    reason: Reason | None
    policy: str
    expected_nano: Expected | None = None

    @property
    def acts(self) -> bool:
        """Whether it would have changed the request."""
        return self.outcome in {Outcome.APPLIED, Outcome.THREADED}


class Batch(msgspec.Struct, frozen=True):
    """The message batch that was made, or whose results passed: `id` is a digest of its id, empty while it has none.

    `results` are those that bill, `settled_before` how many of them an earlier entry of the same batch has settled:
    what they cost stands there and not here. `untouched_nano` is what those that are settled here would have cost
    without our edits, before free hours; None where nothing was edited.
    `made` says what it was made of, in the entry of the request that made it.
    """

    id: str
    results: int = 0
    settled_before: int = 0
    untouched_nano: int | None = None
    made: Made | None = None


class Lost(msgspec.Struct, frozen=True):
    """A container that a request named and could not go on in: its digest, how that was told, and who named it.

    `refused` is a 4xx that names it, `server-error` a 500 or an `api_error` in a stream, which a container that is gone
    answers with as well, `replaced` an answer from another container, without a word.
    """

    container: str
    cause: Cause
    ours: bool


class Latency(msgspec.Struct, frozen=True):
    """Seconds: from arrival to the end, from arrival to the first byte of the answer, and what the planner added."""

    total: float
    first_byte: float | None
    overhead: float


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One request that went upstream. `outcome` is `unknown` until it is settled; `cost_nano` None means unknown.

    `cost_nano` is at contracted price, `list_nano` the same lines at list price. `shape` is what a trace needs to know
    of a request; None where none was read, or where nothing is known of what it used. `replayed` names what of ours the
    API refused, so that the request was sent once more without it.
    An entry that `corrects` another one is no request: its amounts are differences (`planner.core.ledger.corrections`).
    """

    request_id: str
    at: str
    principal: str
    organization: str | None = None
    workspace: str | None = None
    team: str | None = None
    project: str | None = None
    tags: dict[str, str] = {}
    spender: Spender = Spender()
    endpoint: str
    method: str
    model: str | None = None
    served_model: str | None = None
    mode: Mode
    outcome: Ending = "unknown"
    status: int | None = None
    upstream_request_id: str | None = None
    attempts: int = 1
    replayed: Literal["container", "tools"] | None = None
    cost_nano: int | None = None
    list_nano: int | None = None
    unpriced: str | None = None
    lines: tuple[Line, ...] = ()
    untouched_nano: int | None = None
    expected_nano: Expected | None = None
    decisions: tuple[Decision, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    prefix: str | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    tokens: TokenClasses | None = None
    code: Code | None = None
    container: str | None = None
    lost: Lost | None = None
    shape: Shape | None = None
    batch: Batch | None = None
    corrects: str | None = None
    corrected_at: str | None = None
    latency: Latency | None = None
    digests: Digests

    @property
    def warm(self) -> bool:
        """Whether the request went on in the container that it named, by our doing or its caller's."""
        named = any(each.outcome in {Outcome.THREADED, Outcome.CALLER} for each in self.decisions)
        return named and self.container is not None and self.lost is None


def decided(entry: Entry) -> tuple[tuple[tuple[Decision, ...], int], ...]:
    """The decisions of an entry, and for how many requests they were made: of a batch that was made, by kind.

    Results of a batch carry what was decided when it was made, so that savings stand there; nothing is decided by them.
    """
    if entry.batch is None or (entry.batch.made is None and entry.endpoint != RESULTS):
        return ((entry.decisions, 1),)
    kinds = () if entry.batch.made is None else entry.batch.made.kinds
    return tuple((kind.decisions, kind.requests) for kind in kinds)


def batch_digest(batch_id: str) -> str:
    """What the ledger keeps of a batch's id: 16 hex digits."""
    return sha256(b"planner-batch\0" + batch_id.encode()).hexdigest()[:16]
