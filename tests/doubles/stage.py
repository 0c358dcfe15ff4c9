"""The processes of the compose file, started by hand: PostgreSQL, a simulator, four proxies, and a Prometheus.

Command lines, variables and files are those of the compose file. Replaced are addresses and paths inside containers,
and that Prometheus looks every second, so that a test need not wait for minutes. Grafana is not here.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from ruamel.yaml import YAML

from planner.clock import SystemClock
from planner.demo.agents import AGENTS, Agent, code
from planner.demo.conversation import Conversation, Desk
from planner.demo.world import write_rules
from tests.conftest import Require
from tests.doubles import compose, postgres

ROOT: Final = compose.DEPLOY.parent
PROXIES: Final = 4
PATIENCE: Final = 40.0
SECRETS: Final = {
    "PLANNER_ADMIN_TOKEN": "only-for-this-test",
    "POSTGRES_PASSWORD": "owner",
    "GRAFANA_LEDGER_PASSWORD": "reader",
    "GRAFANA_ADMIN_PASSWORD": "admin",
    "PLANNER_OBSERVE": "",
}
DAY: Final = 86_400
T = TypeVar("T")

MORE_POLICIES: Final = """policies:
  - {name: weighed, why: A test., mode: shadow, then: {bundle: when-cheaper}}
  - {name: fails, why: A test., mode: enforce, when: 'tags["feature"] == "x"', then: {bundle: never}}
  - {name: cold, why: A test., mode: enforce, match: {model: [claude-opus-4-8]}, then: {container: never}}
"""


async def compute_often(desk: Desk, agent: Agent) -> None:
    """Run code in some turns, whose container a policy keeps apart."""
    talk = Conversation(desk, model=agent.model, tools=[code("20250825")])
    for number in range(4):
        await talk.say(f"Compute 2 + {number}.")


WORKERS: Final = (
    *AGENTS,
    Agent(name="cold", team="sales", model="claude-opus-4-8", does="computes", client="forgets", work=compute_often),
)
"""The demo's agents, and one whose containers are left cold."""

UNPRICED: Final = "claude-sonnet-5"
"""A model that the simulator serves and bills, and the proxies' price files do not know."""

BUDGETS: Final = """budgets:
  - {name: each, why: A test., mode: enforce, for: {team: ["*"]}, each: true, per: month, usd: "2", soft_at: [1]}
  - {name: nothing, why: A test., mode: enforce, for: {team: [archive]}, per: day, usd: "0.000001", hard: true}
"""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything listens; `ledger` is its owner's address of the database, `reader` that of Grafana's role.

    `services` are those of the compose file, variables replaced. `at` is the moment that Prometheus is asked about,
    in seconds since the epoch; None is now.
    """

    proxies: tuple[str, ...]
    simulator: str
    prometheus: str
    ledger: str
    reader: str
    services: dict[str, Any]
    at: float | None = None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant query: its series, or the one of a scalar."""
        words = {"query": expression} | ({} if self.at is None else {"time": str(self.at)})
        data = self.api("query", words)["data"]
        return [{"metric": {}, "value": data["result"]}] if data["resultType"] == "scalar" else data["result"]

    def api(self, path: str, words: Mapping[str, str] | None = None) -> Any:
        """What Prometheus answers."""
        status, body = fetch(self.prometheus, f"/api/v1/{path}?{urlencode(words or {})}")
        told = json.loads(body)
        assert status == 200, told
        return told


