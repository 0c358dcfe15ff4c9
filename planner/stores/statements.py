"""Named SQL statements, read from the `.sql` files beside this module: each has a name and a sentence of purpose."""

import re
from functools import cache
from importlib.resources import files

_NUMBER = re.compile(r"\$([0-9]+)")
_HEAD = re.compile(r"^-- name: ([a-z_]+)\n-- (.+)\n", re.MULTILINE)


@cache
def statements(name: str) -> dict[str, str]:
    """The statements of `sql/<name>.sql` by their names. Raises ValueError for a file that breaks the form."""
    return parse((files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8"), name)


def parse(text: str, name: str) -> dict[str, str]:
    """The statements of the text of a file. Raises ValueError for one that breaks the form."""
    heads = list(_HEAD.finditer(text))
    if not heads or heads[0].start() != 0:
        raise ValueError(f"sql/{name}.sql must begin with '-- name: …' and a line of purpose")
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {head[1]: text[head.end() : end].strip() for head, end in zip(heads, ends, strict=True)}


def question_marks(statement: str) -> str:
    """The statement with SQLite's `?` for `$1`, `$2`, …: its Python driver takes `$1` for a name, and 3.14 refuses it.

    Raises ValueError where the numbers do not stand in order, each once.
    """
    numbers = [int(number) for number in _NUMBER.findall(statement)]
    if numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"placeholders must stand in order, each once, not {numbers}")
    return _NUMBER.sub("?", statement)
