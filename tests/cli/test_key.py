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


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (f"Bearer {KEY}", "leave away what stands before the key"),
        (f"bearer   {KEY}", "leave away what stands before the key"),
        (f"Authorization: Bearer {KEY}", "leave away what stands before the key"),
        (f"x-api-key:{KEY}", "leave away what stands before the key"),
        (f"X-Api-Key: {KEY}", "leave away what stands before the key"),
        (f"{KEY} {KEY}", "it holds blanks or control characters"),
        (f"{KEY}\t# mine", "it holds blanks or control characters"),
        (f"{KEY}\x00", "it holds blanks or control characters"),
        (f"\u201c{KEY}\u201d", "it holds characters outside ASCII"),
    ],
)
def test_what_is_no_key_is_a_usage_error(line: str, sentence: str) -> None:
    """Its fingerprint would be that of nobody, silently; and the line is not repeated, since a key is in it."""
    result = CliRunner().invoke(main, ["key"], input=line + "\n")
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert KEY not in result.output


@pytest.mark.parametrize("nothing", ["", "\n", "   \n"])
def test_no_key_is_a_usage_error(nothing: str) -> None:
    """An unset variable must not become the fingerprint of nothing."""
    result = CliRunner().invoke(main, ["key"], input=nothing)
    assert result.exit_code == 2
    assert result.stderr == 'planner: no key on standard input. Try: printf %s "$ANTHROPIC_API_KEY" | planner key\n'
    assert result.stdout == ""
