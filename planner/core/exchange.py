"""One request's life as a value that bytes flow past: nothing here touches a socket, and no chunk is changed.

    planned --begin--> answering --feed*--> answering --settle--> settled    a request is settled exactly once

What comes back is read beside the relay, bounded in memory; a response that cannot be read costs *unknown*, never 0.
"""

from collections.abc import Iterable
from enum import Enum
from hashlib import sha256
from typing import Final

import msgspec

from planner.core.batch.made import MadeReader
from planner.core.batch.results import BatchReader, Tally
from planner.core.conversations import Scope
from planner.core.endpoints import Billing
from planner.core.ledger.batched import Known
from planner.core.ledger.entry import Batch, Ending, Entry, Latency, batch_digest
from planner.core.metering.counts import UsageError
from planner.core.metering.decoding import Decoder
from planner.core.metering.readers import Reader, StreamReader, Told, WholeReader
from planner.core.metering.usage import Metered
from planner.core.reasons import Decision
from planner.core.rulebook.book import RuleBook
from planner.core.settlement import Settlement, Terms, settle
from planner.core.wire import Trail, WireError

OK: Final = 200
CLIENT_ERROR: Final = 400

Headers = Iterable[tuple[bytes, bytes]]


class Phase(Enum):
    """Where an exchange stands."""

    PLANNED = "planned"
    ANSWERING = "answering"
    SETTLED = "settled"


