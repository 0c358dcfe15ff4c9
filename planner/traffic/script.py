"""What is asked: the requests of a day, each with the work that it needs and how it is going to end.

An agent begins conversations until it has sent as many requests as its day has; each goes on a while after the answer
before. How a request ends is drawn here, since the work of one that is cut is what was done by then.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import log
from random import Random
from typing import Any, Final, Literal

import msgspec

from planner.core.replay.calls import Work
from planner.traffic.rhythm import days_of, moment, quotas
from planner.traffic.teams import AGENTS, REFUSED, UNPRICED, Agent

Kind = Literal["message", "count", "batch"]
Fate = Literal["answered", "cut", "lost", "invalid"]
"""How a request ends: with its answer, with a caller who hangs up, with a planner that crashes, or with a 400."""

CUT, LOST, INVALID = 0.012, 0.0012, 0.004
LIMITED, OVERLOADED = 0.009, 0.004
"""Shares of requests that end so, or that the API answers with 429 or 529 before it takes them."""

RETRY: Final = {429: 8.0, 529: 2.0}
"""Seconds until a client tries again."""

LEAST: Final = 8
"""Outputs are multiples of so many tokens, so that answers of the replay's world take whole milliseconds."""

BATCH: Final = (20, 60)
"""Fewest and most requests of a message batch."""

SAID: Final = "said by"
"""With what every text begins that a request has, so that it can be told whether any of it was kept."""

DAY: Final = timedelta(days=1)


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request as a caller sends it.

    Attributes:
        at: when, aware.
        agent, kind, model, tags: who asks what.
        conversation, turn, last: where it stands; `last` says that nothing follows.
        fate, failures: how it ends, and the statuses of attempts that the API refused just before.
        stream, awaits, resumes: how it is answered, whether its code calls a client's tool, and whether that of the
            request before runs on in it.
        fast, us: what it asks for.
        work: what it needs.
        first_byte: seconds until its answer begins.
        bytes_a_token: of the text of its answer.
        batch: what the requests of a batch need.
    """

    at: datetime
    agent: Agent
    kind: Kind
    model: str
    conversation: str
    turn: int = 1
    last: bool = True
    fate: Fate = "answered"
    failures: tuple[int, ...] = ()
    stream: bool = False
    awaits: bool = False
    resumes: bool = False
    fast: bool = False
    us: bool = False
    tags: dict[str, str] = {}
    work: Work = Work(prompt_tokens=0)
    first_byte: float = 0.4
    bytes_a_token: float = 4.0
    batch: tuple[Work, ...] = ()

    @property
    def entries(self) -> int:
        """How many entries it makes: one a request, and a batch is sent and fetched."""
        return len(self.failures) + (2 if self.kind == "batch" else 1)

    @property
    def programmatic_turn(self) -> bool:
        """Whether code that calls a client's tool runs in it."""
        return self.awaits or self.resumes

    def body(self) -> dict[str, Any]:
        """The body of `POST /v1/messages`; where text would stand, there are two words and a name."""
        mark = {"type": "ephemeral"} | ({"ttl": "1h"} if self.work.cache_ttl == "1h" else {})
        said = f"{SAID} {self.agent.name}"
        block = {"type": "text", "text": said, "cache_control": mark}
        system: Any = [block] if self.work.cached_prefix_tokens else said
        found: dict[str, Any] = {"model": self.model, "max_tokens": 4_096, "system": system}
        found |= {"tools": list(self.agent.tools)} if self.agent.tools else {}
        found |= {"stream": True} if self.stream else {}
        found |= {"speed": "fast"} if self.fast else {}
        found |= {"inference_geo": "us"} if self.us else {}
        if self.agent.keeps and self.turn > 1:
            found["container"] = f"kept-{self.conversation}"
        return found | {"messages": self._messages()}

    def _messages(self) -> list[dict[str, Any]]:
        uploads = [{"type": "container_upload", "file_id": f"file_{number}"} for number in range(self.work.files)]
        said = f"{SAID} {self.conversation}"
        first = {"role": "user", "content": [{"type": "text", "text": said}, *uploads] if uploads else said}
        if self.turn == 1:
            return [first]
        if not self.resumes:
            return [first, {"role": "assistant", "content": SAID}, {"role": "user", "content": SAID}]
        number = f"{self.conversation}-{self.turn - 1}"
        calls = [
            {"type": "server_tool_use", "id": f"srvtoolu_{number}", "name": "code_execution", "input": {}},
            {"type": "tool_use", "id": f"toolu_{number}", "name": "query", "input": {}, "caller": _CODE},
        ]
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": SAID}
        return [first, {"role": "assistant", "content": calls}, {"role": "user", "content": [result]}]


_CODE: Final = {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}


def asked(month: datetime, entries: int, seed: str) -> Iterator[Ask]:
    """All requests of a month in order of time, as many as make `entries` ledger entries."""
    days = days_of(month)
    end = days[-1] + DAY
    waiting: list[tuple[datetime, int, Ask]] = []
    shares = quotas(AGENTS, days, entries)
    for number, day in enumerate(days):
        for index, agent in enumerate(AGENTS):
            dice = Random(f"{seed}\0{agent.name}\0{day:%Y-%m-%d}")  # noqa: S311 - no secret depends on it
            waiting += [(ask.at, index, ask) for ask in _day(agent, day, end, shares[index][number], dice)]
        waiting.sort(key=lambda each: each[:2])
        today = sum(at < day + DAY for at, _, _ in waiting)
        for _, _, ask in waiting[:today]:
            yield ask
        del waiting[:today]


