"""Nothing public is undocumented, and nothing documented as there is missing: docs/contract.md against the code."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import click
import msgspec
import pytest

from planner.app import App
from planner.cli import main, options, rulesexplain, rulestest
from planner.cli.billestimate import BillEstimate
from planner.cli.diffpage import Report
from planner.core.exports.entrytable import COLUMNS as ENTRIES
from planner.core.exports.focuscolumns import COLUMNS as FOCUS
from planner.core.exports.tabular import Column
from planner.core.findings import Finding
from planner.core.ledger.entry import Code, Ending, Entry, Mode
from planner.core.preview.ruletest import run
from planner.core.pricing.prices import Basis
from planner.core.reconcile.statement import Statement
from planner.core.replay.calls import Work
from planner.core.replay.nature import world_keys
from planner.core.replay.recorded import CAUSES
from planner.core.replay.tally import decided
from planner.core.replay.trace import TraceLine
from planner.core.rulefile.testfile import read_tests
from planner.core.rulefile.testshape import RuleTestShape
from planner.dashboard.api import PARAMETERS
from planner.dashboard.openapi import PARAMETERS as SHOWN
from planner.metrics import CAUSES as FAILED_OPEN
from planner.metrics import CHARGES, FAULTS, UNKNOWN, Gauge, Histogram
from planner.proxy import errors, headers
from planner.proxy.callers import TAG_KEYS
from planner.rulesource import load_rules
from planner.settings import Settings
from planner.upstream import UpstreamFault
from tests.doubles.traces import encoded, lines_of, play, row
from tests.pages import DOCS, reasons_page

ROOT: Final = DOCS.parent
PAGE: Final = (DOCS / "contract.md").read_text(encoding="utf-8")

# The names of the design: each is there, or reserved.
COMMANDS: Final = """
    demo, serve, simulator, plan, run, rules check, rules test, rules schema, rules explain, rules diff, replay, report,
    report close, export, reconcile, estimate, store upgrade, store status, store prune, store forget, key
"""
METRICS: Final = """
    requests_total{endpoint,model,team,status}, request_duration_seconds, time_to_first_byte_seconds,
    overhead_seconds, upstream_errors_total{type}, tokens_total{model,team,kind}, cost_usd_total{model,team,kind},
    untouched_cost_usd_total{model,team}, decisions_total{action,outcome,reason}, containers{state},
    container_starts_total, container_reuses_total, container_seconds_total{charge}, free_hours_used,
    free_hours_forecast, free_hours_limit, unpriced_requests_total{reason}, rules_info{digest},
    rules_reloads_total{result}, ledger_pending, ledger_oldest_pending_seconds, ledger_write_seconds,
    cache_breaks_total, fail_open_total{cause}, edited_conversations, upstream_ratelimit_remaining{kind}
"""
HEADERS: Final = {
    "planner-session", "planner-tags", "planner-mode", "planner-request-id", "planner-body", "planner-plan",
    "planner-budget", "planner-answer",
}  # fmt: skip
NOT_HEADERS: Final = {"planner-login", "planner-container", "planner-batch"}  # a cookie's name; what digests begin with


def section(title: str) -> str:
    """The text under a heading, up to the next one."""
    match = re.search(rf"^#+ `?{re.escape(title)}`?$\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None, f"docs/contract.md has no section {title!r}"
    return match[1]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row, heads left out."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if cells[0].startswith("`") or cells[0].isdigit():
                yield cells


def words(cell: str) -> list[str]:
    """What stands between backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def state_of(title: str, column: int = 1) -> dict[str, str]:
    """The first word of each row of a section's tables, with its state."""
    found = {words(cells[0])[0]: cells[column] for cells in rows(section(title))}
    assert set(found.values()) <= {"now", "reserved"}
    return found


def there(states: dict[str, str]) -> set[str]:
    """What is said to be there."""
    return {name for name, state in states.items() if state == "now"}


