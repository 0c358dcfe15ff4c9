"""Templates: everything is escaped, and a name that is missing is an error."""

import pytest
from jinja2 import UndefinedError

from planner.dashboard.rendering import environment, render


def test_everything_is_escaped() -> None:
    """Also in attributes."""
    made = environment().from_string('<a title="{{ it }}">{{ it }}</a>').render(it='"><script>')
    assert made == '<a title="&#34;&gt;&lt;script&gt;">&#34;&gt;&lt;script&gt;</a>'


def test_a_missing_name_is_an_error() -> None:
    """A page with a hole in it would look whole."""
    with pytest.raises(UndefinedError):
        render("trouble.html", title="t")


def test_every_template_can_be_read() -> None:
    """Syntax and all."""
    names = environment().list_templates()
    assert {"base.html", "parts.html", "overview.html", "cost.html", "login.html", "trouble.html"} <= set(names)
    for name in names:
        environment().get_template(name)
