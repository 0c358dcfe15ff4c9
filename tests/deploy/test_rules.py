"""The rules of Prometheus hold what the runbook says: each alert fires when it must, keeps still when it must not."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Require
from tests.doubles.promql import (
    CASES,
    PROMETHEUS,
    ROOT,
    RULES,
    alerts,
    metrics_of,
    read,
    recorded_of,
    rules,
    unfiltered,
)
from tests.test_contract import rows, section, words

RUNBOOK: Final = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
SECTIONS: Final = [title for title in re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE) if title.startswith("Planner")]
NAMES: Final = list(dict.fromkeys(alert["alert"] for alert in alerts()))


def promtool(require: Require, *arguments: str | Path) -> str:
    """Run Prometheus' own tool, and return what it said where it was not content."""
    command = [str(require("promtool")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROMETHEUS)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_rules_are_rules(require: Require) -> None:
    """The version of Prometheus that is here, 2.42 on Debian, takes them."""
    assert promtool(require, "check", "rules", *RULES) == ""


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_and_keep_still(require: Require, cases: Path) -> None:
    """Every case of the file comes out, each alert with the words that its reader sees."""
    assert promtool(require, "test", "rules", cases) == ""


def test_every_alert_has_cases_of_both_kinds() -> None:
    """For each severity one in which it fires; for each alert a moment at which it does not."""
    fired: set[tuple[str, str]] = set()
    still: set[str] = set()
    for path in CASES:
        for test in read(path)["tests"]:
            for moment in test["alert_rule_test"]:
                name, expected = moment["alertname"], moment["exp_alerts"]
                fired |= {(name, each["exp_labels"]["severity"]) for each in expected}
                if len(expected) < sum(alert["alert"] == name for alert in alerts()):
                    still.add(name)
    assert fired == {(alert["alert"], alert["labels"]["severity"]) for alert in alerts()}
    assert still == set(NAMES)


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    """In the same order, so that both can be read side by side."""
    assert SECTIONS == NAMES


@pytest.mark.parametrize("title", SECTIONS)
def test_a_section_says_what_it_means_what_to_look_at_and_what_to_do(title: str) -> None:
    """Whoever was woken finds the same three paragraphs everywhere."""
    text = RUNBOOK.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\*\*(Means|Look|Do)\.\*\* \S", text, re.MULTILINE) == ["Means", "Look", "Do"]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: f"{alert['alert']}-{alert['labels']['severity']}")
def test_an_alert_says_how_bad_it_is_and_where_help_is(alert: dict[str, dict[str, str]]) -> None:
    """A severity, two sentences, and the anchor of its section."""
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{str(alert['alert']).lower()}"
    assert alert["annotations"]["summary"].endswith(".")


def test_two_alerts_of_one_name_differ_in_severity() -> None:
    """One label tells who has to be woken."""
    kinds = Counter((alert["alert"], alert["labels"]["severity"]) for alert in alerts())
    assert set(kinds.values()) == {1}


def test_rules_read_what_is_there() -> None:
    """Metrics of the contract, and series that are recorded."""
    contract = {words(cells[0])[0] for cells in rows(section("Metrics"))}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        assert metrics_of(rule["expr"]) <= contract, rule["expr"]
        assert recorded_of(rule["expr"]) <= recorded, rule["expr"]


def test_metrics_of_an_expression() -> None:
    """Suffixes of histograms fall away; what stands in quotes is no metric."""
    asked = 'histogram_quantile(0.9, rate(planner_overhead_seconds_bucket{job="planner_x"}[5m])) > planner:a:b'
    assert metrics_of(asked) == {"planner_overhead_seconds"}
    assert recorded_of(asked) == {"planner:a:b"}


def test_comparisons_that_leave_nothing_out() -> None:
    """Matchers stay as they are, and what answers with 0 or 1 already."""
    asked = 'a{b!="x>y", c=~"z"} > 3 and on (d) e <= bool f and g{h="<"} == 0'
    assert unfiltered(asked) == 'a{b!="x>y", c=~"z"} > bool 3 and on (d) e <= bool f and g{h="<"} == bool 0'