def commands(command: click.Command = main, path: str = "planner") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its full name."""
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield path, command
    if not isinstance(command, click.Group):
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None, f"{path} {name} is listed but is not there"
        yield from commands(inner, f"{path} {name}")


def test_every_command_is_documented_and_every_documented_one_is_there() -> None:
    """The table of commands is the command line."""
    table = state_of("Commands")
    assert {name for name, _ in commands()} == there(table)
    assert {f"planner {' '.join(name.split())}" for name in COMMANDS.split(",")} == set(table)


@pytest.mark.parametrize("name", sorted(there(state_of("Commands"))))
def test_every_flag_is_documented_with_its_variable(name: str) -> None:
    """The table of each command lists its flags, all of them and no other."""
    command = dict(commands())[name]
    told = {
        words(cells[0])[0]: words(cells[1])[0] if words(cells[1]) else None
        for cells in rows(section(name))
        if words(cells[0])[0].startswith("--")
    }
    flags = [option for option in command.params if isinstance(option, click.Option) and option.name != "help"]
    assert told == {flag.opts[0]: flag.envvar for flag in flags}
    for argument in command.params:
        if isinstance(argument, click.Argument):
            assert argument.make_metavar(click.Context(command)) in section(name)


def test_every_default_is_documented() -> None:
    """A default in the table is the default in the code."""
    for name, command in commands():
        told = {words(cells[0])[0]: cells[2] for cells in rows(section(name)) if words(cells[0])[0].startswith("--")}
        for flag in command.params:
            if isinstance(flag, click.Option) and isinstance(flag.default, str | int) and not flag.is_flag:
                assert told[flag.opts[0]] == f"`{flag.default}`"


def test_every_variable_is_documented() -> None:
    """A variable that the code reads is on the page, and one on the page is read."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "planner").rglob("*.py")]
    sources.append((ROOT / "tests/parts.py").read_text(encoding="utf-8"))
    known = {name for text in sources for name in re.findall(r"\"(PLANNER_[A-Z_]+)\"", text)}
    assert known == set(re.findall(r"`(PLANNER_[A-Z_]+)[`=]", PAGE))


