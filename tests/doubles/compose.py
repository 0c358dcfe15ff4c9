"""The compose file as `docker compose` reads it, so far as it is needed to start its processes by hand.

Interpolation is that of https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md: `${NAME}`,
`${NAME-default}` where unset, `${NAME:-default}` where unset or empty; `${NAME:?message}` is an error there.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
FILE: Final = DEPLOY / "compose.yaml"
_VARIABLE: Final = re.compile(r"\$\{(?P<name>[A-Z_]+)(?:(?P<how>:?[-?])(?P<word>[^}]*))?\}")


class UnsetError(Exception):
    """A variable that must be set is not; the message is the file's own."""


def raw() -> Any:
    """The file as it is written."""
    return YAML(typ="safe", pure=True).load(FILE)


def interpolated(value: Any, environment: Mapping[str, str]) -> Any:
    """A value with its variables replaced. Raises UnsetError."""
    if isinstance(value, dict):
        return {key: interpolated(each, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each, environment) for each in value]
    return _VARIABLE.sub(lambda match: _word(match, environment), value) if isinstance(value, str) else value


def services(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Every service with its variables replaced. Raises UnsetError."""
    found: dict[str, dict[str, Any]] = interpolated(raw()["services"], environment)
    return found


def mounts(service: Mapping[str, Any]) -> dict[str, Path | str]:
    """What lies at which path inside a service: a path of ours, or the name of a volume."""
    found: dict[str, Path | str] = {}
    for each in service.get("volumes", ()):
        source, target = each.split(":")[:2]
        found[target] = (DEPLOY / source).resolve() if source.startswith(".") else source
    return found


def names() -> set[str]:
    """Every variable that the file asks for."""
    return {match["name"] for match in _VARIABLE.finditer(FILE.read_text(encoding="utf-8"))}


def _word(match: re.Match[str], environment: Mapping[str, str]) -> str:
    value, how, word = environment.get(match["name"]), match["how"] or "", match["word"] or ""
    missing = value is None or (how.startswith(":") and not value)
    if not missing:
        return value or ""
    if how.endswith("?"):
        raise UnsetError(f"{match['name']}: {word}")
    return word
