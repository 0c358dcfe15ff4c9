"""The FinOps Foundation's own validator judges an export, by its own rules for FOCUS 1.2.

Version 2.2.1 carries the requirements model 1.2.0.1; it would fetch that of 1.3, so that the two columns of 1.3 are
judged by nobody but tests/core/exports/test_focuscolumns.py. Its rules that leave corrections out compare
`ChargeClass` with a word, and so look at no row where that is empty: price times quantity is judged by
tests/core/exports/test_focus.py.
"""

import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from planner.cli import main
from tests.cli.test_reading import fill
from tests.conftest import Require
from tests.doubles.charged import ledger

# What Anthropic has, by the validator's words: prices in public, agreements, usage, workspaces, containers, tags.
HAS: Final = """
    ACCOUNT_NAMING_SUPPORTED MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED
    MULTIPLE_PRICING_CATEGORIES_SUPPORTED NEGOTIATED_PRICING_SUPPORTED PUBLIC_PRICE_LIST_SUPPORTED
    USAGE_MEASUREMENT_SUPPORTED UNIT_PRICING_SUPPORTED SUB_ACCOUNT_SUPPORTED TAGGING_SUPPORTED
    BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED RESOURCE_TYPE_ASSIGNMENT_SUPPORTED
"""
# One of two rules of which the model asks for either: no invoice and no id (004), or an invoice and its id (005). The
# ledger knows no invoice. The rule above both passes.
EITHER: Final = "InvoiceId-C-005-C"
ABOVE: Final = ("InvoiceId-C-004-C", "InvoiceId-C-003-C", "InvoiceId-C-000-O")


def judged(validator: Path, file: Path) -> dict[str, str]:
    """How each rule ended: `passed`, `failed` or `skipped`."""
    report = file.with_suffix(".xml")
    (packages,) = (validator.parent.parent / "lib").glob("python3*/site-packages")
    arguments = ["--data-file", str(file), "--validate-version", "1.2", "--block-download"]
    arguments += ["--applicability-criteria", ",".join(HAS.split())]
    arguments += ["--output-type", "unittest", "--output-destination", str(report)]
    # It reads its list of currencies from below the directory that it runs in.
    done = subprocess.run([validator, *arguments], cwd=packages, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - the validator of our own environment wrote it
        rule = case.attrib["name"].partition(" ")[0]
        ended = {child.tag for child in case}
        found[rule] = "failed" if ended & {"failure", "error"} else "skipped" if "skipped" in ended else "passed"
    return found


@pytest.mark.parametrize("form", ["focus", "parquet"])
def test_the_official_validator_passes_an_export(require: Require, tmp_path: Path, form: str) -> None:
    """Some five thousand rows with discounts, tiers, credits, corrections, subscriptions and names of all sorts."""
    validator = require("focus-validator")
    store = fill(tmp_path / "l.db", *ledger(1_500))
    file = tmp_path / ("f.parquet" if form == "parquet" else "f.csv")
    arguments = ["export", "--format", form, "--notional", "--store", store, "--out", str(file)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    rules = judged(validator, file)
    assert len(rules) > 500
    assert {rule for rule, ended in rules.items() if ended == "failed"} == {EITHER}
    assert all(rules[rule] == "passed" for rule in ABOVE)
    assert sum(ended == "passed" for ended in rules.values()) > 250


def test_the_validator_sees_what_is_wrong(require: Require, tmp_path: Path) -> None:
    """So that its silence means something: a currency that is none, and a negative price."""
    validator = require("focus-validator")
    store, file = fill(tmp_path / "l.db", *ledger(100)), tmp_path / "wrong.parquet"
    done = CliRunner().invoke(main, ["export", "--format", "parquet", "--store", store, "--out", str(file)])
    assert done.exit_code == 0
    table = pq.read_table(file)
    for name, value in (("BillingCurrency", "dollars"), ("ListUnitPrice", Decimal("-0.2"))):
        column = table.schema.get_field_index(name)
        field = table.schema.field(column)
        table = table.set_column(column, field, pa.array([value] * table.num_rows, field.type))
    pq.write_table(table, file)
    failed = {rule for rule, ended in judged(validator, file).items() if ended == "failed"}
    assert {"BillingCurrency-C-003-M", "ListUnitPrice-C-008-M"} <= failed
