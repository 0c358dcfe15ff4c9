"""Panels: what each shows, in which unit, and what it asks for. All of a kind look alike.

Two sources answer. Prometheus knows what is going on, by metrics of every process; the ledger in PostgreSQL knows what
it cost, to the nano-dollar. A dashboard names both by a variable, so that it can be brought to any Grafana.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from planner.stores.statements import parse

METRICS: Final = model.DataSourceRef(type_val="prometheus", uid="${metrics}")
LEDGER: Final = model.DataSourceRef(type_val="grafana-postgresql-datasource", uid="${ledger}")
SQL: Final = parse((Path(__file__).parent / "sql/ledger.sql").read_text(encoding="utf-8"), "ledger")
HOURS: Final = "hours"
"""The statement that others begin with."""

GREEN, YELLOW, RED = "green", "orange", "red"
WHOLE: Final = 24
"""Columns of the grid."""


class Unit(NamedTuple):
    """Grafana's word for a unit, and ours."""

    id: str
    words: str


USD: Final = Unit("currencyUSD", "US dollars")
USD_AN_HOUR: Final = Unit("currencyUSD", "US dollars an hour")
HOURS_OF_CODE: Final = Unit("suffix: h", "container hours")
SECONDS: Final = Unit("s", "seconds")
AGE: Final = Unit("dtdurations", "seconds, written as days and hours")
REQUESTS_A_SECOND: Final = Unit("reqps", "requests a second")
SHARE: Final = Unit("percentunit", "a share, in percent")


def count(words: str) -> Unit:
    """A number of something."""
    return Unit("short", words)


class Postgres(Dataquery):
    """A query of Grafana's PostgreSQL data source, whose types the SDK does not have: `time_series` or `table`."""

    def __init__(self, sql: str, form: str) -> None:
        self._sql, self._form = sql, form

    def to_json(self) -> dict[str, object]:
        """As Grafana keeps it."""
        return {
            "datasource": LEDGER,
            "editorMode": "code",
            "format": self._form,
            "rawQuery": True,
            "rawSql": self._sql,
            "refId": "A",
        }


class PostgresQuery(Builder[Dataquery]):
    """A statement of `sql/ledger.sql` by its name."""

    def __init__(self, name: str, form: str) -> None:
        self._name, self._form = name, form

    def build(self) -> Dataquery:
        """The query; what reads the hours of the range begins with them."""
        return Postgres(statement(self._name), self._form)


def statement(name: str) -> str:
    """The SQL of a statement, whole."""
    body = SQL[name]
    return f"{SQL[HOURS]}\n{body}" if "FROM hours" in body else body


class Asked(NamedTuple):
    """An expression of PromQL, and what its series are called: `{{label}}` stands for a label."""

    expr: str
    legend: str = ""


Panel: TypeAlias = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel
P = TypeVar("P", stat.Panel, timeseries.Panel, bargauge.Panel, table.Panel)

