"""The planner's decisions and the demo's money in words for a person who has never seen either."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from planner.core.ledger.entry import Expected
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.demo.account import Row

NANO: Final = 9
CENTS_OF_CENTS: Final = Decimal("0.0001")

SENTENCES: Final = {
    (Action.BUNDLE, Outcome.APPLIED): "bundled: a web tool that can fetch nothing made its code free",
    (Action.BUNDLE, Outcome.KEPT): "bundle kept",
    (Action.BUNDLE, Outcome.DECLINED): "not bundled",
    (Action.BUNDLE, Outcome.SHADOW): "would be bundled, but the policy is only on trial",
    (Action.VERSION, Outcome.APPLIED): "newer code execution declared",
    (Action.VERSION, Outcome.DECLINED): "version left as declared",
    (Action.VERSION, Outcome.SHADOW): "newer code execution only on trial",
    (Action.CONTAINER, Outcome.THREADED): "sent on in the warm container of the turn before",
    (Action.CONTAINER, Outcome.CALLER): "container sent by the caller itself",
    (Action.CONTAINER, Outcome.DECLINED): "new container",
    (Action.CONTAINER, Outcome.SHADOW): "warm container only on trial",
}
SPEAKS_FOR_ITSELF: Final = frozenset({Reason.REPEATED})
"""Reasons that add nothing for a reader who sees how often a decision was made."""


def dollars(nano: int) -> str:
    """Nano-dollars as dollars with four decimals."""
    amount = Decimal(nano).scaleb(-NANO).quantize(CENTS_OF_CENTS, ROUND_HALF_EVEN)
    return f"-${-amount}" if amount < 0 else f"${abs(amount)}"


def exactly(nano: int) -> str:
    """Nano-dollars as dollars to the last digit."""
    amount = Decimal(nano).scaleb(-NANO)
    return f"-${-amount:.9f}" if amount < 0 else f"${amount:.9f}"


def percent(part: int, whole: int) -> str:
    """A share in whole percent; empty where there is nothing to share."""
    return "" if whole == 0 else f"{Decimal(100 * part) / Decimal(whole):.0f} %".replace("-0 %", "0 %")


def said(row: Row) -> list[str]:
    """An agent's decisions, one sentence each with how many of its requests they were made for."""
    merged: dict[tuple[str, str], int] = {}
    for counted in row.decisions:
        if (sentence := sentence_of(counted.decision)) is not None:
            key = sentence, because(counted.decision, row.expected)
            merged[key] = merged.get(key, 0) + counted.requests
    lines = []
    for (sentence, why), requests in merged.items():
        share = "" if requests == row.requests else f"{requests} of {row.requests} requests: "
        lines.append(f"{share}{sentence}{f'. {why}' if why else ''}")
    return [*lines, *anyway(row)] if row.edited else lines


def sentence_of(decision: Decision) -> str | None:
    """What a decision did; None for one that did nothing and has nothing to say."""
    if decision.outcome is Outcome.FAILED_OPEN:
        return f"{decision.action} not decided, forwarded untouched"
    if decision.outcome is Outcome.NONE and decision.reason not in {None, Reason.NO_CODE_EXECUTION}:
        return "no container lent"
    return SENTENCES.get((decision.action, decision.outcome))


def because(decision: Decision, expected: Expected | None = None) -> str:
    """The reason of a decision in words, with what was expected where that decided."""
    reason = decision.reason
    if reason is None or reason in SPEAKS_FOR_ITSELF:
        return ""
    if reason is not Reason.NOT_WORTH_IT or expected is None:
        return reason.meaning
    against = f"{dollars(expected.untouched)} against {dollars(expected.planned)}"
    return f"{reason.meaning.rstrip('.')}: {against}, output aside."


def left_alone(row: Row) -> str:
    """What it is about an agent that none of its requests was changed, and what changing them would have cost.

    The reasons themselves stand among its decisions.
    """
    return " ".join([f"Its client {row.agent.client}.", *anyway(row)])


def anyway(row: Row) -> list[str]:
    """What a bundle would have done to the bill of an agent that got none."""
    if row.bundled or row.anyway == row.billed:
        return []
    if row.anyway > row.billed:
        return [f"Bundled anyway it would have cost {dollars(row.anyway - row.billed)} more."]
    return [f"Bundled it would have cost {dollars(row.billed - row.anyway)} less: caution has its price."]
