"""How what is shown is known: measured, estimated, unknown, held out; the words that pages share for it."""

from collections.abc import Iterator

from planner.core.reports.closing import Closing
from planner.core.reports.figures import Figures
from planner.core.reports.holdout import FEWEST
from planner.core.reports.wording import several
from planner.dashboard.tables import Column, Row, Table, shown


def known_by(whole: Figures, closing: Closing | None) -> Table:
    """What of the cost is measured and what is not, and what a saving rests on."""
    return Table(
        name="known",
        title="How this is known",
        columns=(
            Column("basis", "Basis"),
            Column("what", "What", "long"),
            Column("amount", "Amount", "usd"),
            Column("requests", "Requests", "count"),
        ),
        rows=(*_of_cost(whole), *_of_savings(whole, closing)),
    )


def saved_words(whole: Figures) -> str:
    """What was paid, beside what it would have been: a sentence or two."""
    paid = f"You paid {shown(whole.cost.nano, 'usd')}."
    if not whole.untouched_known:
        return f"{paid} No request tells what it would have cost untouched."
    saved = whole.saved.nano
    if saved == 0:
        return f"{paid} Untouched it would have been the same: no edit changed what it cost (estimated)."
    untouched = shown(whole.cost.nano + saved, "usd")
    if saved < 0:
        return f"{paid} Untouched it would have been {untouched} (estimated): edits cost more than they saved."
    return f"{paid} Untouched it would have been {untouched} (estimated)."


def _of_cost(whole: Figures) -> Iterator[Row]:
    measured = whole.cost.nano - whole.estimated.nano
    yield Row(("measured", "Tokens and searches, as the API told them, at contracted price", measured, None))
    guessed = "Container time, which no response tells, and answers that broke off"
    yield Row(("estimated", guessed, whole.estimated.nano, None))
    if whole.unpriced:
        yield Row(("unknown", "Requests without a price: in no sum, so the true cost is more", None, whole.unpriced))
    if whole.notional_requests:
        yield Row(("not billed", "Subscription logins, in no sum", None, whole.notional_requests))


def _of_savings(whole: Figures, closing: Closing | None) -> Iterator[Row]:
    yield Row(
        (
            "estimated",
            "Savings: the same answers priced without the planner's edits, of requests of which that is known",
            whole.saved.nano,
            whole.untouched_known,
        )
    )
    if closing is None:
        yield Row(
            (
                "hold-out",
                "Measured when the month is closed, or by planner report: it compares request by request",
                None,
                None,
            )
        )
        return
    if not closing.holdouts:
        yield Row(("hold-out", "No policy held anything out, so no saving was tested", None, None))
    for each in closing.holdouts:
        arms = f"{each.treated:,} prefix-days against {each.held_out:,} held out"
        if each.saved_nano is None or each.low is None or each.high is None:
            need = f"not yet measurable: {several(FEWEST, 'prefix-day')} each are needed"
            yield Row(("hold-out", f"{each.policy}: {need} ({arms})", None, None))
        else:
            low, high = (shown(round(value), "usd", 4) for value in (each.low, each.high))
            said = f"{each.policy}: saved a request, {low} to {high} in 80 % of cases ({arms})"
            yield Row(("hold-out", said, round(each.saved_nano), None))