FROM_0: Final = ((None, GREEN),)
Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; the first begins at None."""


def _described(panel: P, title: str, says: str, unit: Unit) -> P:
    return panel.title(title).description(f"{says} Unit: {unit.words}.").unit(unit.id)


def _asking(panel: P, asked: Sequence[Asked], *, instant: bool, form: PromQueryFormat | None = None) -> P:
    panel = panel.datasource(METRICS)
    for letter, each in zip("ABCDEFGH", asked, strict=False):
        query = prometheus.Dataquery().expr(each.expr).ref_id(letter).datasource(METRICS)
        query = query.instant() if instant else query.range()
        if each.legend:
            query = query.legend_format(each.legend)
        if form is not None:
            query = query.format(form)
        panel = panel.with_target(query)
    return panel


def _reading(panel: P, name: str, form: str) -> P:
    return panel.datasource(LEDGER).with_target(PostgresQuery(name, form))


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Colours by absolute values."""
    rows = [model.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(rows)


def overriding(panel: P, name: str, unit: Unit, *, steps: Steps | None = None) -> P:
    """Another unit, and colours, for one field of a panel."""
    properties = [model.DynamicConfigValue("unit", unit.id)]
    if steps is not None:
        properties.append(model.DynamicConfigValue("thresholds", thresholds(steps).build()))
    return panel.override_by_name(name, properties)


def figure(title: str, says: str, unit: Unit, *asked: Asked, steps: Steps = FROM_0, width: int = 4) -> stat.Panel:
    """A number now, by Prometheus."""
    return _asking(_figure(title, says, unit, steps, width), asked, instant=True)


def figures(title: str, says: str, unit: Unit, name: str) -> stat.Panel:
    """Several numbers in one row, by the ledger."""
    panel = _figure(title, says, unit, FROM_0, WHOLE).color_mode(looks.BigValueColorMode.VALUE)
    return _reading(panel, name, "table")


def _figure(title: str, says: str, unit: Unit, steps: Steps, width: int) -> stat.Panel:
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False)
    panel = stat.Panel().reduce_options(reduced).graph_mode(looks.BigValueGraphMode.NONE)
    panel = panel.thresholds(thresholds(steps)).no_value("none").height(4).span(width)
    return _described(panel, title, says, unit)


def course(
    title: str,
    says: str,
    unit: Unit,
    *asked: Asked,
    stacked: bool = False,
    line_at: float | None = None,
    width: int = 12,
) -> timeseries.Panel:
    """How something goes over time, by Prometheus; `line_at` draws what must not be crossed."""
    panel = _course(title, says, unit, width, stacked=stacked)
    if line_at is not None:
        style = common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(thresholds(((None, GREEN), (line_at, RED)))).thresholds_style(style)
    return _asking(panel, asked, instant=False)


def days(title: str, says: str, unit: Unit, name: str, *, stacked: bool, width: int = 12) -> timeseries.Panel:
    """A bar a day, by the ledger."""
    panel = _course(title, says, unit, width, stacked=stacked)
    panel = panel.draw_style(looks.GraphDrawStyle.BARS).fill_opacity(80)
    return _reading(panel, name, "time_series")


def _course(title: str, says: str, unit: Unit, width: int, *, stacked: bool) -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(show_legend=True).placement(looks.LegendPlacement.BOTTOM)
    legend = legend.display_mode(looks.LegendDisplayMode.LIST)
    tooltip = common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING)
    panel = timeseries.Panel().legend(legend).tooltip(tooltip).min(0).fill_opacity(10).height(8).span(width)
    panel = panel.show_points(looks.VisibilityMode.NEVER)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A")).fill_opacity(60)
    return _described(panel, title, says, unit)


def ranking(title: str, says: str, unit: Unit, *asked: Asked, width: int = 8) -> bargauge.Panel:
    """Bars, the longest on top, by Prometheus."""
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(values=False)
    panel = bargauge.Panel().orientation(looks.VizOrientation.HORIZONTAL).reduce_options(reduced)
    panel = panel.display_mode(looks.BarGaugeDisplayMode.BASIC).no_value("none").height(8).span(width)
    return _asking(_described(panel, title, says, unit), asked, instant=True)


def listing(title: str, says: str, unit: Unit, name: str, *, width: int = 12, height: int = 8) -> table.Panel:
    """A table, by the ledger."""
    panel = table.Panel().filterable(filterable=True).no_value("none").height(height).span(width)
    return _reading(_described(panel, title, says, unit), name, "table")


def states(
    title: str,
    says: str,
    unit: Unit,
    *asked: Asked,
    hidden: Sequence[str] = (),
    renamed: Mapping[str, str] = MappingProxyType({}),
    width: int = 12,
) -> table.Panel:
    """A table of what series say now, by Prometheus: a row a series, a column a label, some hidden or renamed."""
    panel = table.Panel().no_value("none").height(8).span(width)
    panel = _asking(_described(panel, title, says, unit), asked, instant=True, form=PromQueryFormat.TABLE)
    options = {"excludeByName": dict.fromkeys(("Time", "__name__", *hidden), True), "renameByName": dict(renamed)}
    return panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=options))
