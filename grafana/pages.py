"""Pages: rows that are read from top to bottom, the variables that choose, and links to where one goes next."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from grafana.panels import LEDGER, METRICS, Panel, statement

TAG: Final = "planner"
PLANNER: Final = "http://127.0.0.1:8484"
DOCS: Final = "https://docs.example/planner"
"""Where this planner and these docs are: text variables, to be set where they are somewhere else."""

ALL: Final = model.VariableOption(selected=True, text="All", value="$__all")
EVERY_SERIES: Final = ".*"
EVERYBODY: Final = "'(all)'"
"""What stands for all: in a regular expression of PromQL, and in a list of SQL, where Grafana quotes all but this."""

Variable = Builder[model.VariableModel]


class Row(NamedTuple):
    """A question, and the panels that answer it."""

    question: str
    panels: Sequence[Panel]


class Page(NamedTuple):
    """A dashboard before it is one; `since` and `refresh` are as Grafana writes times."""

    uid: str
    title: str
    says: str
    since: str
    refresh: str
    variables: Sequence[Variable]
    rows: Sequence[Row]


def source(name: str, label: str, kind: str) -> Variable:
    """Which data source answers."""
    return dashboard.DatasourceVariable(name).label(label).type(kind)


def labels(name: str, label: str, says: str, query: str) -> Variable:
    """Values of a label to choose from, by Prometheus."""
    variable = dashboard.QueryVariable(name).label(label).description(says).datasource(METRICS).query(query)
    return _choice(variable).all_value(EVERY_SERIES)


def names(name: str, label: str, says: str, query: str) -> Variable:
    """Names to choose from, by the ledger."""
    variable = dashboard.QueryVariable(name).label(label).description(says).datasource(LEDGER).query(statement(query))
    return _choice(variable).all_value(EVERYBODY)


def _choice(variable: dashboard.QueryVariable) -> dashboard.QueryVariable:
    variable = variable.multi(multi=True).include_all(include_all=True).current(ALL)
    return variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)


METRICS_FROM: Final = source("metrics", "Metrics", "prometheus")
LEDGER_FROM: Final = source("ledger", "Ledger", "grafana-postgresql-datasource")
JOB: Final = labels(
    "job", "Planner", "Which planner, where Prometheus looks after several.", "label_values(planner_rules_info, job)"
)
INSTANCE: Final = labels(
    "instance", "Process", "Which of its processes.", 'label_values(planner_rules_info{job=~"$job"}, instance)'
)
TEAM: Final = labels("team", "Team", "Whose requests.", 'label_values(planner_requests_total{job=~"$job"}, team)')
MODEL: Final = labels(
    "model", "Model", "Requests of which model, as served.", 'label_values(planner_requests_total{job=~"$job"}, model)'
)
TEAM_OF_THE_LEDGER: Final = names("team", "Team", "Whose requests.", "teams")
MODEL_OF_THE_LEDGER: Final = names("model", "Model", "Requests of which model, as served.", "models")


def where(name: str, label: str, says: str, address: str) -> Variable:
    """An address that links begin with; it stays out of sight until somebody edits the dashboard."""
    variable = dashboard.TextBoxVariable(name).label(label).description(says).default_value(address)
    option = model.VariableOption(selected=True, text=address, value=address)
    return variable.current(option).options([option]).hide(model.VariableHide.HIDE_VARIABLE)


def link(title: str, says: str, url: str, icon: str) -> dashboard.DashboardLink:
    """A link on top of the page."""
    made = dashboard.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url).tooltip(says)
    return made.icon(icon).target_blank(target_blank=True)


def others() -> dashboard.DashboardLink:
    """Links to the other pages, in the same range of time and with the same choices."""
    made = dashboard.DashboardLink("Planner").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    return made.keep_time(keep_time=True).include_vars(include_vars=True).as_dropdown(as_dropdown=False)


def make(page: Page, *, planner: str = PLANNER, docs: str = DOCS) -> model.Dashboard:
    """The dashboard of a page; panels are numbered as they are read, so that links to one of them stay good."""
    built = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.says)
        .tags([TAG])
        .timezone("utc")
        .time(page.since, "now")
        .refresh(page.refresh)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .variables(
            [
                *page.variables,
                where("planner", "The planner's address", "For the link to its own dashboard.", planner),
                where("docs", "The address of the docs", "For the links to the runbook.", docs),
            ]
        )
        .links(
            [
                others(),
                link(
                    "The planner's own", "Its dashboard: single requests, live.", "${planner}/planner/", "external link"
                ),
                link("Runbook", "What each alert means, and what to do.", "${docs}/runbook.md", "doc"),
            ]
        )
    )
    number = 0
    for row in page.rows:
        number += 1
        built = built.with_row(dashboard.Row(row.question).id(number))
        for panel in row.panels:
            number += 1
            built = built.with_panel(panel.id(number))
    return built.build()


def text(made: model.Dashboard) -> str:
    """As Grafana reads it, and as it is committed."""
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(made) + "\n"
