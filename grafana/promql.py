"""Expressions of PromQL: of the chosen processes, teams and models, over the interval that a chart can show."""

from typing import Final

from grafana.panels import Asked

HERE: Final = 'job=~"$job",instance=~"$instance"'
THEIRS: Final = f'{HERE},team=~"$team",model=~"$model"'
"""Matchers: of the chosen processes; and, where a metric knows them, of the chosen teams and models."""

RATE: Final = "$__rate_interval"
RANGE: Final = "$__range"


def series(metric: str, where: str = HERE) -> str:
    """The series of a metric."""
    return f"{metric}{{{where}}}"


def rate(metric: str, where: str = HERE) -> str:
    """By how much a counter grows in a second."""
    return f"rate({series(metric, where)}[{RATE}])"


def increase(metric: str, where: str = HERE, *, over: str = RATE) -> str:
    """By how much a counter grew."""
    return f"increase({series(metric, where)}[{over}])"


def by(labels: str, expression: str, legend: str) -> Asked:
    """The sum of series by labels."""
    return Asked(f"sum by ({labels}) ({expression})", legend)


def ranked(labels: str, expression: str) -> Asked:
    """The same, the highest first, each called by its label."""
    return Asked(f"sort_desc(sum by ({labels}) ({expression}))", f"{{{{{labels}}}}}")


def total(expression: str, legend: str = "") -> Asked:
    """The sum of all series."""
    return Asked(f"sum({expression})", legend)


def quantile(share: float, metric: str) -> Asked:
    """Within how many seconds a share of all is done."""
    return Asked(f"histogram_quantile({share}, sum by (le) ({rate(f'{metric}_bucket')}))", f"{share * 100:g} %")
