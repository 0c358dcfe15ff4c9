"""One request's way through the proxy: read it, have it planned, send it, relay the answer, have it settled."""

import asyncio
from typing import Final

from litestar.types import Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from planner.clock import Clock, Ids
from planner.core.endpoints import BATCH, OTHER
from planner.metrics import Metrics
from planner.proxy import errors
from planner.proxy.addressing import Addressing
from planner.proxy.arrive import Arrived, BadTargetError, OwnAddressError, arrive
from planner.proxy.bodies import ClientGoneError, Incoming, TooLargeError, announced_length, has_body
from planner.proxy.course import Course, Underway
from planner.proxy.headers import upward, value
from planner.proxy.inforce import InForce
from planner.proxy.planning import Planned
from planner.proxy.protocol import head_of, line_of
from planner.proxy.relay import Outgoing, relay, way_of
from planner.tasks import Tasks
from planner.upstream import Upstream, UpstreamError, UpstreamFault, UpstreamRequest

MEGABYTE: Final = 1024 * 1024


class Forward:
    """The ASGI application for everything that is not the planner's own."""

    def __init__(  # noqa: PLR0913 - the parts of the proxy, named
        self,
        *,
        upstream: Upstream,
        course: Course,
        addressing: Addressing,
        metrics: Metrics,
        rules: InForce,
        clock: Clock,
        ids: Ids,
        tasks: Tasks,
        log: FilteringBoundLogger,
        body_limit: int,
    ) -> None:
        self._upstream = upstream
        self._course = course
        self._addressing = addressing
        self._metrics = metrics
        self._rules = rules
        self._clock = clock
        self._ids = ids
        self._tasks = tasks
        self._log = log
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, whatever its method and path."""
        request_id = self._ids.new()
        try:
            arrived = arrive(head_of(scope), self._rules.book, request_id, self._clock.now(), self._clock.monotonic())
            incoming = Incoming(receive, arrived.fields, line_of(scope))
            read = _is_read(arrived, self._body_limit)
            body = await incoming.whole(self._body_limit) if read else None
        except TooLargeError:
            detail = f"the body of this request is larger than {self._body_limit // MEGABYTE} MB"
            await self._refuse(send, errors.TOO_LARGE, detail, request_id, arrived.endpoint.name)
        except OwnAddressError:
            await errors.send_error(send, errors.NOT_FOUND, "there is no such page", request_id)
        except BadTargetError:
            await self._refuse(send, errors.BAD_REQUEST, "the request target is no path", request_id)
        except UnicodeDecodeError:
            await self._refuse(send, errors.BAD_REQUEST, "a header field is not UTF-8", request_id)
        except ClientGoneError:
            return
        else:
            held = self._addressing.held(scope, arrived, send)
            await self._carry(arrived, incoming, body, held or send)
            if held is not None:
                await held.let_go()

    async def _refuse(
        self, send: Send, fault: errors.Fault, detail: str, request_id: str, endpoint: str = OTHER.name
    ) -> None:
        """Answer what cannot be forwarded; it is counted and logged, though nothing went upstream to enter."""
        self._metrics.requests.add((endpoint, "", "", str(fault.status)))
        self._log.info("refused", request_id=request_id, endpoint=endpoint, status=fault.status, reason=detail)
        await errors.send_error(send, fault, detail, request_id)

    async def _carry(self, arrived: Arrived, incoming: Incoming, body: bytes | None, send: Send) -> None:
        """Plan a request, send it, and bring its answer back; whatever happens, it is settled once."""
        underway = await self._course.prepare(arrived, body)
        if underway is None:
            await errors.send_error(send, errors.OUR_BUG, "an error of its own", arrived.request_id)
            return
        refusal = self._course.refusal(underway)
        if refusal is None:
            await self._send(underway, incoming, send)
            return
        fields = self._course.deny(underway, refusal)
        await errors.send_error(send, refusal.fault, refusal.words, arrived.request_id, fields)

    async def _send(self, underway: Underway, incoming: Incoming, send: Send) -> None:
        """Write down that a request goes upstream, relay its answer, and settle it."""
        exchange, progress, request_id = underway.exchange, underway.progress, underway.arrived.request_id
        try:
            await self._course.depart(underway)
            await relay(
                self._outgoing(underway.arrived, incoming, underway.planned),
                exchange,
                progress,
                incoming=incoming,
                upstream=self._upstream,
                send=send,
                tasks=self._tasks,
                clock=self._clock,
            )
        except UpstreamError as error:
            if incoming.gone:  # the upload broke off at the caller's end
                progress.ending = "cancelled"
                return
            self._metrics.upstream_errors.add((error.fault.value,))
            self._log.warning("upstream", request_id=request_id, fault=error.fault.value, cause=str(error))
            if error.fault is UpstreamFault.CONNECT:
                exchange.not_sent()
            if not progress.begun:
                await errors.send_error(send, errors.OF_UPSTREAM[error.fault], str(error), request_id)
        except asyncio.CancelledError:
            progress.ending = "cancelled"
            raise
        except Exception as error:  # whatever our bug is, the caller hears of it in the API's own shape
            self._log.error("relaying failed", request_id=request_id, error=type(error).__name__)
            if progress.begun:
                raise
            await errors.send_error(send, errors.OUR_BUG, "an error of its own", request_id)
        finally:
            self._course.settle(underway)

    def _outgoing(self, arrived: Arrived, incoming: Incoming, planned: Planned | None) -> Outgoing:
        """What goes upstream, and what goes instead when an edit of ours is refused."""
        headers = upward(arrived.fields)
        if planned is None or not _is_read(arrived, self._body_limit):
            body = incoming.pieces() if has_body(arrived.fields) else None
            length = announced_length(arrived.fields)
            return Outgoing(request=UpstreamRequest(arrived.method, arrived.target, headers, body, length))
        request = UpstreamRequest(arrived.method, arrived.target, headers, planned.body)
        return Outgoing(
            request=request,
            way=way_of(planned, arrived.book),
            drain=planned.plan.drain,
        )


def _is_read(arrived: Arrived, limit: int) -> bool:
    """Whether the body is read whole before it goes on: only what is planned, and not if it is encoded.

    A batch may be larger than what is read, and then goes on as it comes.
    """
    if not arrived.endpoint.planned or value(arrived.fields, b"content-encoding") is not None:
        return False
    return arrived.endpoint is not BATCH or (announced_length(arrived.fields) or limit + 1) <= limit
