"""A fixed mix of traffic through a planner in front of a simulator: what the ledger says, and what the bill says."""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from planner.simulator.bill import Charge
from tests.doubles.proxy import run
from tests.doubles.simulated import Simulated, rules, simulated

OPUS, SONNET, HAIKU, OLD_HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-haiku-4-5"
CODE = {"type": "code_execution_20250825", "name": "code_execution"}
NEW_CODE = {"type": "code_execution_20260521", "name": "code_execution"}
BASIC_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
SEARCH = {"type": "web_search_20260209", "name": "web_search"}
HEADERS = {"x-api-key": "sk-ant-one", "anthropic-version": "2023-06-01"}
SHIPPED_PRICES = (Path(__file__).parents[2] / "rules" / "prices" / "anthropic.yaml").read_text(encoding="utf-8")
POLICIES = """
policies:
  - name: containers
    why: Conversations go on in their container.
    mode: enforce
    then: {container: conversation}
  - name: bundles
    why: Some code is made free, and some is left to be charged.
    mode: enforce
    match: {model: ["claude-sonnet-*"]}
    then: {bundle: when-cheaper}
"""
SETTINGS = {"free_hours.limit": 0, "container.after_idle": "restore", "tool_tokens.web_fetch_20260318": 40}
"""Of both sides: code costs from the first second on, the tool that may free it is small, lapsed sessions go on."""

Amounts = dict[tuple[str, str], int]
"""Nano-dollars by request id of the upstream and kind of line."""


class Run(msgspec.Struct, frozen=True):
    """One run of the mix, as both sides counted it."""

    ledger: Amounts
    bill: Amounts
    charges: tuple[Charge, ...]
    freed: int

    @property
    def differences(self) -> Amounts:
        """What the ledger has more than the bill, where they differ."""
        keys = self.ledger.keys() | self.bill.keys()
        both = {key: self.ledger.get(key, 0) - self.bill.get(key, 0) for key in keys}
        return {key: nano for key, nano in both.items() if nano}

    def quantity(self, kind: str, model: str | None = None, *, above: int = 0) -> Fraction:
        """Units of one kind of line on the bill; `model` None means all, `above` only prompts longer than that."""
        lines = (
            line
            for charge in self.charges
            for line in charge.lines
            if sum(sample.prompt for sample in charge.work.samples) > above
        )
        return sum((line.quantity for line in lines if line.kind == kind and model in {None, line.model}), Fraction(0))

    def requests(self, kind: str, model: str | None = None) -> set[tuple[str, str]]:
        """The keys of all lines of a kind on the bill."""
        return {
            (charge.work.request_id, kind)
            for charge in self.charges
            for line in charge.lines
            if line.kind == kind and model in {None, line.model}
        }


def mixed(directory: Path, *, ours: str = SHIPPED_PRICES, theirs: str = SHIPPED_PRICES, **switches: Any) -> Run:
    """Run the mix with one price file on each side; `switches` are settings of both, dots written as `__`."""
    chosen = SETTINGS | {name.replace("__", "."): value for name, value in switches.items()}
    told = {name: msgspec.json.encode(value).decode().strip('"') for name, value in chosen.items()}
    behind = {"settings": chosen, "prices": (theirs,)}
    found: list[Run] = []

    async def main() -> None:
        book = rules({"prices/anthropic.yaml": ours, "policies/shipped.yaml": POLICIES}, told)
        async with simulated(directory, book=book, simulator=behind) as planner, aiohttp.ClientSession() as http:
            count = await Traffic(planner, http).run()
            entries = await planner.entries(count)
            bill = planner.simulator.bill
            ledger = _sums((e.upstream_request_id or "", line.kind, line.nano) for e in entries for line in e.lines)
            theirs = _sums((each.work.request_id, line.kind, line.nano) for each in bill.charges for line in each.lines)
            assert None not in {entry.cost_nano for entry in entries}
            freed = sum(entry.code is not None and entry.code.charge == "free" for entry in entries)
            found.append(Run(ledger, theirs, tuple(bill.charges), freed))

    run(main())
    return found[0]


