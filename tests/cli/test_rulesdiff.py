"""`planner rules diff`: two directories compared on a ledger, on a trace or on nothing, and every way to refuse."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.clock import SystemClock
from planner.core.ledger.entry import Entry
from planner.rulesource import shipped_directory
from tests.cli.test_reading import fill
from tests.doubles.recorded import entry
from tests.doubles.simulated import START
from tests.doubles.traces import encoded, row, workload

BEYOND = ("--set", "free_hours.limit=0")
POLICY = """\
policies:
  - name: {name}
    why: To compare with.
    mode: enforce
    then: {{bundle: {act}, container: conversation}}
"""


def rules(tmp_path: Path, name: str, act: str, **files: str) -> str:
    """A directory of one policy."""
    directory = tmp_path / name
    (directory / "policies").mkdir(parents=True)
    (directory / "policies/ours.yaml").write_text(POLICY.format(name="ours", act=act))
    for path, content in files.items():
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_text(content)
    return str(directory)


@pytest.fixture
def books(tmp_path: Path) -> tuple[str, str]:
    """Rules that never bundle, and rules that always do."""
    return rules(tmp_path, "never", "never"), rules(tmp_path, "always", "always")


def diff(*arguments: str, **settings: Any) -> Result:
    """Run it beyond the free hours."""
    return CliRunner().invoke(main, ["rules", "diff", *arguments, *BEYOND], **settings)


def told(*arguments: str) -> dict[str, Any]:
    """The result as JSON."""
    result = diff(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def ledger(tmp_path: Path, *entries: Entry) -> tuple[str, str]:
    """`--store` of a ledger with these entries."""
    return "--store", fill(tmp_path / "ledger.db", *entries)


# ---------------------------------------------------------------- what it compares


def test_a_ledger_under_both(tmp_path: Path, books: tuple[str, str]) -> None:
    """One request that is bundled by the newer rules: what is decided, and the minimum that is saved."""
    found = told(*books, *ledger(tmp_path, entry(), entry(1, endpoint="files")))
    assert (found["traffic"]["requests"], found["left_out"]) == (1, {"not-messages": 1})
    assert (found["decisions"]["changed"], found["decisions"]["outcomes"]) == (1, 1)
    kinds = {each["name"]: each["moved_nano"] for each in found["money"]["by_kind"]}
    assert kinds["code_execution"] == -4_166_667
    assert found["money"]["moved_nano"] == sum(kinds.values())
    assert found["prices"] is None
    assert [(each["kind"], each["change"]) for each in found["structure"]] == [("policy", "changed")]
    assert found["structure"][0]["members"] == [{"member": "then.bundle.act", "before": '"never"', "after": '"always"'}]


def test_a_trace_under_both(tmp_path: Path, books: tuple[str, str]) -> None:
    """From a file, or from standard input."""
    raw = b"".join(line.rstrip(b"\n") + b"\n" for line in workload(count=50))
    (tmp_path / "t.jsonl").write_bytes(raw)
    found = told(*books, "--trace", str(tmp_path / "t.jsonl"))
    assert found["traffic"]["requests"] == 50
    piped = json.loads(diff(*books, "--trace", "-", "--json", input=raw).stdout)
    assert {name: value for name, value in piped.items() if name != "source"} == {
        name: value for name, value in found.items() if name != "source"
    }


def test_the_same_traffic_makes_the_same_bytes(tmp_path: Path, books: tuple[str, str]) -> None:
    """In every form."""
    store = ledger(tmp_path, *(entry(second, {"conversation": f"c{second}"}) for second in range(20)))
    for form in ("text", "json", "markdown"):
        assert diff(*books, *store, "--format", form).stdout == diff(*books, *store, "--format", form).stdout
    assert diff(*books, *store, "--format", "markdown").stdout.startswith("**Rules diff.** 1 policy differs. 20 of 20 ")


def test_prices_are_told_apart(tmp_path: Path) -> None:
    """A discount moves what was used, exactly, and no decision."""
    discount = "discounts:\n  - {name: half, why: w, percent_off: '50', source: s, checked: 2026-11-22, mark: A}\n"
    shipped = (shipped_directory() / "prices/anthropic.yaml").read_text()
    old = rules(tmp_path, "old", "never")
    new = rules(tmp_path, "new", "never", **{"prices/anthropic.yaml": shipped, "prices/ours.yaml": discount})
    found = told(old, new, *ledger(tmp_path, entry()))
    assert found["money"]["moved_nano"] == 0
    listed = 2_500 * 100 + 5_000 * 125 + 5_000 * 10 + 100 * 500
    assert found["prices"]["before_nano"] == listed
    assert found["prices"]["moved_nano"] == -listed // 2
    assert "whatever is decided" in diff(old, new, *ledger(tmp_path)).stdout
    (tmp_path / "t.jsonl").write_bytes(b"".join(encoded(row())))
    assert told(old, new, "--trace", str(tmp_path / "t.jsonl"))["prices"] is None


def test_since_counts_what_arrived_then_and_plays_what_was_before(tmp_path: Path, books: tuple[str, str]) -> None:
    """A date, or so long ago; a month before is played so that it is known."""
    store = ledger(tmp_path, entry(-86_400 * 40), entry(-3_600), entry(0))
    found = told(*books, *store, "--since", "2026-11-22T09:00:00Z")
    assert (found["traffic"]["requests"], found["traffic"]["warm_up"]) == (1, 1)
    assert found["given"]["since"] == ["2026-11-22T09:00:00Z"]
    days = (SystemClock().now() - START) / timedelta(days=1)
    assert told(*books, *store, "--since", f"{int(days) + 2}d")["traffic"]["requests"] == 2


def test_without_recorded_traffic_the_rules_are_compared(
    tmp_path: Path, books: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No ledger where none was named, and an empty one, are said and are no error."""
    monkeypatch.chdir(tmp_path)
    bare = diff(*books)
    assert bare.exit_code == 0
    assert "No recorded traffic was played" in bare.stdout
    assert "policy ours changed" in bare.stdout
    empty = diff(*books, *ledger(tmp_path))
    assert empty.exit_code == 0
    assert "There is no recorded traffic in sqlite://" in empty.stdout


