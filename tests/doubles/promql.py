"""What the tests ask of PromQL: the metrics that an expression reads, and the rule files in which alerts stand."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

ROOT: Final = Path(__file__).parents[2]
PROMETHEUS: Final = ROOT / "deploy/prometheus"
RULES: Final = tuple(sorted((PROMETHEUS / "rules").glob("*.yaml")))
CASES: Final = tuple(sorted((PROMETHEUS / "tests").glob("*.yaml")))

_METRIC: Final = re.compile(r"\bplanner_[a-z0-9_]+\b")
_RECORDED: Final = re.compile(r"\bplanner:[a-z0-9_:]+\b")
_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMPARED: Final = re.compile(r"(?<![=!<>~])(==|!=|>=|<=|>|<)(?!=)(?! bool\b)")


def read(path: Path) -> Any:
    """A YAML file of ours."""
    return YAML(typ="safe", pure=True).load(path)


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of every group of every file."""
    for path in RULES:
        for group in read(path)["groups"]:
            yield from group["rules"]


def alerts() -> list[dict[str, Any]]:
    """The rules that are alerts, in their order."""
    return [rule for rule in rules() if "alert" in rule]


def metrics_of(expression: str) -> set[str]:
    """The planner's own metrics that an expression reads, by the names of the contract."""
    bare = _TEXT.sub('""', expression)
    return {re.sub(r"(_seconds)_(bucket|count|sum)$", r"\1", name) for name in _METRIC.findall(bare)}


def recorded_of(expression: str) -> set[str]:
    """The recorded series that it reads."""
    return set(_RECORDED.findall(_TEXT.sub('""', expression)))


def unfiltered(expression: str) -> str:
    """The expression with every comparison answering 0 or 1 instead of leaving out what does not hold.

    An alert that does not fire has no data; one whose metrics or labels are wrong has none either. This tells them
    apart: it has data wherever both sides of its comparisons have.
    """
    parts = re.split(r'("(?:[^"\\]|\\.)*"|\{[^}]*\})', expression)
    return "".join(part if part[:1] in {'"', "{"} else _COMPARED.sub(r"\1 bool", part) for part in parts)
