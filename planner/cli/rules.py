"""`planner rules`: what platform teams run over their rule files."""

from collections.abc import Iterable
from pathlib import Path

import rich_click as click

from planner.cli.options import USAGE, code_of, fail, pairs, rules_options
from planner.cli.rulesdiff import diff
from planner.core.findings import render_github, render_json, render_text
from planner.core.rulefile import KINDS, kind_of
from planner.rulesource import load_rules

RENDERERS = {"text": render_text, "json": render_json, "github": render_github}


@click.group()
def command() -> None:
    """Work on rule files: commands for the teams that keep rules of their own.

    Rules are prices, catalog, policies, callers and settings, each kind in files of its own.
    """


command.add_command(diff)


@command.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(list(RENDERERS)),
    default="text",
    show_default=True,
    help="Form; github: annotations in a pull request.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@rules_options
def check(*, form: str, as_json: bool, rules: Path | None, overrides: tuple[str, ...]) -> None:
    """Read the rules and report every problem at once, as `file:line:col`."""
    if rules is None and Path("rules").is_dir():
        rules = Path("rules")
    try:
        read = load_rules(rules, pairs(overrides))
    except OSError as error:
        fail(str(error), USAGE)
    form = "json" if as_json else form
    if read.findings or form == "json":
        click.echo(RENDERERS[form](read.findings))
    if code := code_of(read.findings):
        raise SystemExit(code)
    if form == "text" and read.book is not None:
        click.echo(f"ok: rule book {read.book.digest}, price book {read.book.prices.digest}")
        click.echo(origin(rules, read.files))


def origin(directory: Path | None, files: Iterable[str]) -> str:
    """Say which kinds of rules were read from a directory, and which came from the shipped copy."""
    own = {kind_of(path) for path in files if directory is not None and (directory / path).is_file()}
    parts = [
        (f"from {directory}", [kind for kind in KINDS if kind in own]),
        ("from the copy that ships with the planner", [kind for kind in KINDS if kind not in own]),
    ]
    return "\n".join(f"{source}: {', '.join(kinds)}" for source, kinds in parts if kinds)
