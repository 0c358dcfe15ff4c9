"""The company: eight teams in two organizations and four workspaces, what their agents are, and how they work.

All of it is made up. Ids have the look of Anthropic's and belong to nobody.
"""

from hashlib import sha256
from typing import Any, Final, Literal

import msgspec

COMPANY: Final = "0c0f1a2e-0000-4000-8000-0000000000a1"
SUBSIDIARY: Final = "0c0f1a2e-0000-4000-8000-0000000000b2"
PLATFORM, FINANCE, LABS, SHOP = "wrkspc_01Platform", "wrkspc_01Finance", "wrkspc_01Labs", "wrkspc_01Shop"

CODE: Final = {"type": "code_execution_20250825", "name": "code_execution"}
NEW_CODE: Final = {"type": "code_execution_20260521", "name": "code_execution"}
SEARCH: Final = {"type": "web_search_20250305", "name": "web_search"}
NEW_SEARCH: Final = {"type": "web_search_20260209", "name": "web_search"}
LOOKUP: Final = {"name": "lookup", "input_schema": {"type": "object"}}
QUERY: Final = {
    "name": "query",
    "input_schema": {"type": "object"},
    "allowed_callers": ["code_execution_20260120"],
}

UNPRICED: Final = "claude-sonnet-6-preview"
"""A model that the planner's price files do not know, and the bill does."""

REFUSED: Final = "claude-fable-5-2"
"""A model that a policy of the month refuses to one team."""

