"""Our own API under requests that fit its description and that do not: no answer that it does not describe, no 5xx."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from planner import __version__
from planner.dashboard.openapi import PLAN, description
from tests.conftest import Require
from tests.dashboard.pages.test_bill import statement
from tests.doubles.deciding import BOOK
from tests.doubles.paged import NOW
from tests.doubles.reported import month
from tests.doubles.site import Site, standing_site

EXAMPLES: Final = 6
FEWER: Final = 4
"""For what a process is started for."""


def _can_be_wrong(operation: dict[str, Any]) -> bool:
    """Whether there is anything to say wrongly: any word may stand in a path."""
    said = [each for each in operation.get("parameters", ()) if each.get("in") != "path"]
    return bool(said) or "requestBody" in operation


OPERATIONS: Final = [
    (method, path, mode)
    for path, methods in description(__version__)["paths"].items()
    for method, operation in methods.items()
    for mode in ("positive", "negative")
    if mode == "positive" or _can_be_wrong(operation)
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A planner with a ledger, which stands on a day."""
    with standing_site(tmp_path_factory.mktemp("fuzzed"), month(), NOW, BOOK, statements=(statement(),)) as standing:
        yield standing


@pytest.mark.parametrize(("method", "path", "mode"), OPERATIONS)
def test_answers_are_those_that_are_described(require: Require, site: Site, method: str, path: str, mode: str) -> None:
    """Whatever is asked for: the status, the media type and the shape are in the document."""
    require("schemathesis")
    import schemathesis  # noqa: PLC0415 - it is not there everywhere
    from schemathesis import checks  # noqa: PLC0415 - likewise
    from schemathesis.specs.openapi import checks as of_openapi  # noqa: PLC0415 - likewise

    schema = schemathesis.openapi.from_dict(description(__version__))
    operation = schema[path][method.upper()]
    held = [
        checks.not_a_server_error,
        of_openapi.status_code_conformance,
        of_openapi.content_type_conformance,
        of_openapi.response_schema_conformance,
    ]
    starts = path == PLAN

    @settings(
        max_examples=FEWER if starts else EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def hold(data: st.DataObject) -> None:
        case: Any = data.draw(operation.as_strategy(schemathesis.GenerationMode(mode)))
        answer = case.call(base_url=site.address, allow_redirects=False)
        case.validate_response(answer, checks=held)

    hold()
