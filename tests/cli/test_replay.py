"""`planner replay`: a trace billed under rules, in words, in JSON and line by line; and every way to refuse one."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.cli.traces import MOST_PROBLEMS
from planner.core.replay.nature import world_keys
from tests.doubles.traces import encoded, row, workload

BEYOND = ("--set", "free_hours.limit=0")
NEVER = """\
policies:
  - name: nobody
    why: To compare with.
    mode: enforce
    then: {bundle: never, tool_version: keep, container: conversation}
"""


def replay(tmp_path: Path, raw: list[bytes], *arguments: str) -> Result:
    """Play a trace beyond the free hours."""
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in raw))
    return CliRunner().invoke(main, ["replay", str(path), *BEYOND, *arguments])


def told(tmp_path: Path, raw: list[bytes], *arguments: str) -> dict[str, Any]:
    """The result as JSON."""
    result = replay(tmp_path, raw, "--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def sides(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each side of the comparison by its name."""
    return {side["name"]: side for side in found["sides"]}


def decided(tmp_path: Path, raw: list[bytes], *arguments: str) -> bytes:
    """What `--decisions` writes."""
    out = tmp_path / "decisions.jsonl"
    result = replay(tmp_path, raw, "--decisions", str(out), *arguments)
    assert result.exit_code == 0, result.output
    return out.read_bytes()


RAW = workload(count=150)


# ---------------------------------------------------------------- what it tells


def test_the_result_as_json(tmp_path: Path) -> None:
    """Its fields, with sums that add up."""
    found = told(tmp_path, RAW)
    assert set(found) == {
        "trace", "requests", "conversations", "principals", "first", "last", "given", "sides", "difference_nano",
    }  # fmt: skip
    first, last = json.loads(RAW[0])["at"], json.loads(RAW[-1])["at"]
    assert (found["requests"], found["principals"], found["first"], found["last"]) == (150, 5, first, last)
    assert found["conversations"] == len(
        {(json.loads(line)["principal"], json.loads(line)["conversation"]) for line in RAW}
    )
    untouched, rules = sides(found)["untouched"], sides(found)["rules"]
    for side in (untouched, rules):
        assert set(side) == {
            "name", "rules", "prices", "total_nano", "lines", "unpriced", "container_starts", "container_hours",
            "decisions", "holdouts",
        }  # fmt: skip
        assert side["total_nano"] == sum(side["lines"].values()) > 0
    assert found["difference_nano"] == {"untouched": untouched["total_nano"] - rules["total_nano"]}
    assert untouched["decisions"] == {}
    assert untouched["rules"] is None
    assert len(rules["rules"]) == len(rules["prices"]) == 16
    assert {name: sum(counted.values()) for name, counted in rules["decisions"].items()} == {
        "version": 150, "bundle": 150, "container": 150,
    }  # fmt: skip


def test_json_is_an_alias(tmp_path: Path) -> None:
    """As in every command."""
    assert replay(tmp_path, RAW, "--json").stdout == replay(tmp_path, RAW, "--format", "json").stdout


def test_the_same_trace_makes_the_same_bytes(tmp_path: Path) -> None:
    """Of the result and of the decisions."""
    assert decided(tmp_path, RAW) == decided(tmp_path, RAW)
    assert replay(tmp_path, RAW).output == replay(tmp_path, RAW).output


def test_the_bill_by_hand(tmp_path: Path) -> None:
    """One request that nobody edits: 5,000 written and read once, 1,000 and 1,500 input, 100 output, a minimum."""
    found = sides(told(tmp_path, encoded(row(0)), "--set", "decision.confidence=1"))
    lines = {
        "input": 2_500 * 100, "cache_write_5m": 5_000 * 125, "cache_read": 5_000 * 10, "output": 100 * 500,
        "code_execution": 4_166_667,
    }  # fmt: skip
    assert found["untouched"]["lines"] == lines
    assert found["untouched"]["container_starts"] == 1
    assert found["untouched"]["container_hours"] == pytest.approx(1 / 12, abs=1e-6)


def test_the_result_for_people(tmp_path: Path) -> None:
    """Both bills side by side, what was saved, and every decision with its reason."""
    result = replay(tmp_path, RAW)
    assert result.exit_code == 0
    text, found = result.stdout, told(tmp_path, RAW)
    assert "150 requests" in text
    assert "5 principals" in text
    assert "the rules save $" in text or "the rules cost $" in text
    for side in found["sides"]:
        for kind in side["lines"]:
            assert f"  {kind}" in text
        for counted in side["decisions"].values():
            for what, number in counted.items():
                assert f"{number:>9,}  {what}" in text
    assert found["sides"][1]["rules"] in text


