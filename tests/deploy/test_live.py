"""The compose file's processes run, four proxies under load: what is asked of Prometheus and the ledger is there."""

import asyncio
import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import cycle
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from planner.clock import SystemClock
from planner.demo.show import play
from planner.demo.world import SkippingClock
from planner.metrics import LABEL_VALUES
from planner.stores.postgres import PostgresStore
from tests.conftest import Require
from tests.doubles.dashboards import Query, expression, queries, statement, variable_statements
from tests.doubles.databases import raw
from tests.doubles.promql import rules, unfiltered
from tests.doubles.stage import PROXIES, UNPRICED, WORKERS, Stage, fetch, staged, until
from tests.proxy.test_reconciled import statement as reconciled
from tests.test_contract import rows, section, words

CUMULATIVE: Final = ("_total", "_count", "_sum", "_bucket")
NAMES: Final = 120
"""Teams and models that a client makes up, more than are told apart."""

MARKERS: Final = ("[500]", "[overloaded]", "[rate-limit]", "[400]")
ASKED: Final = [query for query in queries() if query.expr]
RULES: Final = list(rules())
STATEMENTS: Final = {query.name: query.sql for query in (*queries(), *variable_statements()) if query.sql}


def prepare(address: str) -> None:
    """Make the ledger, with a month that was reconciled and one that was closed."""

    async def work() -> None:
        store = await PostgresStore.open(address)
        try:
            found = reconciled()
            text = msgspec.json.encode(found).decode()
            await store.keep_reconciliation(found.month, "", found.made_at, text)
            await store.put_closing("2026-10", "2026-11-02T08:00:00.000000+00:00", "{}")
        finally:
            await store.close()

    asyncio.run(work())


@pytest.fixture(scope="module")
def stage(require: Require, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """All processes, after some load that is in the ledger and scraped, as of the moment after it.

    The load comes twice: a rate knows nothing of what came before the first sample of a series, and where all of it
    comes between two scrapes, as on a busy machine, it is 0 / 0.
    """
    with staged(require, tmp_path_factory.mktemp("stage"), prepare) as found:
        until(lambda: len(found.query("up == 1")) == PROXIES, "not all are scraped")
        asyncio.run(agents(found))
        others(found)
        scraped(found)
        others(found)
        yield scraped(found)


def scraped(stage: Stage) -> Stage:
    """The stage as of a moment at which all of the load so far is in the ledger and scraped, and no scrape failed.

    What was scraped then does not change any more: a scrape takes a second at most, and the moment is two ago.
    """
    until(lambda: not any(value(row) for row in stage.query("planner_ledger_pending")), "the ledger lags")
    ended = SystemClock().now().timestamp()

    def whole() -> Stage | None:
        found = msgspec.structs.replace(stage, at=SystemClock().now().timestamp() - 2)
        return found if len(found.query(f"up == 1 and timestamp(up) > {ended}")) == PROXIES else None

    return until(whole, "not all are scraped any more")


async def agents(stage: Stage) -> None:
    """The demo's agents do their work, all through one proxy and a third of them through each of the others."""
    shares = (WORKERS, *(WORKERS[part::3] for part in range(3)))
    works = zip(shares, stage.proxies, strict=True)
    stopped = await asyncio.gather(*(play(each, proxy, SkippingClock(), lambda _: None) for each, proxy in works))
    assert "legacy-client" in {name for each in stopped for name in each}  # its team has a budget of nothing


def others(stage: Stage) -> None:
    """What the agents do not do: errors of the API, a model without a price, names that are made up."""
    proxies = cycle(stage.proxies)
    for marker in MARKERS * 2:
        ask(next(proxies), marker)
    for address in stage.proxies:
        assert ask(address, "hello", model=UNPRICED) == 200
    for number in range(NAMES):
        assert ask(stage.proxies[0], "hello", model=f"model-{number}", tags=f"team=team-{number}") == 404


def ask(address: str, text: str, *, model: str = "claude-haiku-5-5", tags: str = "") -> int:
    """Ask once, as nobody in particular; return the status."""
    message = {"role": "user", "content": text}
    body = {"model": model, "max_tokens": 64, "messages": [message]}
    head = {"x-api-key": "sk-anybody", "anthropic-version": "2023-06-01", "content-type": "application/json"}
    head |= {"planner-tags": tags} if tags else {}
    return int(fetch(address, "/v1/messages", msgspec.json.encode(body), head)[0])


def value(row: Any) -> float:
    """The value of a series."""
    return float(row["value"][1])


def firing(stage: Stage) -> set[str]:
    """The alerts that fire now."""
    now = msgspec.structs.replace(stage, at=None)
    return {row["metric"]["alertname"] for row in now.query('ALERTS{alertstate="firing"}')}


def total(stage: Stage, expression: str) -> Decimal:
    """A query that has one answer."""
    (row,) = stage.query(expression)
    return Decimal(row["value"][1])


def ledger(stage: Stage, sql: str) -> Any:
    """The one value of a statement on the ledger."""
    ((found,),) = asyncio.run(raw(stage.ledger, sql))
    return found


def test_every_process_is_scraped(stage: Stage) -> None:
    """By the token that the compose file gives to both ends; without it nobody may look from another machine."""
    targets = stage.api("targets")["data"]["activeTargets"]
    assert [(target["labels"]["job"], target["health"]) for target in targets] == [("planner", "up")] * PROXIES
    assert fetch(stage.proxies[0], "/metrics", headers={"x-forwarded-for": "192.0.2.1"})[0] == 403


def test_every_metric_of_the_contract_is_exported(stage: Stage) -> None:
    """Each has a sample, and none is there that the contract does not name."""
    found = {row["metric"]["__name__"] for row in stage.query('count by (__name__) ({__name__=~"planner_.+"})')}
    contract = {words(cells[0])[0]: cells[1] for cells in rows(section("Metrics"))}
    suffixes = {"histogram": ("_bucket", "_count", "_sum")}
    assert found == {name + suffix for name, kind in contract.items() for suffix in suffixes.get(kind, ("",))}


@pytest.mark.parametrize("query", ASKED, ids=lambda query: query.name)
def test_every_panel_has_data(stage: Stage, query: Query) -> None:
    """What a panel asks Prometheus returns a number, for every choice at once and for one process alone."""
    asked = expression(query.expr, rate_interval="1m", over="10m")
    assert any(math.isfinite(value(row)) for row in stage.query(asked)), asked
    if "$instance" in query.expr:
        one = urlsplit(stage.proxies[0]).netloc
        asked = expression(query.expr, rate_interval="1m", over="10m", chosen={"instance": one})
        assert stage.query(asked), asked


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("record") or rule["alert"])
def test_every_rule_has_data(stage: Stage, rule: dict[str, Any]) -> None:
    """A recorded series has a number; an alert has both sides of what it compares."""
    asked = unfiltered(rule["expr"]) if "alert" in rule else rule["expr"]
    assert any(math.isfinite(value(row)) for row in stage.query(asked)), asked


