"""How many sampling iterations a response shows: the model speaks again once a server's result has answered it."""

from planner.core.wire import Block


class Rounds:
    """Counts while blocks pass, of a stream or of a whole message; `again` are the iterations behind the first."""

    __slots__ = ("_answered", "_spoken", "again")

    def __init__(self) -> None:
        self.again = 0
        self._spoken = False
        self._answered = False

    def feed(self, block: Block) -> None:
        """Take in one block; calls between code and tools are unseen by the model."""
        if block.programmatic:
            return
        if block.type.endswith("_tool_result"):
            self._answered = self._spoken
        else:
            self.again += self._answered
            self._spoken, self._answered = True, False
