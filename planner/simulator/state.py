"""All that one simulator remembers, and how a request gets its ids."""

from planner.clock import Clock
from planner.simulator import prepared, prices, scenario
from planner.simulator.batches import Batches
from planner.simulator.bill import Bill
from planner.simulator.cache import PromptCache
from planner.simulator.config import Config, Key
from planner.simulator.containers import Containers
from planner.simulator.diagnostics import Memory
from planner.simulator.files import Files
from planner.simulator.ids import IdSource
from planner.simulator.seals import Seals
from planner.simulator.skills import Skills
from planner.simulator.threads import Threads


class State:
    """The simulator's world; `bill` is what it would charge."""

    def __init__(self, config: Config) -> None:
        switches = config.switches
        self.config = config
        self.clock: Clock = config.clock
        self.bill = Bill(prices.read(config.prices), switches, idle=config.container_idle, kept=config.bill_kept)
        self.bill.prepare(prepared.read(config.bill))
        self.scenarios = scenario.read(config.scenarios, config.max_iterations)
        self.cache = PromptCache(web_tools_apart=switches.cache_web_tool_change_keeps_tools)
        self.containers = Containers(config)
        self.files = Files()
        self.skills = Skills()
        self.batches = Batches()
        self.threads = Threads()
        self.memory = Memory()
        self.seals = Seals(config.seed)
        self.ids = IdSource(config.seed)
        self.failures: dict[tuple[str, str, int, int], int] = {}
        self.base_url = config.base_url
        self._keys = {key.key: key for key in config.keys}

    def key(self, secret: str) -> Key | None:
        """The key behind a secret; None when it is not accepted."""
        known = self._keys.get(secret)
        if known is not None or not self.config.accept_unknown_keys:
            return known
        return Key(key=secret, admin=secret.startswith("sk-ant-admin"))

    def organization(self, key: Key) -> str:
        """The organization a key belongs to."""
        return key.organization or self.config.organization