def test_rules_are_evaluated_without_errors(stage: Stage) -> None:
    """And what must fire here does: a model without a price, a policy that fails, a budget of nothing."""
    groups = stage.api("rules")["data"]["groups"]
    assert {(rule["health"], rule.get("lastError", "")) for group in groups for rule in group["rules"]} == {("ok", "")}
    assert sum(len(group["rules"]) for group in groups) == len(RULES)
    until(lambda: {"PlannerUnpricedTraffic", "PlannerBudgetRefuses"} <= firing(stage), "what must fire does not")
    assert not firing(stage) & {"PlannerDown", "PlannerCacheBrokenByUs", "PlannerLedgerLag", "PlannerRulesDiffer"}


def test_counters_never_fall(stage: Stage) -> None:
    """No series of any process was ever less than at the scrape before."""
    names = stage.api("label/__name__/values")["data"]
    counters = [name for name in names if name.startswith("planner_") and name.endswith(CUMULATIVE)]
    fell = [row for name in counters for row in stage.query(f"resets({name}[10m])")]
    assert len(fell) > 300
    assert [row["metric"] for row in fell if value(row)] == []


def test_the_sums_of_four_processes_are_the_ledger(stage: Stage) -> None:
    """Every request, every token, every nano-dollar: nothing is counted twice or by nobody."""
    assert total(stage, "count(count by (instance) (planner_requests_total))") == PROXIES
    assert total(stage, "sum(planner_requests_total)") == ledger(stage, "SELECT COUNT(*) FROM entries")
    for metric, sql in (
        ("cost", "SELECT SUM(cost_nano) FROM entries"),
        ("untouched_cost", "SELECT SUM(untouched_nano) FROM entries"),
    ):
        nano = ledger(stage, sql)
        assert nano > 0
        assert abs(total(stage, f"sum(planner_{metric}_usd_total)") - Decimal(nano).scaleb(-9)) < Decimal("1e-12")
    tokens = "SELECT SUM(value::NUMERIC) FROM cells, jsonb_each_text(amounts) WHERE starts_with(key, 'tokens.')"
    assert total(stage, "sum(planner_tokens_total)") == ledger(stage, tokens)
    unpriced = "SELECT SUM(value::NUMERIC) FROM cells, jsonb_each_text(amounts) WHERE starts_with(key, 'unpriced.')"
    assert total(stage, "sum(planner_unpriced_requests_total)") == ledger(stage, unpriced)


def test_names_that_clients_make_up_are_capped(stage: Stage) -> None:
    """Each process tells so many apart and no more; what comes later is counted as other."""
    for label in ("team", "model"):
        told = stage.query(f"count by (instance) (count by (instance, {label}) (planner_requests_total))")
        assert max(map(value, told)) == LABEL_VALUES + 2  # other, and none
        assert total(stage, f'sum(planner_requests_total{{{label}="other"}})') >= NAMES - LABEL_VALUES
    assert max(map(value, stage.query("scrape_samples_scraped"))) < 1_500


@pytest.mark.parametrize("name", STATEMENTS)
def test_grafana_reads_the_ledger(stage: Stage, name: str) -> None:
    """As the role that the compose file makes, with what it sends for the last day."""
    now = SystemClock().now()
    sql = statement(STATEMENTS[name], now - timedelta(days=1), now)
    assert asyncio.run(raw(stage.reader, sql))


def test_grafana_changes_nothing(stage: Stage) -> None:
    """Its role cannot write, not even where it asks to."""

    async def work() -> None:
        connection = await asyncpg.connect(stage.reader)
        try:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await connection.execute("DELETE FROM closings")
            await connection.execute("SET default_transaction_read_only = off")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("DELETE FROM closings")
        finally:
            await connection.close()

    asyncio.run(work())


def test_the_health_checks_of_the_compose_file(stage: Stage) -> None:
    """Each says so where all is well; the proxy's also where nobody answers."""
    proxy, prometheus = (stage.services[name]["healthcheck"]["test"][1:] for name in ("planner", "prometheus"))
    assert proxy[0] == "python"
    for address, well in ((stage.proxies[0], True), ("http://127.0.0.1:9", False)):
        command = [sys.executable, *(each.replace("http://127.0.0.1:8484", address) for each in proxy[1:])]
        assert (subprocess.run(command, check=False, capture_output=True).returncode == 0) is well
    assert prometheus[0] == "wget"
    assert fetch(stage.prometheus, urlsplit(prometheus[-1]).path)[0] == 200
