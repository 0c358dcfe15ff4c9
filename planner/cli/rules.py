"""`planner rules`: what platform teams run over their rule files."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path

import rich_click as click

from planner.cli import rulesexplain, rulestest
from planner.cli.options import USAGE, code_of, fail, pairs, rules_directory, rules_options
from planner.cli.rulesdiff import diff
from planner.clock import SystemClock
from planner.core.findings import render_github, render_json, render_text
from planner.core.rulefile import KINDS, SHAPES, kind_of
from planner.core.rulefile.schema import render
from planner.core.rulefile.testfile import read_tests
from planner.rulesource import load_rules, read_test_files

RENDERERS = {"text": render_text, "json": render_json, "github": render_github}


@click.group()
def command() -> None:
    """Work on rule files: commands for the teams that keep rules of their own.

    Rules are prices, catalog, policies, callers and settings, each kind in files of its own, and their tests.
    """


command.add_command(rulestest.command)
command.add_command(rulesexplain.command)
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
    rules = rules_directory(rules)
    try:
        read = load_rules(rules, pairs(overrides), today=SystemClock().now().date())
        tests = read_test_files(rules)
    except OSError as error:
        fail(str(error), USAGE)
    findings = (*read.findings, *read_tests(tests, read.book).findings)
    form = "json" if as_json else form
    if findings or form == "json":
        click.echo(RENDERERS[form](findings))
    if code := code_of(findings):
        raise SystemExit(code)
    if form == "text" and read.book is not None:
        click.echo(f"ok: rule book {read.book.digest}, price book {read.book.prices.digest}")
        click.echo(origin(rules, read.files, tests))


@command.command()
@click.option("--kind", type=click.Choice(list(SHAPES)), default=None, help="One kind of file.  [default: all]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Directory to write KIND.json into.  [default: standard output]",
)
def schema(*, kind: str | None, out: Path | None) -> None:
    """Write the JSON Schemas by which editors complete and check rule files.

    All kinds on standard output are one object, by kind.
    """
    kinds = list(SHAPES) if kind is None else [kind]
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            for each in kinds:
                (out / f"{each}.json").write_text(render(each), encoding="utf-8")
        except OSError as error:
            fail(str(error), USAGE)
    elif kind is not None:
        click.echo(render(kind), nl=False)
    else:
        click.echo(json.dumps({each: json.loads(render(each)) for each in kinds}, indent=2))


def origin(directory: Path | None, files: Iterable[str], tests: Collection[str] = ()) -> str:
    """Say which kinds of rules were read from a directory, and which came from the shipped copy."""
    own = {kind_of(path) for path in files if directory is not None and (directory / path).is_file()}
    own |= {"tests" for path in tests if directory is not None and Path(path).is_relative_to(directory)}
    kinds = (*KINDS, "tests") if tests else KINDS
    parts = [
        (f"from {directory}", [kind for kind in kinds if kind in own]),
        ("from the copy that ships with the planner", [kind for kind in kinds if kind not in own]),
    ]
    return "\n".join(f"{source}: {', '.join(kinds)}" for source, kinds in parts if kinds)
