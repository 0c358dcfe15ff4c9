"""Templates become pages: everything that is put into one is escaped, and a name that is missing is an error."""

from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from planner.dashboard import assets, drawing, tables


@cache
def environment() -> Environment:
    """The templates with what they may call."""
    made = Environment(
        loader=PackageLoader("planner.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(asset=assets.address, spark=drawing.spark, gauge=drawing.gauge)
    made.filters.update(
        shown=tables.shown,
        drawn=tables.drawn,
        plain=tables.plain,
        clock=_clock,
    )
    return made


def render(template: str, **values: Any) -> bytes:  # noqa: ANN401 - whatever the template names
    """A whole page."""
    return environment().get_template(template).render(**values).encode()


def _clock(at: datetime) -> str:
    return f"{at:%H:%M}"
