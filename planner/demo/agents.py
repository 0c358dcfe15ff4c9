"""The example agents: each does its work as its developer wrote it, and knows nothing of the planner."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from planner.demo.conversation import Conversation, Desk, Tool, files_of

OPUS: Final = "claude-opus-5-5"
OPUS_5: Final = "claude-opus-5"
SONNET: Final = "claude-sonnet-5-5"
HAIKU: Final = "claude-haiku-5-5"

SALES: Final = b"region,month,total\nnorth,1,410\nsouth,1,380\nnorth,2,455\nsouth,2,342\n"
EXPONENTS: Final = (8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96)
HANDBOOK: Final = "\n".join(
    f"{number}. Build and test each part in the order in which the others need it, report the first failure with its "
    "file and line, change as little as possible, and run the whole suite again after each change."
    for number in range(1, 41)
)
MANUAL: Final = "\n".join(
    f"{number}. Compute with code and never from memory, print the bare number, and say in one sentence what it is. "
    "Refuse what is no calculation."
    for number in range(1, 21)
)
"""System prompts of the length that real ones have; their end is a cache breakpoint."""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent: who it is, what it does and what its client is like (both go on from its name), and its work."""

    name: str
    team: str
    model: str
    does: str
    client: str
    work: Callable[[Desk, "Agent"], Awaitable[None]]

    @property
    def key(self) -> str:
        """Its own API key, by which the planner knows it."""
        return f"sk-ant-demo-{self.name}"

    @property
    def key_id(self) -> str:
        """The id of that key on the bill."""
        return f"apikey_{self.name}"


def code(version: str) -> Tool:
    """A declaration of code execution."""
    return {"type": f"code_execution_{version}", "name": "code_execution"}


def cached(text: str) -> list[dict[str, Any]]:
    """A system prompt that the API keeps in its prompt cache."""
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]


async def analyse_csv(desk: Desk, agent: Agent) -> None:
    """Upload a file, ask twice about it, and fetch what the code wrote."""
    file = await desk.client.files.upload(file=("sales.csv", SALES, "text/csv"))
    talk = Conversation(desk, stream=True, model=agent.model, tools=[code("20250825")])
    upload = {"type": "container_upload", "file_id": file.id}
    message = await talk.say([{"type": "text", "text": "Which region leads in sales.csv?"}, upload])
    for file_id in files_of(message):
        await desk.client.files.download(file_id)
    await desk.ponder(35)
    await talk.say("Please plot it.")


async def build_and_test(desk: Desk, agent: Agent) -> None:
    """Build and test four languages, one after the other, in one conversation."""
    talk = Conversation(desk, model=agent.model, system=cached(HANDBOOK), tools=[code("20250825")])
    await talk.say("Build the project.")
    for request in ("Run the C++ tests and repair what fails.", "Now the Rust part.", "And Go and TypeScript."):
        await desk.ponder(20)
        await talk.say(request)


async def write_config(desk: Desk, agent: Agent) -> None:
    """Patch one file and let its own linter judge it: one request, and done."""
    talk = Conversation(desk, stream=True, model=agent.model, tools=[code("20260521")])
    await talk.say("Close the old ciphers in nginx.conf and check the file.")


async def write_deck(desk: Desk, agent: Agent) -> None:
    """Make a presentation with an Agent Skill, then change it."""
    skills = {"skills": [{"type": "anthropic", "skill_id": "pptx", "version": "latest"}]}
    talk = Conversation(desk, model=agent.model, container=skills, tools=[code("20250825")])
    await talk.say("Make a deck of the quarter.")
    await desk.ponder(90)
    await talk.say("Too long. Eight slides, please.")