def _day(agent: Agent, day: datetime, end: datetime, quota: int, dice: Random) -> Iterator[Ask]:
    """What an agent asks in conversations that begin on a day; all of it before `end`, even if they go on."""
    number = 0
    while quota > 0:
        number += 1
        name = f"{agent.name}-{day:%m%d}-{number}"
        if (agent.batches and quota == 1) or dice.random() < agent.counts:
            yield Ask(at=moment(agent, day, dice), agent=agent, kind="count", model=agent.model, conversation=name)
            quota -= 1
        elif agent.batches:
            yield _batch(agent, moment(agent, day, dice), name, dice)
            quota -= 2
        else:
            talk = _conversation(agent, moment(agent, day, dice), name, quota, dice)
            talk = [ask for ask in talk if ask.at < end]
            for index, ask in enumerate(talk):
                yield msgspec.structs.replace(ask, last=index == len(talk) - 1)
            quota -= sum(ask.entries for ask in talk)


def _batch(agent: Agent, at: datetime, name: str, dice: Random) -> Ask:
    works = tuple(
        Work(prompt_tokens=_about(agent.prompt, dice), output_tokens=_output(agent, dice))
        for _ in range(dice.randint(*BATCH))
    )
    return Ask(at=at, agent=agent, kind="batch", model=agent.model, conversation=name, batch=works)


def _conversation(agent: Agent, at: datetime, name: str, quota: int, dice: Random) -> list[Ask]:
    """The requests of one conversation, at most `quota` entries of them."""
    model = _model(agent, dice)
    turns = min(1 + int(_exponential(agent.turns - 1, dice)) if agent.turns > 1 else 1, quota)
    files = dice.randint(1, agent.files) if agent.files else 0
    shared: dict[str, Any] = {
        "model": model,
        "tags": {key: dice.choice(values) for key, values in agent.tags},
        "fast": dice.random() < agent.fast,
        "us": dice.random() < agent.us,
    }
    prompt = _about(agent.prompt, dice) if not agent.cached else agent.prompt
    talk: list[Ask] = []
    left = quota
    for turn in range(1, turns + 1):
        fate, failures = _end(agent, model, left, dice)
        if left <= len(failures):
            break
        resumes = agent.programmatic and bool(talk) and talk[-1].awaits and talk[-1].fate == "answered"
        work = _work(agent, prompt, turn, files, dice)
        stream = dice.random() < agent.streams or fate == "cut"
        if fate == "cut":
            work = msgspec.structs.replace(work, iterations=1, code_runs=0, code_seconds=0.0, web_searches=0)
        ask = Ask(
            at=at + timedelta(seconds=sum(RETRY[status] for status in failures)),
            agent=agent,
            kind="message",
            conversation=name,
            turn=turn,
            fate=fate,
            failures=failures,
            stream=stream,
            awaits=agent.programmatic and not resumes and fate == "answered",
            resumes=resumes,
            work=work,
            first_byte=round(0.3 + 0.5 * dice.random(), 3),
            bytes_a_token=3.4 + 1.2 * dice.random(),
            **shared,
        )
        talk.append(ask)
        left -= ask.entries
        if fate != "answered" and not (fate == "cut" and turn < turns):
            break
        at = ask.at + timedelta(seconds=seconds_of(work) + 3.0 + round(_exponential(agent.pause, dice), 3))
        prompt += agent.growth
    return talk


def seconds_of(work: Work) -> float:
    """How long the world takes to answer: a second an iteration, its code, and 80 tokens a second."""
    return work.code_seconds + work.iterations + work.output_tokens / 80


def _model(agent: Agent, dice: Random) -> str:
    drawn = dice.random()
    for model, share in agent.others:
        if drawn < share:
            return model
        drawn -= share
    return agent.model


def _end(agent: Agent, model: str, left: int, dice: Random) -> tuple[Fate, tuple[int, ...]]:
    """How a request ends, and what the API said to earlier attempts."""
    drawn = dice.random()
    failures: list[int] = []
    for status, share in ((429, LIMITED), (529, OVERLOADED)):
        while dice.random() < share and len(failures) < left - 1:
            failures.append(status)
    if model == REFUSED:
        return "answered", ()
    for fate, share in _FATES:
        if drawn < share:
            plain = agent.billing == "api" and model != UNPRICED
            return (fate if plain else "answered"), tuple(failures)
        drawn -= share
    return "answered", tuple(failures)


_FATES: Final[tuple[tuple[Fate, float], ...]] = (("cut", CUT), ("lost", LOST), ("invalid", INVALID))


def _work(agent: Agent, prompt: int, turn: int, files: int, dice: Random) -> Work:
    runs, seconds = 0, 0.0
    if dice.random() < agent.code:
        runs = 1 if agent.programmatic else dice.randint(1, 2)
        seconds = round(min(0.2 + _exponential(agent.seconds, dice), agent.longest), 3)
    searches = int(_exponential(agent.searches, dice) + 0.5) if agent.searches else 0
    return Work(
        prompt_tokens=prompt,
        cached_prefix_tokens=agent.cached + (turn - 1) * agent.growth if agent.cached else 0,
        cache_ttl=agent.ttl,
        output_tokens=_output(agent, dice),
        iterations=1 if agent.programmatic else 1 + runs + searches,
        growth_tokens=agent.growth,
        code_runs=runs,
        code_seconds=seconds,
        files=files,
        web_searches=searches,
    )


def _output(agent: Agent, dice: Random) -> int:
    return LEAST * (1 + int(_exponential(agent.output / LEAST, dice)))


def _about(mean: int, dice: Random) -> int:
    return round(mean * (0.7 + 0.6 * dice.random()))


def _exponential(mean: float, dice: Random) -> float:
    return -mean * log(1.0 - dice.random())