def _sums(lines: Any) -> Amounts:
    amounts: Amounts = {}
    for request_id, kind, nano in lines:
        amounts[request_id, kind] = amounts.get((request_id, kind), 0) + (nano or 0)
    return amounts


class Traffic:
    """Everything that has a price of its own, each at least once."""

    def __init__(self, planner: Simulated, http: aiohttp.ClientSession) -> None:
        self.planner = planner
        self.http = http
        self.sent = 0

    async def run(self) -> int:
        """Send it all; return how many requests that were."""
        await self.tokens()
        await self.tools()
        await self.containers()
        return self.sent

    async def ask(self, messages: Any, model: str = OPUS, **fields: Any) -> Any:
        """One request; a message, or for a stream its bytes."""
        said = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        beta = {"anthropic-beta": fields.pop("beta")} if "beta" in fields else {}
        body = {"model": model, "max_tokens": 4096, "messages": said} | fields
        self.sent += 1
        url = f"{self.planner.address}/v1/messages"
        async with self.http.post(url, json=body, headers=HEADERS | beta) as got:
            data = await got.read()
            assert got.status == 200, data
            return data if fields.get("stream") else msgspec.json.decode(data)

    async def tokens(self) -> None:
        """Prompts in every class: whole and streamed, cold and warm, short and long caches, tiers and modifiers."""
        await self.ask("Hello.")  # and the planner knows from now on where this caller belongs
        for life in ("5m", "1h"):
            mark = {"type": "ephemeral", "ttl": life}
            text = {"type": "text", "text": f"Cached for {life}. " * 400, "cache_control": mark}
            for model in (OPUS, SONNET):
                for stream in (False, True, True):
                    await self.ask("Hello again.", model, system=[text], stream=stream)
        for words in (10, 90_000):
            await self.ask("word " * words, HAIKU)
        long = "word " * 60_000  # as a sum above the tier of Haiku 5.5, each iteration below it
        await self.ask(f"[research] {long}", HAIKU, tools=[BASIC_SEARCH], beta="context-management-2025-06-27")
        await self.ask("Faster.", speed="fast")
        await self.ask("Nearer.", inference_geo="us", stream=True)
        await self.ask("[advisor]", SONNET, beta="advisor-tool-2026-03-01")
        await self.ask("[refuse]")

    async def tools(self) -> None:
        """Searches of both kinds, one that fails, and code that is free beside a newer web tool."""
        for stream in (False, True):
            await self.ask("[research]", SONNET, tools=[BASIC_SEARCH], stream=stream)
        await self.ask("[search-error]", tools=[BASIC_SEARCH])
        await self.ask("[research]", tools=[SEARCH])
        await self.ask("[short]", tools=[SEARCH, NEW_CODE])

    async def containers(self) -> None:
        """Code in new, threaded and kept containers, files that bill without a run, and a session that lapses."""
        for model, tool in ((OLD_HAIKU, CODE), (SONNET, NEW_CODE)):
            history: list[Any] = []
            for words in ("[build]", "Now test it.", "And the other half."):
                history.append({"role": "user", "content": words})
                answer = await self.ask(history, model, tools=[tool])
                history.append({"role": "assistant", "content": answer["content"]})
        await self.ask("[short]", OLD_HAIKU, tools=[CODE], stream=True)
        own: Mapping[str, Any] = {}
        for wait in (0, 200, 200, 301):
            self.planner.advance(wait)
            answer = await self.ask("[short] mine", OLD_HAIKU, tools=[CODE], **own)
            own = {"container": answer["container"]["id"]}
        form = aiohttp.FormData()
        form.add_field("file", b"a,b\n1,2\n", filename="table.csv")
        self.sent += 1
        async with self.http.post(f"{self.planner.address}/v1/files", data=form, headers=HEADERS) as got:
            file = msgspec.json.decode(await got.read())
        upload = [{"type": "container_upload", "file_id": file["id"]}, {"type": "text", "text": "Only keep it."}]
        await self.ask([{"role": "user", "content": upload}], OLD_HAIKU, tools=[CODE])
        self.planner.advance(timedelta(minutes=1).total_seconds())
