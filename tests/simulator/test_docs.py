"""Nothing is undocumented: `docs/simulator.md` names every switch, setting, step, scenario, line and endpoint."""

from pathlib import Path

import msgspec
import pytest

from planner.simulator import Config, Switches, scenario
from planner.simulator.app import routes
from planner.simulator.bill import KINDS
from planner.simulator.config import shipped_scenarios

TEXT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
BUILT_FROM = ("prices", "scenarios", "switches", "organization", "base_url")


@pytest.mark.parametrize("field", [field.encode_name for field in msgspec.structs.fields(Switches)])
def test_every_switch_is_documented_with_its_default(field: str) -> None:
    """A row in the table of switches, with the default in force."""
    default = msgspec.to_builtins(Switches())[field]
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    assert f"| `{field}` | `{shown}` |" in TEXT


@pytest.mark.parametrize(
    "field", [field.name for field in msgspec.structs.fields(Config) if field.name not in BUILT_FROM]
)
def test_every_setting_is_documented(field: str) -> None:
    """Each field of the configuration is named."""
    assert f"`{field}" in TEXT or f"`Config.{field}`" in TEXT


@pytest.mark.parametrize("kind", scenario.KINDS)
def test_every_step_is_documented(kind: str) -> None:
    """Each kind of step is in the table of steps."""
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert any(f"`{kind}`" in row or f"`{kind}:" in row for row in rows)


def test_every_shipped_scenario_and_line_kind_is_documented() -> None:
    """Markers and kinds of lines are listed."""
    for item in scenario.read(shipped_scenarios(), 10):
        assert f"`{item.match.marker}`" in TEXT
    for kind in KINDS:
        assert f"`{kind}`" in TEXT


def test_every_endpoint_is_documented() -> None:
    """Each path, or its last part in the row of its family, is in the table."""
    for _method, path in routes():
        family = "/".join(path.split("/")[:3])
        assert family in TEXT
        assert path.rsplit("/", 1)[1].strip("{}") in TEXT


def test_the_example_scenario_is_one() -> None:
    """The YAML in the documentation is read without complaint."""
    example = TEXT.split("```yaml\n", 1)[1].split("```", 1)[0]
    assert scenario.read((example,), 10)[0].name == "sales-report"
