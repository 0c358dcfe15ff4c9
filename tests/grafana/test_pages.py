"""The dashboards are what the code makes, say what they show, and ask for what is there."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from grafana.__main__ import PAGES, written
from grafana.pages import DOCS, PLANNER, make, text
from grafana.panels import SQL
from tests.doubles.dashboards import FILES, FOLDER, dashboards, panels, queries, variables
from tests.doubles.promql import metrics_of, recorded_of, rules
from tests.test_contract import rows, section, words

DASHBOARDS: Final = dashboards()
SHOWN: Final = [(name, panel) for name, dashboard in DASHBOARDS.items() for panel in panels(dashboard)]
EACH: Final = pytest.mark.parametrize(("name", "panel"), SHOWN, ids=[f"{name}-{panel['id']}" for name, panel in SHOWN])
LEDGER_TYPE: Final = "grafana-postgresql-datasource"


def provisioned(kind: str) -> dict[str, Any]:
    """A provisioning file."""
    return dict(YAML(typ="safe").load(FOLDER / f"provisioning/{kind}/planner.yaml"))


def test_what_is_committed_is_what_the_code_makes() -> None:
    """`python -m grafana` writes these files, and no others lie beside them."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FILES} == written()


def test_addresses_can_be_given() -> None:
    """Links lead to where the planner and the docs are for people's browsers."""
    made = text(make(PAGES["operations"], planner="https://planner.internal", docs="https://docs.internal"))
    assert PLANNER not in made
    assert DOCS not in made
    assert made.count("https://planner.internal") == made.count("https://docs.internal") > 0


def test_they_are_written_where_one_says(tmp_path: Path) -> None:
    """By the command of the README."""
    words = ["-m", "grafana", "--docs", "https://docs.internal", "--out", str(tmp_path / "there")]
    subprocess.run([sys.executable, *words], cwd=FOLDER.parent, check=True)
    assert {path.name for path in (tmp_path / "there").iterdir()} == set(written())
    assert "https://docs.internal" in (tmp_path / "there/finance.json").read_text(encoding="utf-8")


@EACH
def test_a_panel_says_what_it_shows_and_in_which_unit(name: str, panel: dict[str, Any]) -> None:
    """A sentence at least, which ends in the unit; and Grafana knows the unit too."""
    assert re.fullmatch(r"\S.{20,}[.;)] Unit: [^.]+\.", panel["description"]), (name, panel["title"])
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]


@EACH
def test_a_panel_asks_the_source_of_a_variable(name: str, panel: dict[str, Any]) -> None:
    """So that a dashboard works in any Grafana; the variable is of the right kind."""
    kinds = {variable["name"]: variable["query"] for variable in variables(DASHBOARDS[name]).values()}
    for asked in (panel, *panel["targets"]):
        uid = asked["datasource"]["uid"]
        assert uid in {"${metrics}", "${ledger}"}
        assert kinds[uid.strip("${}")] == asked["datasource"]["type"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_page_is_read_from_top_to_bottom(name: str) -> None:
    """Rows ask questions; below each, panels fill the width, line by line, and none lies upon another."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    lines = sorted({panel["gridPos"]["y"] for panel in DASHBOARDS[name]["panels"]})
    for line in lines:
        assert {x for x, y in taken if y == line} == set(range(24)), line
    assert all(one["id"] + 1 == other["id"] for one, other in pairwise(DASHBOARDS[name]["panels"]))
    assert all(panel["title"].endswith("?") for panel in DASHBOARDS[name]["panels"] if panel["type"] == "row")


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_page_leads_on(name: str) -> None:
    """To the other pages with the same choices, to the planner's own, and to the runbook."""
    links = DASHBOARDS[name]["links"]
    assert [link["type"] for link in links] == ["dashboards", "link", "link"]
    assert links[0]["tags"] == ["planner"] == DASHBOARDS[name]["tags"]
    assert links[0]["includeVars"]
    assert links[0]["keepTime"]
    assert [link["url"] for link in links[1:]] == ["${planner}/planner/", "${docs}/runbook.md"]
    assert DASHBOARDS[name]["timezone"] == "utc"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("finance", ["metrics", "ledger", "job", "team", "model"]),
        ("operations", ["metrics", "job", "instance", "team", "model"]),
        ("decisions", ["metrics", "job", "instance", "team", "model"]),
    ],
)
def test_what_can_be_chosen(name: str, expected: list[str]) -> None:
    """Each choice is used, none is missing, and all of it is chosen at first."""
    there = variables(DASHBOARDS[name])
    assert list(there) == [*expected, "planner", "docs"]
    used = set(re.findall(r"\$\{?([a-z]+)\b", str([DASHBOARDS[name]["panels"], DASHBOARDS[name]["links"]])))
    assert used == set(there)
    for each in there.values():
        if each["type"] == "query":
            assert (each["multi"], each["includeAll"], each["current"]["value"]) == (True, True, "$__all")


def test_what_is_asked_is_there() -> None:
    """Metrics of the contract, series that are recorded."""
    contract = {words(cells[0])[0] for cells in rows(section("Metrics"))}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for query in queries():
        assert metrics_of(query.expr) <= contract, query.name
        assert recorded_of(query.expr) <= recorded, query.name


def test_every_metric_is_looked_at() -> None:
    """By a panel, or by an alert; and so is every recorded series, and every statement on the ledger."""
    asked = [query.expr for query in queries()] + [rule["expr"] for rule in rules()]
    contract = {words(cells[0])[0] for cells in rows(section("Metrics"))}
    assert set().union(*map(metrics_of, asked)) == contract
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert set().union(*map(recorded_of, asked)) == recorded
    source = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py"))
    assert {name for name in SQL if f'"{name}"' not in source} == set()


def test_the_sources_that_are_provisioned_are_those_that_are_asked() -> None:
    """Of each kind one; the ledger's password comes from the environment, and who reads may do nothing else."""
    sources = {each["type"]: each for each in provisioned("datasources")["datasources"]}
    assert set(sources) == {"prometheus", LEDGER_TYPE}
    assert sources["prometheus"]["isDefault"]
    assert sources[LEDGER_TYPE]["user"] == "grafana"
    assert sources[LEDGER_TYPE]["secureJsonData"] == {"password": "$GRAFANA_LEDGER_PASSWORD"}


def test_the_dashboards_are_provisioned_from_files() -> None:
    """And what is changed in the browser is not taken for what is committed."""
    (provider,) = provisioned("dashboards")["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
    assert Path(provider["options"]["path"]).is_absolute()
