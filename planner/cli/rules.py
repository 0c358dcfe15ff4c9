"""`planner rules`: what platform teams run over their rule files."""

from pathlib import Path

import rich_click as click

from planner.cli.options import FINDINGS, USAGE, fail, pairs, rules_options
from planner.core.findings import errors, render_github, render_json, render_text
from planner.rulesource import load_rules

RENDERERS = {"text": render_text, "json": render_json, "github": render_github}


@click.group()
def command() -> None:
    """Check the rules."""


@command.command()
@click.option("--format", "form", type=click.Choice(list(RENDERERS)), default="text", show_default=True)
@rules_options
def check(*, form: str, rules: Path | None, overrides: tuple[str, ...]) -> None:
    """Read the rules and report every problem at once, as `file:line:col`."""
    if rules is None and Path("rules").is_dir():
        rules = Path("rules")
    try:
        read = load_rules(rules, pairs(overrides))
    except OSError as error:
        fail(str(error), USAGE)
    findings = read.findings
    if findings or form != "text":
        click.echo(RENDERERS[form](findings))
    if errors(findings):
        raise SystemExit(FINDINGS)
    if form == "text" and read.book is not None:
        click.echo(f"ok: rule book {read.book.digest}, price book {read.book.prices.digest}")
