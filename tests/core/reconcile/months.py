"""Months of tests in this folder."""

import msgspec

from tests.doubles.billed import Ask, asks


def longer(seconds: float, seen: float) -> list[Ask]:
    """The month with code that ran so long, and was believed to run so long."""
    return [msgspec.structs.replace(ask, seconds=seconds, seen=seen, rest=250.0) if ask.runs else ask for ask in asks()]