def fetch(address: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
    """Status and body of an answer."""
    place = urlsplit(address)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
    try:
        connection.request("GET" if body is None else "POST", path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def until(condition: Callable[[], T | None], what: str, *, longest: float = PATIENCE) -> T:
    """Wait for another party's state, which has no event; return what the condition found. Raises TimeoutError."""
    clock, pause = SystemClock(), Event()
    end = clock.monotonic() + longest
    while not (found := condition()):
        if clock.monotonic() > end:
            raise TimeoutError(what)
        pause.wait(0.1)
    return found


class Started(msgspec.Struct, frozen=True):
    """A process of ours, and the file in which it says what it does."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self, pattern: str) -> str:
        """Wait until it says something, and return the first group of it."""

        def found() -> re.Match[str] | None:
            text = self.log.read_text()
            assert self.process.poll() is None, text
            return re.search(pattern, text)

        return until(found, f"{self.log} does not say {pattern}")[1]


Start = Callable[[Sequence[str], Mapping[str, str], Path], Started]
"""Starts a command in an environment, with a file for what it says."""


@contextmanager
def ending_together() -> Iterator[Start]:
    """Processes that are asked to end at the end, all at once."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Started:
        whole = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | dict(environment)
        with log.open("wb") as said:
            process = subprocess.Popen(command, env=whole, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        processes.append(process)
        return Started(process, log)

    try:
        yield start
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(PATIENCE)


def ours(service: Mapping[str, Any]) -> list[str]:
    """The command line of one of our services, here."""
    words = ("127.0.0.1" if word == "0.0.0.0" else word for word in service["command"])  # noqa: S104 - it is replaced
    return [sys.executable, "-m", "planner", *words]


@contextmanager
def databases(require: Require, service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A server with the database and the roles that the image makes: the owner's address, and the reader's."""
    program = require("postgres")
    beside = program.parent / "psql"
    psql = str(beside if beside.is_file() else shutil.which("psql"))
    (script,) = (
        source
        for target, source in compose.mounts(service).items()
        if target.startswith("/docker-entrypoint-initdb.d/")
    )
    name = service["environment"]["POSTGRES_DB"]
    with postgres.serving(program) as server:
        address = urlunsplit(urlsplit(server.address)._replace(path=f"/{name}"))
        for words, where in ((["-c", f"CREATE DATABASE {name}"], server.address), (["-f", str(script)], address)):
            command = [psql, "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-d", where, *words]
            subprocess.run(command, check=True, env={"PATH": os.defpath} | service["environment"])
        yield address, address.replace("planner@", "grafana@", 1)


def configured(
    require: Require, service: Mapping[str, Any], targets: Sequence[str], folder: Path, history: str
) -> list[str]:
    """The command line of a Prometheus on the committed configuration, with some history behind it."""
    data, token, config = folder / "prometheus", folder / "token", folder / "prometheus.yaml"
    (inside,) = (target for target in compose.mounts(service) if target.endswith("/prometheus.yaml"))
    source = compose.mounts(service)[inside]
    assert isinstance(source, Path)
    written = YAML(typ="safe").load(source)
    written["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    written["rule_files"] = [str(source.parent / each) for each in written["rule_files"]]
    (scrape,) = written["scrape_configs"]
    token.write_text(SECRETS["PLANNER_ADMIN_TOKEN"])
    scrape["authorization"]["credentials_file"] = str(token)
    del scrape["dns_sd_configs"]
    scrape["static_configs"] = [{"targets": list(targets)}]
    YAML(typ="safe").dump(written, config)
    (folder / "history").write_text(history)
    fill = [str(require("promtool")), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
    subprocess.run([*fill, str(folder / "history"), str(data)], check=True, capture_output=True)
    here = {inside: str(config), "/prometheus": str(data)}
    words = (word.partition("=") for word in service["command"])
    return [str(require("prometheus")), *(f"{flag}={here.get(value, value)}" for flag, _, value in words)]


def free_port() -> int:
    """A port that nobody listens on, for a program that cannot choose one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def history(now: float) -> str:
    """What teams spent in an hour a week ago and yesterday, as the recording rule would have left it."""
    name = "planner:team_cost_usd:increase1h"
    teams = sorted({agent.team for agent in WORKERS})
    lines = (
        f'{name}{{job="planner",team="{team}"}} 0.5 {now - ago + 60 * minute:.0f}'
        for team in (*teams, "(all teams)")
        for ago in (7 * DAY, DAY)
        for minute in range(-10, 20)
    )
    return "\n".join([f"# TYPE {name} gauge", *lines, "# EOF", ""])


@contextmanager
def staged(require: Require, folder: Path, prepare: Callable[[str], None]) -> Iterator[Stage]:
    """All of it; `prepare` is called with the address of the empty database before anybody else opens it."""
    services = compose.services(SECRETS)
    shipped = compose.mounts(services["planner"])["/etc/planner/rules"]
    assert isinstance(shipped, Path)
    rules = rules_of_the_stage(folder / "rules", shipped)
    with ExitStack() as stack:
        ledger, reader = stack.enter_context(databases(require, services["postgres"]))
        prepare(ledger)
        start = stack.enter_context(ending_together())
        command = [*ours(services["simulator"]), "--port", "0"]
        more = {"PLANNER_SCENARIOS": str(ROOT / "planner/demo/scripts.yaml"), "PLANNER_SET": "free_hours.limit=0"}
        simulator = start(command, more, folder / "simulator.log").said(r"listens on (\S+)\.")
        replaced = {
            "PLANNER_UPSTREAM": simulator,
            "PLANNER_STORE": ledger,
            "PLANNER_RULES": str(rules),
            "PLANNER_SET": "free_hours.limit=0 retention.entries_days=400",
        }
        command, usual = [*ours(services["planner"]), "--port", "0"], services["planner"]["environment"] | replaced
        proxies = [
            start(command, usual | {"PLANNER_JOURNAL": str(folder / f"intents-{n}")}, folder / f"proxy-{n}.log")
            for n in range(PROXIES)
        ]
        addresses = tuple(proxy.said(r'"url":"([^"]+)"') for proxy in proxies)
        targets = [urlsplit(address).netloc for address in addresses]
        past = history(SystemClock().now().timestamp())
        command = configured(require, services["prometheus"], targets, folder, past)
        listen = f"127.0.0.1:{free_port()}"
        started = start([*command, f"--web.listen-address={listen}"], {}, folder / "prometheus.log")
        started.said(r"(Server is ready to receive web requests)")
        yield Stage(
            proxies=addresses,
            simulator=simulator,
            prometheus=f"http://{listen}",
            ledger=ledger,
            reader=reader,
            services=services,
        )


def rules_of_the_stage(folder: Path, shipped: Path) -> Path:
    """Rules that leave no metric without a sample: agents that are known, budgets, shadows, a condition that fails."""
    write_rules(folder, WORKERS)
    for name in ("policies", "prices"):
        shutil.copytree(shipped / name, folder / name)
    prices = folder / "prices/anthropic.yaml"
    row = f'models: [{UNPRICED}, "{UNPRICED}-20*"]\n'
    assert row in prices.read_text()
    prices.write_text(prices.read_text().replace(row, f"{row}    until: 2020-01-01\n"))
    (folder / "policies/a-more.yaml").write_text(MORE_POLICIES)
    (folder / "budgets.yaml").write_text(BUDGETS)
    return folder