def test_an_empty_trace_costs_nothing(tmp_path: Path) -> None:
    """And is no error."""
    found = told(tmp_path, [b"", b"  "])
    assert (found["requests"], found["first"], found["difference_nano"]) == (0, None, {"untouched": 0})
    assert "never" in replay(tmp_path, []).stdout


def test_what_has_no_price_is_said(tmp_path: Path) -> None:
    """And is in no sum."""
    raw = encoded(row(0), row(20, request={"model": "claude-new-1"}))
    found = sides(told(tmp_path, raw))
    assert {side["unpriced"] for side in found.values()} == {1}
    assert "rules: requests without a price, which are in no sum: 1" in replay(tmp_path, raw).stdout


def test_hold_outs_are_told(tmp_path: Path) -> None:
    """Not yet measurable below thirty prefix-days."""
    rules = tmp_path / "rules"
    (rules / "policies").mkdir(parents=True)
    policy = NEVER.replace("bundle: never", "bundle: when-cheaper") + "    holdout: {percent: 100, by: prefix-day}\n"
    (rules / "policies/ours.yaml").write_text(policy)
    found = sides(told(tmp_path, encoded(row(0)), "--rules", str(rules)))
    (held,) = found["rules"]["holdouts"]
    assert (held["policy"], held["treated"], held["held_out"], held["saved_nano"]) == ("nobody", 0, 1, None)
    text = replay(tmp_path, encoded(row(0)), "--rules", str(rules)).stdout
    assert "hold-out of nobody: not yet measurable, 0 prefix-days against 1 held out; 30 each are needed" in text


# ---------------------------------------------------------------- decisions, and another rule book or world


def test_decisions_are_a_line_each(tmp_path: Path) -> None:
    """In order, in the form of the contract; what is not decided anew has no expectation."""
    found = [json.loads(line) for line in decided(tmp_path, RAW).splitlines()]
    assert [each["line"] for each in found] == list(range(150))
    for each in found:
        assert set(each) == {"line", "bundle", "version", "container", "expected_nano"}
        assert set(each["bundle"]) == {"outcome", "reason", "tool"}
        assert set(each["version"]) == {"outcome", "reason", "type"}
        assert set(each["container"]) == {"outcome", "reason"}
        assert set(each["expected_nano"]) == {"untouched", "planned"}
        assert (each["bundle"]["tool"] is not None) is (each["bundle"]["outcome"] in {"applied", "kept"})
    assert {type(each["expected_nano"]["planned"]) for each in found} == {int, type(None)}


def test_another_world_changes_the_bill_and_no_first_decision(tmp_path: Path) -> None:
    """What the rules believe stays what it is."""
    raw = encoded(*[row(0, principal=f"key-{number}") for number in range(20)])
    believed, other = (sides(told(tmp_path, raw, *world))["rules"] for world in ((), ("--world", "free_hours.limit=9")))
    assert believed["decisions"] == other["decisions"]
    one, two = (decided(tmp_path, raw, *world) for world in ((), ("--world", "tool_tokens.scale=2")))
    assert one == two
    heavy = sides(told(tmp_path, raw, "--world", "tool_tokens.scale=2"))["rules"]
    assert heavy["total_nano"] > believed["total_nano"]
    assert heavy["rules"] == believed["rules"]


def test_several_facts_can_differ(tmp_path: Path) -> None:
    """Each by its own flag."""
    raw = encoded(row(0), row(20, conversation="c0", turn=2))
    never = ("--set", "decision.confidence=1", "--world", "code.minimum_per=request", "--world", "hour_pico=3600000000")
    found = sides(told(tmp_path, raw, *never))
    assert found["untouched"]["lines"]["code_execution"] == 2 * 300_000


def test_two_rule_books_are_compared(tmp_path: Path) -> None:
    """What the rules save against the other, in the same world."""
    other = tmp_path / "other"
    (other / "policies").mkdir(parents=True)
    (other / "policies/never.yaml").write_text(NEVER)
    found = told(tmp_path, RAW, "--against", str(other))
    assert [side["name"] for side in found["sides"]] == ["untouched", "rules", "against"]
    rules, against = sides(found)["rules"], sides(found)["against"]
    assert found["difference_nano"]["against"] == against["total_nano"] - rules["total_nano"]
    assert against["rules"] != rules["rules"]
    assert set(against["decisions"]["bundle"]) <= {
        "declined;reason=policy", "declined;reason=mid-conversation", "declined;reason=no-code-execution",
    }  # fmt: skip
    assert "against other rules" in replay(tmp_path, RAW, "--against", str(other)).stdout
    assert decided(tmp_path, RAW, "--against", str(other)) == decided(tmp_path, RAW)


