"""What crosses the pipe comes out as it went in."""

import msgspec

from planner.core.rulebook.spending import Budget, For
from planner.dashboard.asked import LENGTH, Answer, Ask, Begin, packed
from tests.doubles.paged import standing

BUDGET = Budget(name="b", why="w", mode="enforce", spenders=For(team=("a", "b*")), per="month", nano=5, hard=True)


def test_messages_come_out_as_they_went_in() -> None:
    """With their length in front."""
    ask = Ask(page="cost", form="csv", table="rows", query="team=a%20b", standing=standing(budgets=(BUDGET,)))
    for message in (Begin("sqlite:///x.db"), ask, Answer(body=b"\x00\xff", filename="a.csv")):
        whole = packed(message)
        assert int.from_bytes(whole[:LENGTH], "big") == len(whole) - LENGTH
        assert msgspec.msgpack.decode(whole[LENGTH:], type=type(message)) == message
