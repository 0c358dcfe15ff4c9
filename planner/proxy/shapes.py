"""What the ledger keeps of a request so that it can be played again: its shape, once it was answered."""

from typing import Final

from planner.core.conversations import begins
from planner.core.exchange import Exchange, container_digest
from planner.core.ledger.shape import Claims, Shape
from planner.core.ledger.shaping import Beliefs, Known, shape_of
from planner.core.rulebook.book import RuleBook
from planner.core.settlement import Terms, added_tokens
from planner.proxy.callers import Caller
from planner.proxy.planning import Planned

OK: Final = 200


def shaped(
    sent: Planned | None, exchange: Exchange, terms: Terms, status: int | None, book: RuleBook, caller: Caller
) -> Shape | None:
    """The shape of a request as it was sent in the end; None of what was not read, or told nothing of its usage."""
    request, metered = None if sent is None else sent.request, exchange.metered
    if sent is None or request is None or metered is None or status != OK:
        return None
    conversation, lease, container = sent.plan.conversation, sent.lease, request.container.id
    intent, own = exchange.intent, Claims(team=caller.team, project=caller.project, tags=caller.tags)
    known = Known(
        principal=intent.principal,
        own=None if own == Claims(team=intent.team, project=intent.project, tags=intent.tags) else own,
        root=None if conversation is None else conversation.root,
        after=None if lease is None or begins(request) else lease.turn.message_id,
        message=exchange.told.message_id,
        container=None if container is None else container_digest(container),
    )
    model = book.catalog.model(request.model or "")
    growth = book.catalog.priors.iteration_growth_tokens.likely
    return shape_of(
        request,
        known,
        metered,
        rounds=exchange.told.rounds,
        added=added_tokens(terms, book),
        beliefs=Beliefs(growth, 0 if model is None else model.min_cache_prefix),
    )