TITLES: Final = re.findall(r"^#+ `?(.+?)`?$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("title", TITLES)
def test_no_row_stands_twice(title: str) -> None:
    """Two rows of one name would say two things, and the tests would read the second."""
    keys = [(cells[0], *cells[1:2]) if cells[0].isdigit() else (cells[0],) for cells in rows(section(title))]
    assert len(keys) == len(set(keys))


def test_the_exit_codes() -> None:
    """The codes are those of the code."""
    told = {int(cells[0]): cells[1].split(":")[0] for cells in rows(section("Exit codes"))}
    assert told == {0: "done", options.FINDINGS: "findings", options.USAGE: "usage", options.UNAVAILABLE: "unavailable"}


@pytest.fixture
def app(tmp_path: Path) -> App:
    """A proxy that is not running, on the shipped rules."""
    settings = Settings(store=f"sqlite:///{tmp_path}/planner.db")
    return App(settings, load_rules(None).required())


def test_every_address_is_documented(app: App) -> None:
    """All that is not the planner's own goes to the upstream."""
    table = state_of("HTTP")
    assert {route.path for route in app.asgi.routes} - {"/"} <= there(table) | {"/planner"}
    assert {"/healthz", "/readyz", "/metrics"} <= there(table)


def exported(app: App) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every metric of a running process by its name: kind and labels."""

    async def families() -> list[Any]:
        async with app.running():
            metrics = app.metrics
            return [*metrics._families, *metrics._gauges]  # noqa: SLF001 - what has no sample is told nowhere else

    kinds = {Gauge: "gauge", Histogram: "histogram"}
    return {
        family.name: (kinds.get(type(family), "counter"), getattr(family, "labels", ()))
        for family in asyncio.run(families())
    }


def test_every_parameter_of_asking_is_documented() -> None:
    """What may be said of who asks."""
    told = [word for cells in rows(section("Asking")) for word in words(cells[0])]
    assert sorted(told) == sorted(PARAMETERS)


def test_every_parameter_of_the_dashboard_is_documented() -> None:
    """Those that pages take, and the form to sign in with."""
    told = [word for cells in rows(section("Dashboard")) for word in words(cells[0]) if not word.startswith("/")]
    assert len(told) == len(set(told))
    assert set(told) == {f"{each.front}KEY" if each.front else each.name for each in SHOWN.values()}


def test_every_metric_is_documented_with_its_labels(app: App) -> None:
    """What is exported is on the page as it is exported."""
    table = {words(cells[0])[0]: cells for cells in rows(section("Metrics"))}
    told = {name: (cells[1], tuple(words(cells[2]))) for name, cells in table.items() if cells[3] == "now"}
    assert exported(app) == told


def test_every_metric_of_the_design_is_there_or_reserved() -> None:
    """A name is kept for what comes, with its labels."""
    designed = {
        f"planner_{name}": tuple(labels.split(",")) if labels else ()
        for name, labels in re.findall(r"([a-z_]+)(?:\{([a-z,]+)\})?", METRICS)
    }
    told = {words(cells[0])[0]: tuple(words(cells[2])) for cells in rows(section("Metrics"))}
    assert designed.items() <= told.items()


def fields(struct: type, prefix: str = "", whole: tuple[type, ...] = ()) -> Iterator[str]:
    """The dotted names of a struct's leaves; `[]` marks a list, and `whole` structs are told elsewhere."""
    for field in msgspec.structs.fields(struct):
        kinds = [kind for kind in (field.type, *get_args(field.type)) if isinstance(kind, type)]
        inner = next((kind for kind in kinds if issubclass(kind, msgspec.Struct)), None)
        mark = "[]" if getattr(field.type, "__origin__", None) is tuple else ""
        if inner is None or inner in whole:
            yield f"{prefix}{field.name}"
        else:
            yield from fields(inner, f"{prefix}{field.name}{mark}.", whole)


def test_every_field_of_the_ledger_is_documented() -> None:
    """The table lists what an exported entry holds, and nothing else."""
    assert {words(cells[0])[0] for cells in rows(section("Ledger"))} == set(fields(Entry))


@pytest.mark.parametrize(("field", "values"), [("outcome", Ending), ("mode", Mode), ("lines[].basis", Basis)])
def test_every_word_of_a_closed_field_is_documented(field: str, values: Any) -> None:
    """A reader of the ledger knows all that can stand there."""
    (cell,) = (cells[2] for cells in rows(section("Ledger")) if words(cells[0])[0] == field)
    assert set(get_args(values)) == set(words(cell))


def table(title: str) -> dict[str, list[str]]:
    """The rows of a section's table by the word in their first cell."""
    return {words(cells[0])[0]: cells[1:] for cells in rows(section(title))}


def test_every_field_of_a_trace_is_documented_with_its_default() -> None:
    """What a line may leave out, and what it then has."""
    told = table("Trace")
    assert set(told) == set(TraceLine.__struct_fields__) - {"number"}
    needed = {name: f"needed-{name}" for name in ("principal", "conversation")}
    shortest = {"at": "2026-11-03T09:00:00Z", "turn": 1, "request": {}, "work": {"prompt_tokens": 1}} | needed
    assert {name for name, (default, *_) in told.items() if not default} == set(shortest)
    (line,) = lines_of(encoded(shortest))
    for name, (default, *_) in told.items():
        if default:
            usual = {"the principal": line.principal, '`""`': "", "`{}`": {}, "`0`": 0}
            assert getattr(line, name) == usual[default]


def test_every_field_of_work_is_documented_with_its_default() -> None:
    """A field without a default must be there."""
    told = {name: words(default)[0] if default else None for name, (default, *_) in table("Work").items()}
    assert told == {
        field.name: None if field.default is msgspec.NODEFAULT else str(field.default)
        for field in msgspec.structs.fields(Work)
    }


def test_the_line_on_the_page_is_one() -> None:
    """It can be played as it stands, written on one line."""
    (example,) = re.findall(r"```json\n(.*?)```", section("Trace"), re.DOTALL)
    (line,) = lines_of([b" ".join(example.encode().split())])
    assert line.work.prompt_tokens == 18_000


def test_every_field_of_a_replays_decisions_is_documented() -> None:
    """One line of `--decisions`."""
    (played,) = play(encoded(row()))
    written = decided(played)
    leaves = {f"{name}.{inner}" for name, value in written.items() if isinstance(value, dict) for inner in value}
    assert set(table("Decisions of a replay")) == leaves | {"line"}


def test_every_field_of_a_diff_is_documented() -> None:
    """What `planner rules diff --json` writes."""
    assert {name for name in table("planner rules diff") if not name.startswith("--")} == set(fields(Report))


def test_every_cause_for_which_an_entry_is_in_no_trace_is_documented() -> None:
    """What `left_out` may hold."""
    assert set(table("A trace of the ledger")) == set(CAUSES)


def test_every_fact_of_the_world_is_documented() -> None:
    """What `--world` takes."""
    assert set(table("The world of a replay")) == set(world_keys())


@pytest.mark.parametrize(
    ("title", "shape"),
    [
        ("Report of the tests", rulestest.Report),
        ("Report of an explanation", rulesexplain.Explanation),
        ("Tests of rules", RuleTestShape),
        ("A reconciled month", Statement),
        ("Estimate of the bill", BillEstimate),
    ],
)
def test_every_field_of_rule_tests_and_explanations_is_documented(title: str, shape: type) -> None:
    """What a test file may say, and what programs read of the reports."""
    assert set(table(title)) == set(fields(shape))


def test_the_rule_test_on_the_page_passes() -> None:
    """It can be copied as it stands."""
    (example,) = re.findall(r"```yaml\n(.*?)```", section("Tests of rules"), re.DOTALL)
    book = load_rules(None).required()
    reading = read_tests({"page.yaml": example.encode()}, book)
    assert reading.findings == ()
    assert [failure.text() for test in reading.tests for failure in run(test, book).failures] == []


@pytest.mark.parametrize(("title", "columns"), [("FOCUS columns", FOCUS), ("Entry table", ENTRIES)])
def test_every_column_of_an_export_is_documented(title: str, columns: tuple[Column, ...]) -> None:
    """In its order, with its type, whether it may be empty, and the version of FOCUS that knows it."""
    told = [(words(name)[0], *cells[:-1]) for name, *cells in rows(section(title))]
    assert told == [
        (column.name, column.type, "yes" if column.nullable else "no", *([column.since] if columns is FOCUS else []))
        for column in columns
    ]


def test_every_setting_of_a_process_is_documented() -> None:
    """Each says how it is given."""
    told = {words(cells[0])[0]: cells[1] for cells in rows(section("Settings of a process"))}
    assert set(told) == {field.name for field in msgspec.structs.fields(Settings)}
    assert all(given == "fixed" or words(given)[0] in PAGE for given in told.values())


def test_every_header_is_documented() -> None:
    """Headers of ours that the code names are there; those of the design are there or reserved."""
    table = state_of("Request headers") | state_of("Response headers")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "planner").rglob("*.py")]
    named = {name for text in sources for name in re.findall(r"b\"(planner-[a-z-]+)", text)} - NOT_HEADERS
    assert named == there(table)
    assert set(table) == HEADERS
    assert {name.decode() for name in headers.OURS} == there(state_of("Request headers"))
    assert set(TAG_KEYS) <= set(words(section("Request headers")))