Hours = Literal["office", "round", "night"]


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent: who it is, with which key, and what its requests look like.

    Attributes:
        name: of the principal; team, project, organization and workspace are those of `callers.yaml`.
        share: of all requests of the month, relative to the other agents'.
        hours, weekend: when it works, and how much of a weekday's work it does on a Saturday or Sunday.
        model, others: which it asks, and how often another one instead.
        tools: as declared.
        prompt, cached, ttl: tokens of a first prompt, those in front of a cache breakpoint, and how long it lives.
        growth, output: tokens that an iteration adds, and that an answer has; means.
        turns, pause: requests of a conversation, seconds between answer and next request; means.
        code, seconds, longest: share of requests that run code, mean seconds of one, and the longest.
        searches: web searches of a request; a mean.
        files: most files that a conversation begins with.
        streams: share of requests that stream.
        programmatic: whether code calls its client's tool, so that every second request answers such a call.
        keeps: whether it sends its container back by itself.
        fast, us: shares of requests that ask for speed, and for a place.
        batches: whether it sends message batches, and nothing else.
        counts: share of requests that only count tokens.
        billing: who pays.
        tags: tags that it sends, of which each conversation picks one value.
    """

    name: str
    team: str
    project: str
    organization: str
    workspace: str
    share: int
    hours: Hours = "office"
    weekend: float = 0.1
    model: str
    others: tuple[tuple[str, float], ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    prompt: int = 6_000
    cached: int = 0
    ttl: Literal["5m", "1h"] = "5m"
    growth: int = 900
    output: int = 600
    turns: float = 3.0
    pause: float = 45.0
    code: float = 0.0
    seconds: float = 8.0
    longest: float = 90.0
    searches: float = 0.0
    files: int = 0
    streams: float = 0.6
    programmatic: bool = False
    keeps: bool = False
    fast: float = 0.0
    us: float = 0.0
    batches: bool = False
    counts: float = 0.0
    billing: Literal["api", "subscription"] = "api"
    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def fingerprint(self) -> str:
        """What stands for its key in `callers.yaml`."""
        return sha256(f"planner-traffic\0{self.name}".encode()).hexdigest()[:16]

    @property
    def api_key(self) -> str:
        """The id of its key, as the bill names it."""
        return f"apikey_01{self.fingerprint}"


def _agent(team: str, name: str, organization: str, workspace: str, **habits: Any) -> Agent:  # noqa: ANN401 - the habits of `Agent`, each with its own type
    return Agent(name=f"{team}-{name}", team=team, organization=organization, workspace=workspace, **habits)


AGENTS: Final = (
    _agent(
        "data",
        "analyst",
        COMPANY,
        PLATFORM,
        project="warehouse",
        share=180,
        model="claude-sonnet-5-5",
        tools=(CODE, LOOKUP),
        prompt=18_000,
        cached=17_000,
        code=0.55,
        seconds=14.0,
    ),
    _agent(
        "data",
        "sums",
        COMPANY,
        PLATFORM,
        project="metrics",
        share=70,
        hours="round",
        weekend=0.9,
        model="claude-haiku-5-5",
        tools=(CODE,),
        prompt=700,
        turns=1.0,
        output=160,
        code=1.0,
        seconds=3.0,
        streams=0.2,
    ),
    _agent(
        "support",
        "desk",
        COMPANY,
        PLATFORM,
        project="helpdesk",
        share=150,
        hours="round",
        weekend=0.5,
        model="claude-sonnet-5-5",
        tools=(SEARCH, LOOKUP),
        prompt=9_000,
        cached=8_000,
        searches=0.7,
        streams=0.95,
        tags=(("environment", ("production", "staging")), ("feature", ("chat", "mail"))),
    ),
    _agent(
        "nightly",
        "digest",
        COMPANY,
        FINANCE,
        project="digest",
        share=10,
        hours="night",
        weekend=1.0,
        model="claude-haiku-4-5",
        prompt=5_200,
        output=480,
        batches=True,
    ),
    _agent(
        "research",
        "deep",
        SUBSIDIARY,
        LABS,
        project="papers",
        share=80,
        weekend=0.4,
        model="claude-opus-5-5",
        tools=(NEW_SEARCH, NEW_CODE),
        prompt=24_000,
        cached=20_000,
        ttl="1h",
        turns=4.0,
        pause=90.0,
        output=1_400,
        code=0.4,
        seconds=20.0,
        searches=0.6,
        streams=0.9,
        fast=0.05,
    ),
    _agent(
        "research",
        "preview",
        SUBSIDIARY,
        LABS,
        project="evaluation",
        share=8,
        model=UNPRICED,
        prompt=4_000,
        turns=1.5,
    ),
    _agent(
        "founders",
        "login",
        COMPANY,
        PLATFORM,
        project="office",
        share=32,
        weekend=0.6,
        model="claude-opus-5",
        tools=(CODE,),
        prompt=12_000,
        cached=11_000,
        code=0.3,
        billing="subscription",
    ),
    _agent(
        "legal",
        "files",
        COMPANY,
        FINANCE,
        project="contracts",
        share=60,
        weekend=0.0,
        model="claude-sonnet-5-5",
        tools=(CODE,),
        prompt=15_000,
        turns=2.0,
        output=1_100,
        code=0.6,
        seconds=240.0,
        longest=900.0,
        files=2,
        streams=0.4,
        us=1.0,
    ),
    _agent(
        "product",
        "chat",
        SUBSIDIARY,
        SHOP,
        project="assistant",
        share=480,
        hours="round",
        weekend=1.2,
        model="claude-haiku-5-5",
        others=(("claude-sonnet-5", 0.2), (REFUSED, 0.02)),
        prompt=3_200,
        cached=2_600,
        turns=4.0,
        output=320,
        streams=1.0,
        counts=0.03,
        tags=(("environment", ("production",)), ("feature", ("search", "checkout", "returns"))),
    ),
    _agent(
        "product",
        "catalog",
        SUBSIDIARY,
        SHOP,
        project="catalog",
        share=50,
        weekend=0.2,
        model="claude-haiku-5-5",
        others=(("claude-haiku-4-5", 0.3),),
        prompt=88_000,
        growth=9_000,
        turns=2.0,
        streams=0.3,
    ),
    _agent(
        "ops",
        "runner",
        SUBSIDIARY,
        LABS,
        project="runbooks",
        share=90,
        hours="round",
        weekend=0.8,
        model="claude-haiku-5-5",
        tools=(NEW_CODE, QUERY),
        prompt=8_000,
        cached=7_000,
        turns=4.0,
        pause=12.0,
        code=1.0,
        seconds=6.0,
        streams=1.0,
        programmatic=True,
        keeps=True,
    ),
)

TEAMS: Final = tuple(dict.fromkeys(agent.team for agent in AGENTS))
