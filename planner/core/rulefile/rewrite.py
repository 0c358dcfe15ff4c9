"""A setting's value is changed in the text of its file, and nothing else: comments, order and quotes stay.

The text is read to find the place and is edited there, so that what nobody asked to change keeps every byte. The result
is read again before it is given back.
"""

import re
from datetime import date
from io import StringIO
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

HEAD: Final = "# yaml-language-server: $schema=../schema/settings.json\n\nsettings:\n"
_VALUE: Final = re.compile(r"^(?P<head>\s*[\w.]+:[ \t]*)(?P<value>\"[^\"]*\"|'[^']*'|[^#\s]+)(?P<rest>.*)$")


class RewriteError(ValueError):
    """The file cannot be changed; the text says why."""


def with_setting(text: str, key: str, value: float, *, checked: date, source: str) -> tuple[str, str]:
    """The text of a settings file in which a number is another, and the row as it stands there now.

    A row that is there keeps all but its `value` and `checked`; one that is not is added behind the others, with its
    mark "?" and where it comes from. Raises RewriteError for a file that is no settings file.
    """
    found = _settings(text)
    row = None if found is None else found.get(key)
    written = _number(value)
    if row is None:
        added = _row(key, written, checked, source)
        base = text if found is not None else (text + HEAD if not text.strip() else None)
        if base is None or (found is not None and not found):
            raise RewriteError("the file has no table of settings with a row in it: add `settings:` and a row")
        new = base.rstrip("\n") + "\n\n" + added
    else:
        if not isinstance(row, CommentedMap) or "value" not in row:
            raise RewriteError(f"the row {key} has no value")
        lines = text.splitlines(keepends=True)
        changes = (("value", written), ("checked", checked.isoformat()))
        for name, word in changes:
            if name in row:
                place = row.lc.key(name)[0]
                lines[place] = _changed(lines[place], word, key)
        new = "".join(lines)
    after = _settings(new)
    if after is None or float(after[key]["value"]) != value:
        raise RewriteError(f"the value of {key} could not be changed in this form: write it on a line of its own")
    return new, _shown(new, key)


def _settings(text: str) -> CommentedMap | None:
    """The table of settings; None for a file without one. Raises RewriteError."""
    yaml = YAML(typ="rt")
    yaml.version = (1, 2)
    try:
        read = yaml.load(StringIO(text))
    except YAMLError as error:
        raise RewriteError(f"the file is no YAML: {str(error).splitlines()[0]}") from error
    if read is None:
        return None
    if not isinstance(read, CommentedMap) or not isinstance(read.get("settings"), CommentedMap | None):
        raise RewriteError("the file is no settings file: it has no table of settings")
    table: CommentedMap | None = read.get("settings")
    return table


def _changed(line: str, word: str, key: str) -> str:
    ending = line[len(line.rstrip("\r\n")) :]
    match = _VALUE.match(line.rstrip("\r\n"))
    if match is None:
        raise RewriteError(f"the row {key} is not written a field a line: write it so")
    return f"{match['head']}{word}{match['rest']}{ending}"


def _row(key: str, value: str, checked: date, source: str) -> str:
    return (
        f"  {key}:\n    value: {value}\n    means: Measured by planner estimate.\n"
        f'    mark: "?"\n    source: "{source}"\n    checked: {checked.isoformat()}\n'
    )


def _shown(text: str, key: str) -> str:
    """The lines of a row."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.strip().startswith(f"{key}:"))
    depth = len(lines[first]) - len(lines[first].lstrip())
    last = first + 1
    while last < len(lines) and lines[last].strip() and len(lines[last]) - len(lines[last].lstrip()) > depth:
        last += 1
    return "\n".join(lines[first:last])


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