def test_the_shipped_rules_have_a_name(tmp_path: Path, books: tuple[str, str]) -> None:
    """Unless a directory has it."""
    found = told("shipped", books[0], *ledger(tmp_path))
    assert {each["change"] for each in found["structure"]} == {"added", "removed"}
    assert told("shipped", "shipped", *ledger(tmp_path))["structure"] == []


# ---------------------------------------------------------------- what it refuses


@pytest.mark.parametrize("place", [0, 1])
def test_errors_in_either_directory_are_findings(tmp_path: Path, books: tuple[str, str], place: int) -> None:
    """Printed as `rules check` prints them."""
    (Path(books[place]) / "policies/ours.yaml").write_text("policies:\n  - name: one\n    mode: enforced\n")
    result = diff(*books, *ledger(tmp_path))
    assert result.exit_code == 1
    assert f"{books[place]}/policies/ours.yaml:3:11: " in result.stdout
    checked = CliRunner().invoke(main, ["rules", "check", "--rules", books[place], *BEYOND]).stdout
    assert result.stdout == checked
    found = json.loads(diff(*books, *ledger(tmp_path), "--json").stdout)
    assert {each["level"] for each in found} == {"error"}


def test_a_ledger_that_cannot_be_read_is_unavailable(tmp_path: Path, books: tuple[str, str]) -> None:
    """Where it was named, by flag or variable."""
    store = f"sqlite:///{tmp_path}/none.db"
    assert diff(*books, "--store", store).exit_code == 3
    assert diff(*books, env={"PLANNER_STORE": store}).exit_code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"),
        ("--since", "7w"),
        ("--trace", "none.jsonl"),
        ("--trace", "-", "--store", "sqlite:///x"),
    ],
)
def test_what_cannot_be_used_is_a_usage_error(books: tuple[str, str], arguments: tuple[str, ...]) -> None:
    """In one sentence."""
    result = diff(*books, *arguments)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_directories_that_are_none_are_usage_errors(books: tuple[str, str]) -> None:
    """Either of them."""
    for pair in ((books[0], "nowhere"), ("nowhere", books[1])):
        assert diff(*pair).exit_code == 2


def test_a_bad_trace_ends_as_in_a_replay(tmp_path: Path, books: tuple[str, str]) -> None:
    """All its problems told."""
    (tmp_path / "t.jsonl").write_bytes(b"nonsense\n" + msgspec.json.encode(row()) + b"\n")
    result = diff(*books, "--trace", str(tmp_path / "t.jsonl"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "1 line of" in result.stderr