class Exchange:
    """Follows one request from its intent to its settled entry.

    `terms` are what is known when it is sent, `settle` may take better ones; `book` stays the same whatever is reloaded
    meanwhile. `trail` is what the answer goes on from, where one without an id is to be known again. `batched` is what
    is known of the batch whose results are asked for.
    """

    def __init__(
        self,
        intent: Entry,
        terms: Terms,
        book: RuleBook,
        *,
        billing: Billing,
        trail: Trail | None = None,
        batched: Known | None = None,
    ) -> None:
        self.intent = intent
        self.book = book
        self.phase = Phase.PLANNED
        self.settlement = Settlement(cost=0, listed=0, untouched=0)
        self._terms = terms
        self._billing = billing
        self._trail = trail
        self._batched = batched
        self._sent = True
        self.abandoned = False
        self._reader: Reader | None = None
        self._decoder: Decoder | None = None
        self._unreadable: str | None = None
        self._status: int | None = None
        self._headers: dict[bytes, bytes] = {}
        self._last = 0.0
        self._used: tuple[Metered | None, str | None] | None = None

    @property
    def told(self) -> Told:
        """What the response has told so far."""
        return Told() if self._reader is None else self._reader.told

    @property
    def metered(self) -> Metered | None:
        """What the response used, once it `ended`; None where it told nothing, or nothing that can be read."""
        return None if self._used is None else self._used[0]

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The header fields of the answer by lower-case name; empty before it came."""
        return self._headers

    @property
    def organization(self) -> str | None:
        """Who is billed: what the answer says beats what was declared."""
        return self._text(b"anthropic-organization-id") or self.intent.organization

    @property
    def scope(self) -> Scope | None:
        """Where it was answered, by what the answer itself says; what was declared proves nothing."""
        organization, workspace = self._text(b"anthropic-organization-id"), self._text(b"anthropic-workspace-id")
        return None if not organization or not workspace else Scope(organization, workspace)

    def sent_instead(self, decisions: tuple[Decision, ...]) -> None:
        """Say what was decided in the end, since the API refused what was planned."""
        self.intent = msgspec.structs.replace(self.intent, decisions=decisions)

    def hung_up(self) -> None:
        """The caller hung up before the answer was whole, and it is read all the same: it ends as cancelled."""
        self.abandoned = not self.told.finished

    def not_sent(self) -> None:
        """No connection came about, so nothing was sent and nothing can be billed: its cost is 0, not unknown."""
        self._sent = False

    def begin(self, status: int, headers: Headers) -> None:
        """The head of the answer is there. A second head, after a replay, begins anew."""
        if self.phase is Phase.SETTLED:
            raise ValueError(f"request {self.intent.request_id} is settled: nothing can begin")
        self.phase = Phase.ANSWERING
        self._status = status
        self._headers = {name.lower(): value for name, value in headers}
        self._reader, self._unreadable = None, None
        if self._billing not in {"message", "batch", "made"} or status != OK:
            return
        self._decoder = Decoder.for_encoding(self._headers.get(b"content-encoding"))
        if self._decoder is None:
            self._unreadable = "unknown-encoding"
            return
        if self._billing == "made":
            self._reader = MadeReader()
            return
        if self._billing == "batch":
            billed = msgspec.structs.replace(self._terms, organization=self.organization)
            self._reader = BatchReader(self.book, billed, self._batched)
            return
        kind = self._headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        trail = None if self._trail is None else self._trail.copy()
        self._reader = StreamReader(trail) if kind == b"text/event-stream" else WholeReader(trail)

    def feed(self, chunk: bytes, at: float = 0.0) -> None:
        """Read a chunk that was relayed; `at` is when it came, in monotonic seconds.

        What cannot be read makes the cost unknown; the caller never feels it. Without moments no time is measured.
        """
        self._last = at
        if self._reader is None or self._decoder is None or self._unreadable is not None:
            return
        try:
            self._reader.feed(self._decoder.feed(chunk), at)
        except WireError:
            self._unreadable = "oversized-response"
        except Exception:  # noqa: BLE001 - a bug in reading must not reach the relay; it is counted as unpriced
            self._unreadable = "unreadable-response"
        if self._decoder.broken or self._decoder.overflow:
            self._unreadable = "undecodable-response"

    def ended(self, at: float | None = None) -> Told:
        """Nothing more comes, since a moment or since the last chunk: return all that the response told.

        What came whole is read now.
        """
        if self._used is None:
            if self._reader is not None:
                self._reader.end(self._last if at is None else at)
            self._used = self._meter()
        return self.told

    def settle(
        self, ending: Ending, latency: Latency, terms: Terms | None = None, counted: Tally | None = None
    ) -> Entry:
        """The one settled entry of this request; `terms` beat those that it was sent with.

        Of results of a batch, `counted` is what its earlier entries count; None: nobody knows.
        """
        if self.phase is Phase.SETTLED:
            raise ValueError(f"request {self.intent.request_id} is settled already")
        self.phase = Phase.SETTLED
        ending = self._ending(ending)
        told = self.ended()
        metered, unpriced = self._used or (None, None)
        batch, tokens = self._batch(), None if metered is None else metered.classes
        if isinstance(self._reader, BatchReader) and metered is not None:
            passed = self._reader.settle(ending, batch, terms or self._terms, counted)
            self.settlement, batch, tokens = passed.money, passed.batch, passed.tokens
        elif metered is not None:
            terms = msgspec.structs.replace(
                terms or self._terms,
                model=told.model or self.intent.model or "",
                organization=self.organization,
                runs=told.code_runs,
                resumed=told.code_resumed,
                measured_ms=told.code_ms,
                elapsed_ms=round(latency.total * 1000),
            )
            self.settlement = settle(metered, terms, self.book)
        elif unpriced is not None:
            self.settlement = Settlement(unpriced=unpriced)
        money = self.settlement
        return msgspec.structs.replace(
            self.intent,
            organization=self.organization,
            workspace=self._text(b"anthropic-workspace-id") or self.intent.workspace,
            upstream_request_id=self._text(b"request-id"),
            served_model=told.model,
            outcome=ending,
            status=self._status,
            cost_nano=money.cost,
            list_nano=money.listed,
            untouched_nano=money.untouched,
            unpriced=money.unpriced,
            lines=money.lines,
            code=money.code,
            decisions=self.intent.decisions if self._batched is None else self._batched.decisions,
            usage=msgspec.Raw(metered.raw or b"null" if metered is not None else b"null"),
            tokens=tokens,
            batch=batch,
            container=None if told.container is None else container_digest(told.container.id),
            latency=latency,
        )

    def _ending(self, ending: Ending) -> Ending:
        """How the request ended in truth: a stream says itself when it is whole, whoever hung up first."""
        told = self.told
        streamed = isinstance(self._reader, StreamReader)
        if ending == "cancelled" and streamed and told.finished and not self.abandoned:
            ending = "ok"
        cut = streamed and not told.finished and self._unreadable is None
        if ending == "ok" and (cut or told.failed is not None or (self._status or 0) >= CLIENT_ERROR):
            return "error"
        return ending

    def _batch(self) -> Batch | None:
        """The batch of the entry: one that was made is known by its id, and where none was made there is none."""
        if self._billing != "made":
            return self.intent.batch
        made = self._reader.batch_id if isinstance(self._reader, MadeReader) else None
        if made is None:
            return None
        return msgspec.structs.replace(self.intent.batch or Batch(""), id=batch_digest(made))

    @property
    def refused_in_batch(self) -> frozenset[int]:
        """Kinds of the batch whose results passed, of which a request errored by what we had put into it."""
        return frozenset(self._reader.refused) if isinstance(self._reader, BatchReader) else frozenset()

    def _text(self, name: bytes) -> str | None:
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    def _meter(self) -> tuple[Metered | None, str | None]:
        """What was used, or why nobody knows; (None, None) where nothing is billed."""
        if self._status is None:
            return None, "no-answer" if self._sent else None
        if self._billing in {"free", "made"} or self._status != OK:
            return None, None
        if self._billing == "elsewhere":
            return None, "billed-elsewhere"
        if self._unreadable is not None or self._reader is None:
            return None, self._unreadable or "unreadable-response"
        try:
            metered = self._reader.metered()
        except (UsageError, WireError):
            return None, "unparsed-usage"
        return metered, None if metered is not None else "no-usage"


def container_digest(container_id: str) -> str:
    """What the ledger keeps of a container's id: 16 hex digits."""
    return sha256(b"planner-container\0" + container_id.encode()).hexdigest()[:16]
