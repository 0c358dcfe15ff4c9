"""What an entry of the ledger charges, as tables need it: lines checked, quantities exact, the policy that decided."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from planner.core.ledger.entry import Entry
from planner.core.money import NANO_PER_USD, parse_nano
from planner.core.pricing.prices import Line
from planner.core.reasons import Action

_SAVING = (Action.BUNDLE, Action.VERSION, Action.CONTAINER, Action.WEB, Action.DENY, Action.ON_DISCONNECT)


class UnbalancedError(ValueError):
    """An entry's lines do not add up to its cost: the ledger was changed, and no export of it can be right."""


def balance(entry: Entry) -> None:
    """Check that an entry's lines add up to its cost. Raises UnbalancedError."""
    summed = sum(line.nano for line in entry.lines)
    if entry.cost_nano is not None and summed != entry.cost_nano:
        raise UnbalancedError(
            f"entry {entry.request_id} of {entry.at} costs {entry.cost_nano} nano-dollars, but its lines add up to"
            f" {summed}: the ledger was changed. Restore it, or leave that time out with --since and --until."
        )


def is_notional(entry: Entry) -> bool:
    """Whether a subscription pays for a request, so that its lines are no money."""
    return any(line.basis == "notional" for line in entry.lines)


def quantity_of(line: Line) -> Fraction:
    """The quantity of a line in its unit, exactly. Raises ValueError for a text that is no decimal."""
    if isinstance(line.quantity, int):
        return Fraction(line.quantity)
    return Fraction(parse_nano(line.quantity), NANO_PER_USD)


def by_kind(lines: Iterable[Line]) -> dict[str, Fraction]:
    """The quantities of lines, added up by kind."""
    summed: dict[str, Fraction] = {}
    for line in lines:
        summed[line.kind] = summed.get(line.kind, Fraction()) + quantity_of(line)
    return summed


def deciding_policy(entry: Entry) -> str | None:
    """The policy to which a request's saving belongs: that of its bundle, else of the next action that has one."""
    by_action = {each.action: each.policy for each in entry.decisions}
    return next(filter(None, (by_action.get(action) for action in _SAVING)), None)


def outcomes(entry: Entry) -> dict[str, str]:
    """How each action ended."""
    return {str(each.action): str(each.outcome) for each in entry.decisions}


class LeftOut:
    """Counts what a table leaves out, by cause."""

    def __init__(self) -> None:
        self._causes: Counter[str] = Counter()

    def add(self, cause: str) -> None:
        """Count one more."""
        self._causes[cause] += 1

    @property
    def causes(self) -> dict[str, int]:
        """How often by cause, the most frequent first."""
        return dict(sorted(self._causes.items(), key=lambda cause: (-cause[1], cause[0])))