def orchestrate(*, keeps_container: bool) -> Callable[[Desk, Agent], Awaitable[None]]:
    """Let code call the caller's own database, with a client that sends the container back or does not."""

    async def work(desk: Desk, agent: Agent) -> None:
        query: Tool = {
            "name": "query_database",
            "description": "Sales of a region.",
            "input_schema": {"type": "object", "properties": {"region": {"type": "string"}}, "required": ["region"]},
            "allowed_callers": ["code_execution_20260120"],
        }
        talk = Conversation(
            desk,
            keeps_container=keeps_container,
            answer=_query,
            model=agent.model,
            tools=[code("20260120"), query],
        )
        await talk.say("Compare the regions.")
        await desk.ponder(25)
        await talk.say("In percent?")

    return work


async def research(desk: Desk, agent: Agent) -> None:
    """Search the web with the first version of the search tool, and draw a chart."""
    search: Tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
    talk = Conversation(desk, stream=True, model=agent.model, tools=[search, code("20250825")])
    await talk.say("When did the edition of 2024 come out?")
    await desk.ponder(40)
    await talk.say("Draw a chart of all editions.")


async def run_often(desk: Desk, agent: Agent) -> None:
    """Many short calculations under one system prompt, each a conversation of its own."""
    for exponent in EXPONENTS:
        talk = Conversation(desk, model=agent.model, max_tokens=512, system=cached(MANUAL), tools=[code("20250825")])
        await talk.say(f"What is 2 to the power of {exponent}? Compute it.")


async def add_up(desk: Desk, agent: Agent) -> None:
    """A client of 2025 that can read only the blocks of the first code execution."""
    for numbers in ("1, 2, 3 and 4", "2, 2, 3 and 3", "1, 1, 4 and 4"):
        talk = Conversation(desk, model=agent.model, tools=[code("20250522")])
        await talk.say(f"Add these numbers: {numbers}.")


def _query(asked: Any) -> str:  # noqa: ANN401 - the input of a tool call is what the model makes it
    return {"north": "5120", "south": "4410"}.get(asked.get("region"), "unknown")


AGENTS: Final = (
    Agent(
        name="csv-analyst",
        team="finance",
        model=SONNET,
        does="asks twice about a CSV file that it uploads with the Files API",
        client="streams and never sends the container back",
        work=analyse_csv,
    ),
    Agent(
        name="build-and-test",
        team="platform",
        model=OPUS,
        does="builds and tests C++, Rust, Go and TypeScript over four turns",
        client="caches its system prompt and never sends the container back",
        work=build_and_test,
    ),
    Agent(
        name="config-writer",
        team="platform",
        model=SONNET,
        does="patches one configuration file and lints it",
        client="is done after one request, so there is no container to go on in",
        work=write_config,
    ),
    Agent(
        name="office-writer",
        team="sales",
        model=OPUS_5,
        does="makes a presentation with an Agent Skill, then shortens it",
        client="sends its skills each time and the container never",
        work=write_deck,
    ),
    Agent(
        name="orchestrator-keeps",
        team="operations",
        model=SONNET,
        does="lets code call its own database tool",
        client="sends the container back by itself",
        work=orchestrate(keeps_container=True),
    ),
    Agent(
        name="orchestrator-forgets",
        team="operations",
        model=SONNET,
        does="does the same with a framework that drops the container",
        client="forgets the container even while a call waits in it",
        work=orchestrate(keeps_container=False),
    ),
    Agent(
        name="web-researcher",
        team="research",
        model=OPUS,
        does="searches the web, then draws a chart",
        client="declares web_search_20250305, which frees no code",
        work=research,
    ),
    Agent(
        name="short-runs",
        team="data",
        model=HAIKU,
        does="makes twelve short calculations, each a conversation of its own",
        client="makes one request each, on a small model",
        work=run_often,
    ),
    Agent(
        name="legacy-client",
        team="archive",
        model=HAIKU,
        does="adds numbers, three times",
        client="declares code_execution_20250522 and can read no other blocks",
        work=add_up,
    ),
)
"""Eight agents; the orchestrator comes with two clients, which makes nine rows."""