def test_every_error_is_documented() -> None:
    """Status, type and advice are those of the one table of faults."""
    told = {(int(cells[0]), words(cells[1])[0], cells[2] == "yes") for cells in rows(section("Errors"))}
    faults = [fault for fault in vars(errors).values() if isinstance(fault, errors.Fault)]
    assert {(fault.status, fault.type, fault.retry) for fault in faults} == told
    (causes,) = (cells[4] for cells in rows(section("Metrics")) if words(cells[0]) == ["planner_upstream_errors_total"])
    assert {fault.value for fault in UpstreamFault} == set(words(causes))


def test_every_cause_of_failing_open_is_documented() -> None:
    """An operator who sees one knows which part it was."""
    (told,) = (cells[4] for cells in rows(section("Metrics")) if words(cells[0]) == ["planner_fail_open_total"])
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "planner/proxy").glob("*.py")]
    counted = r"(?:fail_open\.add\(\(|cause, reason = |_guard\()\"([a-z-]+)\""
    assert {cause for text in sources for cause in re.findall(counted, text)} == set(words(told))
    assert set(FAILED_OPEN) == set(words(told))


def test_the_words_of_counters_that_begin_at_0_are_those_of_the_page() -> None:
    """An alert would miss the first count of a word that is missing here."""
    assert set(FAULTS) == {fault.value for fault in UpstreamFault}
    assert set(CHARGES) == set(get_args(get_type_hints(Code)["charge"]))
    (reasons,) = (cells[2] for cells in rows(section("Ledger")) if words(cells[0]) == ["unpriced"])
    assert {*UNKNOWN, "no-price-for-…"} == set(words(reasons))


def test_every_field_of_a_finding_is_documented() -> None:
    """Programs that read `rules check --json` find each of them on the page, and in the same order."""
    assert list(table("Findings")) == list(Finding.__struct_fields__)


def test_the_page_of_reasons_is_the_generated_one() -> None:
    """Run `python -m tests.pages` after a change of planner/core/reasons.py."""
    assert (DOCS / "reasons.md").read_text(encoding="utf-8") == reasons_page()
