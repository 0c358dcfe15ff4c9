"""The command line: each command lives in a module of its own that is imported only when it is asked for."""

from importlib import import_module
from typing import Final

import rich_click as click

from planner import __version__

COMMANDS: Final = {
    "demo": "Run example agents through the proxy against a simulator, and show what was saved and why.",
    "serve": "Run the proxy.",
    "simulator": "Run the Claude API simulator alone.",
    "plan": "Explain what would be done with a request, and why; or plan a workflow.",
    "run": "Carry a workflow out as planned, and measure it.",
    "rules": "Work on rule files: check, test and explain them, compare them in money.",
    "replay": "Play a recorded trace again under a rule book, and bill it.",
    "report": "Tell what was used and what it cost, by team, model, day and more; close months.",
    "estimate": "Say whether the planner would save anything, from what was paid so far.",
    "store": "Say how a store stands, or bring its schema up to date.",
    "export": "Write the ledger out.",
    "reconcile": "Hold a month of the ledger against Anthropic's bill.",
    "key": "Print the fingerprint of the API key on standard input.",
}


class Lazy(click.RichGroup):
    """A group whose commands are imported by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, from `planner.cli.<name>`."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"planner.cli.{cmd_name}")
        command: click.Command = module.command
        command.name, command.short_help = cmd_name, COMMANDS[cmd_name]
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="planner")
def main() -> None:
    """A cost-aware proxy and workflow planner for Claude's code execution tool."""
