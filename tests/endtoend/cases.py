"""The end-to-end cases as a table: what a client declares, what it says, and what each of its requests should get."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from planner.simulator.config import shipped_scenarios
from tests.endtoend.client import CODE, OLD_CODE, QUERY, SEARCH, WEATHER, Talk

SCENARIOS = (*shipped_scenarios(), (Path(__file__).parent / "work.yaml").read_text(encoding="utf-8"))
SKILLS = [{"type": "anthropic", "skill_id": "pptx", "version": "latest"}]


UPSTREAM: dict[str, Any] = {"scenarios": SCENARIOS}
"""The simulator of these tests."""

PATIENT: dict[str, Any] = {"decide_timeout": 5.0}
"""A planner that decides also on a machine that is busy with other tests."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One case: `says` are the user's messages, `gets` what becomes of the container in each request that they make.

    `breaks` says that without the planner a client that forgets is refused on the way; `free` that its code is.
    `own` counts the containers that it starts without a planner when it forgets.
    """

    name: str
    fields: dict[str, Any]
    says: Sequence[str]
    gets: Sequence[str]
    own: int
    breaks: bool = False
    free: bool = False
    upload: bool = False

    @property
    def asked(self) -> int:
        """How many requests it makes."""
        return len(self.gets)


NONE, WARM, PENDING = "none", "threaded", "threaded:pending-call"

CASES = (
    Case(
        name="programmatic",
        fields={"tools": [CODE, QUERY]},
        says=["[regions]", "[talk]", "[talk]", "[west]"],
        gets=[NONE, PENDING, WARM, WARM, WARM, PENDING, PENDING],
        own=0,
        breaks=True,
    ),
    Case(
        name="pause",
        fields={"tools": [OLD_CODE]},
        says=["[steps]", "[talk]", "[more]"],
        gets=[NONE, WARM, WARM, WARM, WARM],
        own=3,
    ),
    Case(
        name="parallel",
        fields={"tools": [CODE, WEATHER]},
        says=["[forecast]", "[talk]", "[more]", "[forecast]"],
        gets=[NONE, WARM, WARM, WARM, WARM, WARM, WARM, WARM],
        own=5,
    ),
    Case(
        name="skills",
        fields={"tools": [OLD_CODE], "container": {"skills": SKILLS}},
        says=["[deck]", "[more]", "[talk]", "[deck]"],
        gets=[NONE, WARM, WARM, WARM],
        own=4,
    ),
    Case(
        name="files",
        fields={"tools": [OLD_CODE]},
        says=["[sales]", "[talk]", "[more]"],
        gets=[NONE, WARM, WARM],
        own=3,
        upload=True,
    ),
    Case(
        name="web",
        fields={"tools": [SEARCH, WEATHER]},
        says=["[news]", "[news]", "[local news]", "[talk]"],
        gets=[NONE, WARM, WARM, PENDING, WARM],
        own=0,
        breaks=True,
        free=True,
    ),
)


async def spoken(talk: Talk, case: Case) -> Sequence[Any]:
    """What a case's user says; the file that goes with it is uploaded now."""
    if not case.upload:
        return case.says
    file = await talk.client.files.upload(file=("sales.csv", b"region,total\nnorth,5120\n", "text/csv"))
    first = [{"type": "text", "text": case.says[0]}, {"type": "container_upload", "file_id": file.id}]
    return [first, *case.says[1:]]


def outputs(talk: Talk) -> list[str]:
    """The ids of the files that code wrote."""
    return [
        output.file_id
        for message in talk.answers
        for block in message.content
        if block.type == "bash_code_execution_tool_result" and block.content.type == "bash_code_execution_result"
        for output in block.content.content
    ]
