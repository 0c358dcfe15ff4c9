"""Every SQL statement has a name and a sentence, and placeholders that both databases can be given."""

from importlib.resources import files

import pytest

from planner.stores.statements import question_marks, statements

NAMES = sorted(item.name.removesuffix(".sql") for item in (files("planner.stores") / "sql").iterdir() if item.is_file())


@pytest.mark.parametrize("name", NAMES)
def test_statements_are_named(name: str) -> None:
    """A file is nothing but named statements with a purpose; none is empty."""
    found = statements(name)
    assert found
    text = (files("planner.stores") / "sql" / f"{name}.sql").read_text()
    assert text.count("-- name: ") == len(found)
    assert all(statement.rstrip().endswith(";") for statement in found.values())


def test_file_that_breaks_the_form() -> None:
    """A file without a name on top is refused."""
    with pytest.raises(ValueError, match="must begin"):
        statements("sqlite/0001_ledger")


def test_placeholders_of_sqlite() -> None:
    """`$1` is a name to SQLite's driver; what cannot become a plain `?` is refused."""
    assert question_marks("VALUES ($1, $2, $3)") == "VALUES (?, ?, ?)"
    for broken in ("$2, $1", "$1, $1", "$2"):
        with pytest.raises(ValueError, match="in order"):
            question_marks(broken)