def test_callers_of_the_rules_are_known(tmp_path: Path) -> None:
    """By the principal's name in the trace."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "callers.yaml").write_text("principals:\n  key-1:\n    flags: [zdr]\n")
    (line,) = decided(tmp_path, encoded(row(0)), "--rules", str(rules)).splitlines()
    assert json.loads(line)["bundle"]["reason"] == "zdr"


def test_standard_input_is_a_trace(tmp_path: Path) -> None:
    """By the name `-`."""
    raw = b"".join(encoded(row(0), row(20)))
    result = CliRunner().invoke(main, ["replay", "-", "--json", *BEYOND], input=raw)
    assert result.exit_code == 0
    piped, found = json.loads(result.stdout), told(tmp_path, raw.splitlines())
    assert piped.pop("trace") == "-"
    assert found.pop("trace") == str(tmp_path / "trace.jsonl")
    assert piped == found


# ---------------------------------------------------------------- what cannot be used


def test_every_bad_line_is_told_and_nothing_is_billed(tmp_path: Path) -> None:
    """As file:line, all of them at once."""
    raw = [*encoded(row(0)), b"", b"nonsense", *encoded(row(20)), *encoded(row(30, turn=0))]
    result = replay(tmp_path, raw)
    assert result.exit_code == 1
    assert result.stdout == ""
    first, second, last = result.stderr.splitlines()
    assert first.startswith(f"{tmp_path}/trace.jsonl:3: ")
    assert second.startswith(f"{tmp_path}/trace.jsonl:5: ")
    assert "turn" in second
    assert last == f"planner: 2 lines of {tmp_path}/trace.jsonl cannot be used. Mend what is told: nothing was billed."


def test_of_many_bad_lines_the_first_are_told(tmp_path: Path) -> None:
    """And how many there are."""
    result = replay(tmp_path, [b"nonsense"] * (MOST_PROBLEMS + 5))
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == MOST_PROBLEMS + 1
    assert f"{MOST_PROBLEMS + 5} lines" in result.stderr
    assert f"the first {MOST_PROBLEMS} are told" in result.stderr


def test_a_trace_that_cannot_be_used_leaves_no_decisions(tmp_path: Path) -> None:
    """Whoever reads the file later would take it for the whole trace."""
    out = tmp_path / "decisions.jsonl"
    assert replay(tmp_path, [*encoded(row(0)), b"nonsense"], "--decisions", str(out)).exit_code == 1
    assert not out.exists() or out.read_bytes() == b""


def test_the_trace_is_not_written_over(tmp_path: Path) -> None:
    """By naming it twice."""
    trace = tmp_path / "trace.jsonl"
    result = replay(tmp_path, RAW[:1], "--decisions", str(trace))
    assert result.exit_code == 2
    assert "the trace itself" in result.stderr
    assert trace.read_bytes().startswith(b"{")


def test_it_says_what_it_was_run_with(tmp_path: Path) -> None:
    """So that a saved page can be made again; and that prices differ, where they do."""
    page = replay(tmp_path, RAW[:1], "--set", "free_hours.limit=0", "--world", "code.minimum_per=request").stdout
    assert "with --set free_hours.limit=0" in page
    assert "with --world code.minimum_per=request" in page
    assert "price books differ" not in page


def test_an_unknown_fact_of_the_world_is_a_usage_error(tmp_path: Path) -> None:
    """With all that it knows."""
    result = replay(tmp_path, RAW[:1], "--world", "code.speed=9")
    assert result.exit_code == 2
    assert all(key in result.stderr for key in world_keys())


@pytest.mark.parametrize("word", ["code.minimum_per=week", "code.minimum_per", "free_hours.limit=many", "=1"])
def test_a_wrong_fact_of_the_world_is_a_usage_error(tmp_path: Path, word: str) -> None:
    """In one sentence."""
    result = replay(tmp_path, RAW[:1], "--world", word)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_trace_that_cannot_be_read_is_a_usage_error(tmp_path: Path, name: str) -> None:
    """Named, with the reason."""
    result = CliRunner().invoke(main, ["replay", str(tmp_path / name), *BEYOND])
    assert result.exit_code == 2
    assert f"{tmp_path / name} cannot be read" in result.stderr


def test_decisions_that_cannot_be_written_are_a_usage_error(tmp_path: Path) -> None:
    """Before anything is played."""
    result = replay(tmp_path, RAW[:1], "--decisions", str(tmp_path / "missing/decisions.jsonl"))
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_another_rule_book_is_a_directory(tmp_path: Path) -> None:
    """Else nothing is compared."""
    result = replay(tmp_path, RAW[:1], "--against", str(tmp_path / "missing"))
    assert result.exit_code == 2
    assert "--against" in result.stderr


def test_an_unknown_setting_is_a_usage_error(tmp_path: Path) -> None:
    """As in every command."""
    assert replay(tmp_path, RAW[:1], "--set", "code.speed=9").exit_code == 2
