"""docs/rules.md is true: its commands run as they stand, its YAML is what it says, and its recipes stand together."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from planner.cli import main

ROOT: Final = Path(__file__).parent.parent
GUIDE: Final = (ROOT / "docs/rules.md").read_text(encoding="utf-8")
CONTRACT: Final = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
COOKBOOK: Final = ROOT / "docs/cookbook"
RECIPES: Final = [
    "leave-one-app-alone",
    "refuse-a-model",
    "newer-versions",
    "night-jobs",
    "bound-the-web",
    "try-in-shadow",
    "roll-out-with-a-hold-out",
    "only-warm-agents",
]
"""In an order in which they stand together: the last has the last word on bundles."""
TRAFFIC: Final = ("--since", "serve")
"""What a command needs a ledger, or runs for ever, for."""


def planner(*words: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, list(words))


def block(text: str, title: str, language: str) -> str:
    """The first block of a language below a heading."""
    below = text.split(f"\n{title}\n", 1)[1]
    match = re.search(rf"```{language}\n(.*?)```", below, re.DOTALL)
    assert match is not None
    return match[1]


def put(directory: Path, recipes: list[str], *, shipped: bool) -> Path:
    """Copy recipes into a directory as the guide says, before the shipped policies or without them."""
    for folder in ("policies", "tests"):
        (directory / folder).mkdir(parents=True)
    for number, name in enumerate(recipes, 1):
        shutil.copy(COOKBOOK / name / f"policies/{name}.yaml", directory / f"policies/{number}0-{name}.yaml")
        shutil.copy(COOKBOOK / name / f"tests/{name}.yaml", directory / "tests")
        if (COOKBOOK / name / "callers.yaml").is_file():
            shutil.copy(COOKBOOK / name / "callers.yaml", directory)
    if shipped:
        shutil.copy(ROOT / "rules/policies/shipped.yaml", directory / "policies/90-shipped.yaml")
    return directory


def codes(directory: Path) -> list[str]:
    """What `check` finds in a directory, less what it finds by the day on which this test is run."""
    found = json.loads(planner("rules", "check", "--rules", str(directory), "--json").stdout)
    return [each["code"] for each in found if each["code"] != "expired-policy"]


def sound(directory: Path) -> None:
    """`check` has nothing to say of a directory, and `test` neither."""
    assert codes(directory) == []
    tested = planner("rules", "test", "--rules", str(directory))
    assert (tested.exit_code, tested.stderr) == (0, ""), tested.output


def test_the_five_minutes_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the guide in its order, in a clone; those that need traffic have words that the command knows."""
    monkeypatch.chdir(tmp_path)
    for folder in ("rules", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    ran = 0
    for line in block(GUIDE, "## In five minutes", "sh").splitlines():
        words = shlex.split(line, comments=True)
        if words[0] != "planner":
            subprocess.run(["sh", "-ec", line], check=True, timeout=60)  # noqa: S607 - a line of our own guide
        elif not set(TRAFFIC) & set(words):
            result = planner(*words[1:])
            assert (result.exit_code, result.stderr) == (0, ""), f"{line}\n{result.output}"
            ran += 1
        else:
            assert planner(*words[1:], "--help").exit_code == 0
    assert ran == 5
    for path in (tmp_path / "my-rules").glob("*/*.yaml"):
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert (path.parent / first.rpartition("$schema=")[2]).is_file(), "an editor finds the schema that was written"


def test_the_policy_of_the_guide_is_what_its_tests_say(tmp_path: Path) -> None:
    """Both blocks in one directory, alone and before the shipped policies."""
    for shipped in (False, True):
        directory = put(tmp_path / str(shipped), [], shipped=shipped)
        (directory / "policies/10.yaml").write_text(block(GUIDE, "## A policy", "yaml"), encoding="utf-8")
        (directory / "tests/10.yaml").write_text(block(GUIDE, "## Test it", "yaml"), encoding="utf-8")
        sound(directory)


def test_the_rules_of_the_contract_are_sound(tmp_path: Path) -> None:
    """Its policy has no finding, and its test passes under the shipped policies."""
    directory = put(tmp_path, [], shipped=True)
    policies = next(each for each in re.findall(r"```yaml\n(.*?)```", CONTRACT, re.DOTALL) if "policies:" in each)
    (directory / "policies/10.yaml").write_text(policies, encoding="utf-8")
    assert codes(directory) == []
    (directory / "policies/10.yaml").unlink()
    (directory / "tests/ours.yaml").write_text(block(CONTRACT, "### Tests of rules", "yaml"), encoding="utf-8")
    sound(directory)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_stands_before_the_shipped_policies(recipe: str, tmp_path: Path) -> None:
    """As the guide begins; alone, where it stands, it is tested with the command."""
    sound(put(tmp_path, [recipe], shipped=True))


@pytest.mark.parametrize("shipped", [False, True], ids=["alone", "before the shipped ones"])
def test_all_recipes_stand_together(tmp_path: Path, shipped: bool) -> None:  # noqa: FBT001 - a parameter of pytest
    """In the order above, which the guide names: no two are in each other's way, and no two tests share a name."""
    assert sorted(RECIPES) == sorted(path.name for path in COOKBOOK.iterdir())
    sound(put(tmp_path, RECIPES, shipped=shipped))
