"""The demo's page: what was billed, what was decided and why, whether the ledger is true, and where to look next."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from planner.demo.account import Account, Check, Row
from planner.demo.words import dollars, exactly, left_alone, percent, said

FREE_HOURS: Final = "free_hours.limit"


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where a visitor can go on: addresses that answer now (None where nothing runs any more), and what is kept."""

    planner: str | None
    simulator: str | None
    store: str
    rules: str
    log: str


def write(console: Console, account: Account, settings: Mapping[str, str], places: Places) -> None:
    """Write the whole page."""
    for part in page(account, settings, places):
        if isinstance(part, str):
            console.print(part, soft_wrap=part.startswith("  "), highlight=False)
        else:
            console.print(part)


def page(account: Account, settings: Mapping[str, str], places: Places) -> Iterator[RenderableType]:
    """The parts of the page, from top to bottom."""
    yield "\n[bold]What the API billed[/bold]"
    yield _settings(settings)
    yield billed(account)
    yield from _notes(account)
    yield "\n[bold]What was decided, and why[/bold]"
    yield decided(account.rows)
    alone = [row for row in account.rows if not row.edited]
    if alone:
        yield "\n[bold]Left alone: who, and what a bundle would have cost[/bold]"
        yield reasons(alone)
    yield "\n[bold]Is it true?[/bold]"
    yield from checked(account.check)
    yield "\n[bold]Where to look[/bold]"
    yield from _places(places)


def billed(account: Account) -> Table:
    """The bills of both runs side by side, and what the ledger believes of the untouched one."""
    table = _table()
    table.add_column("agent", no_wrap=True)
    for head in ("sent", "untouched\nbilled", "planned\nbilled", "saved", "", "untouched\nby ledger"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in account.rows:
        gained = (dollars(row.saved), percent(row.saved, row.control)) if row.comparable else ("", "")
        table.add_row(
            row.agent.name,
            str(row.requests),
            "refused" if row.control_stopped else dollars(row.control),
            "stopped" if row.stopped else dollars(row.billed),
            f"[green]{gained[0]}[/green]" if row.comparable and row.saved > 0 else gained[0],
            gained[1],
            "unknown" if row.untouched is None else dollars(row.untouched),
        )
    rows = account.compared
    control, cost = sum(row.control for row in rows), sum(row.billed for row in rows)
    table.add_section()
    table.add_row(
        "total" if len(rows) == len(account.rows) else "total compared",
        str(sum(row.requests for row in rows)),
        dollars(control),
        dollars(cost),
        dollars(control - cost),
        percent(control - cost, control),
        dollars(sum(row.untouched or 0 for row in rows)),
        style="bold",
    )
    return table


def decided(rows: Iterable[Row]) -> Table:
    """Each agent's decisions in words."""
    table = _table(head=False)
    table.add_column("agent", no_wrap=True)
    table.add_column("decisions", ratio=1)
    for row in rows:
        agent = row.agent
        who = f"[dim]{escape(agent.does)} ({escape(agent.team)}, {escape(agent.model.removeprefix('claude-'))})[/dim]"
        bullets = Table.grid(padding=(0, 1, 0, 0))  # of their own columns, so that a wrapped line begins under its text
        for line in said(row):
            bullets.add_row("-", escape(line))
        table.add_row(f"[bold]{agent.name}[/bold]", Group(who, bullets) if bullets.row_count else who)
    return table


def reasons(rows: Iterable[Row]) -> Table:
    """What it is about the agents that were left alone."""
    table = _table(head=False)
    table.add_column("agent", no_wrap=True)
    table.add_column("client", ratio=1)
    for row in rows:
        table.add_row(f"[bold]{row.agent.name}[/bold]", escape(left_alone(row)))
    return table


def checked(check: Check) -> Iterator[str]:
    """How the planner's ledger compares with the simulator's bill, which is counted by other code."""
    if check.agrees:
        yield (
            f"Tokens and searches of all {check.requests} billed requests: ledger {exactly(check.ledger_exact)} = bill "
            f"{exactly(check.bill_exact)}, [green]equal to the nano-dollar[/green], request by request."
        )
    else:
        yield (
            f"[red]Tokens and searches differ[/red] in {check.differing} of {check.requests} requests: ledger "
            f"{exactly(check.ledger_exact)}, bill {exactly(check.bill_exact)}. This is a bug; please report it."
        )
    yield (
        f"Container time is an estimate, since no response reports it: ledger {exactly(check.ledger_time)}, bill "
        f"{exactly(check.bill_time)}, difference {exactly(check.ledger_time - check.bill_time)}."
    )


def _settings(settings: Mapping[str, str]) -> str:
    told = ", ".join(f"{key}={value}" for key, value in settings.items())
    return f"From the simulators' own bills, at the prices of the rules, with {told}" + (
        ": as for an organization beyond its 1,550 free container hours. Within them code costs nothing."
        if settings.get(FREE_HOURS) == "0"
        else "."
    )


def _notes(account: Account) -> Iterator[str]:
    anyway = sum(row.anyway for row in account.compared)
    yield f"A planner that always bundles would have been billed {dollars(anyway)} for the same work."
    for row in account.rows:
        if row.control_stopped is not None:
            yield (
                f"{row.agent.name} is not compared: without the planner it did not finish. The API said: "
                f"{escape(row.control_stopped)}"
            )
        if row.stopped is not None:
            yield f"[red]{row.agent.name} did not finish with the planner[/red]: {escape(row.stopped)}"


def _places(places: Places) -> Iterator[str]:
    if places.planner is not None:
        yield f"  planner    ANTHROPIC_BASE_URL={places.planner}  (any key; metrics at {places.planner}/metrics)"
        yield f"  dashboard  {places.planner}/planner/  (what these agents cost, and what was saved)"
        yield f"  simulator  {places.simulator}  (bill at {places.simulator}/simulator/bill)"
    yield f"  ledger     planner export --store sqlite:///{escape(places.store)}"
    yield f"  callers    {escape(places.rules)}"
    yield f"  log        {escape(places.log)}"
    yield "  docs       docs/demo.md, docs/reasons.md, docs/simulator.md"


def _table(*, head: bool = True) -> Table:
    return Table(
        box=box.SIMPLE_HEAD, show_header=head, pad_edge=False, padding=(0, 1), header_style="bold", expand=not head
    )
