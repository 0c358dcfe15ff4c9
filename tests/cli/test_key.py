"""`planner key` prints the name under which the planner knows a caller."""

from hashlib import sha256

import pytest
from click.testing import CliRunner

from planner.cli import main

KEY = "sk-ant-api03-made-up"
FINGERPRINT = sha256(b"planner\0" + KEY.encode()).hexdigest()[:16]


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "  \n", "\nsomething else\n"])
def test_the_fingerprint_of_the_first_line(end: str) -> None:
    """Whichever way the key was piped in."""
    result = CliRunner().invoke(main, ["key"], input=KEY + end)
    assert result.exit_code == 0
    assert result.output == f"{FINGERPRINT}\n"


@pytest.mark.parametrize("nothing", ["", "\n", "   \n"])
def test_no_key_is_a_usage_error(nothing: str) -> None:
    """An unset variable must not become the fingerprint of nothing."""
    result = CliRunner().invoke(main, ["key"], input=nothing)
    assert result.exit_code == 2
    assert result.stderr == 'planner: no key on standard input. Try: printf %s "$ANTHROPIC_API_KEY" | planner key\n'
    assert result.stdout == ""
