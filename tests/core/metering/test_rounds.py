"""Sampling iterations are counted by who speaks: the model again, once a server's result has answered it."""

import pytest

from planner.core.metering.rounds import Rounds
from planner.core.wire import Block

TEXT, CALL = Block(type="text"), Block(type="server_tool_use", id="srvtoolu_1")
RESULT = Block(type="code_execution_tool_result", tool_use_id="srvtoolu_1")
BY_CODE = Block(type="tool_use", id="toolu_1", caller="code_execution_20260120")


@pytest.mark.parametrize(
    ("blocks", "again"),
    [
        ([], 0),
        ([TEXT], 0),
        ([TEXT, CALL, RESULT], 0),
        ([TEXT, CALL, RESULT, TEXT], 1),
        ([TEXT, CALL, CALL, RESULT, RESULT, TEXT], 1),
        ([CALL, RESULT, CALL, RESULT, TEXT], 2),
        ([RESULT, TEXT], 0),
        ([TEXT, CALL, BY_CODE, RESULT, TEXT], 1),
    ],
    ids=["nothing", "text", "unheard", "answered", "two-at-once", "one-by-one", "resumed", "by-code"],
)
def test_who_speaks_again(blocks: list[Block], again: int) -> None:
    """Results in a row are one answer, and what code calls the model does not see."""
    rounds = Rounds()
    for block in blocks:
        rounds.feed(block)
    assert rounds.again == again
