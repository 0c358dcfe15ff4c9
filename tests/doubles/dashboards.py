"""The committed dashboards as Grafana reads them, and what Grafana replaces in a query before it sends it.

Grafana is not here to do it. What is replaced is little, and each has its source: the macros of its PostgreSQL source
(`$__timeFrom()` and `$__timeTo()` are RFC 3339 in quotes, pkg/tsdb/grafana-postgresql-datasource/macros.go), the
variables of its front end (`${team:sqlstring}` is a list of quoted texts; a custom value for all is put in as it is,
without quotes of Grafana's), and for Prometheus `$__rate_interval`, `$__range` and variables as regular expressions.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = Path(__file__).parents[2] / "grafana"
FILES: Final = tuple(sorted((FOLDER / "dashboards").glob("*.json")))
_MACRO: Final = re.compile(r"\$(__\w+)\(([^)]*)\)")
_VARIABLE: Final = re.compile(r"\$\{(\w+):sqlstring\}|\$\{?(\w+)\}?")


class Query(NamedTuple):
    """What a panel asks; `expr` is PromQL, `sql` a statement, and one of them is empty."""

    dashboard: str
    panel: str
    expr: str
    sql: str

    @property
    def name(self) -> str:
        """Where it stands."""
        return f"{self.dashboard}: {self.panel}"


def dashboards() -> dict[str, dict[str, Any]]:
    """Every committed dashboard by its file's name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The panels that show something, rows left out."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def variables(dashboard: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The variables of a dashboard by name."""
    return {each["name"]: each for each in dashboard["templating"]["list"]}


def queries() -> Iterator[Query]:
    """Everything that a panel of any dashboard asks."""
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield Query(name, panel["title"], target.get("expr", ""), target.get("rawSql", ""))


def variable_statements() -> Iterator[Query]:
    """What variables ask the ledger."""
    for name, dashboard in dashboards().items():
        for variable in variables(dashboard).values():
            if variable["type"] == "query" and variable["datasource"]["uid"] == "${ledger}":
                yield Query(name, f"variable {variable['name']}", "", variable["query"])


def statement(sql: str, since: datetime, until: datetime, chosen: Mapping[str, Sequence[str]] | None = None) -> str:
    """A statement as it is sent; a variable that nothing was chosen for stands for all."""
    times = {"__timeFrom": since, "__timeTo": until}

    def macro(match: re.Match[str]) -> str:
        assert match[2] == "", "no macro that takes arguments is used"
        at = times[match[1]].astimezone(UTC)
        text = at.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
        return f"'{text}Z'"

    def variable(match: re.Match[str]) -> str:
        assert match[1], f"{match[0]} would not be quoted"
        values = (chosen or {}).get(match[1])
        return "'(all)'" if values is None else ",".join("'" + value.replace("'", "''") + "'" for value in values)

    return _VARIABLE.sub(variable, _MACRO.sub(macro, sql))


def expression(expr: str, *, rate_interval: str, over: str, chosen: Mapping[str, str] | None = None) -> str:
    """An expression as it is sent; a variable that nothing was chosen for matches everything."""
    known = {"__rate_interval": rate_interval, "__range": over} | dict(chosen or {})
    return _VARIABLE.sub(lambda match: known.get(match[2] or "", ".*"), expr)
