"""The shipped catalog: which version goes with which model, and what a tool of ours looks like on the wire."""

import json

import pytest
from anthropic.types.model import Model

from planner.core.rulebook.catalog import Catalog, Deny
from planner.rulesource import load_rules

CATALOG = load_rules(None).required().catalog
CODE = tuple(f"code_execution_{day}" for day in ("20250522", "20250825", "20260120", "20260521"))
FREEING = (
    "web_search_20260209",
    "web_search_20260318",
    "web_fetch_20260209",
    "web_fetch_20260309",
    "web_fetch_20260318",
)
BASIC = ("web_search_20250305", "web_fetch_20250910")


def with_deny(*entries: Deny) -> Catalog:
    """Return the shipped catalog with deny entries."""
    return Catalog(CATALOG.tools, CATALOG.models, CATALOG.templates, CATALOG.priors, entries)


def test_every_model_of_the_sdk_has_a_row() -> None:
    """The ids that the SDK's type lists are all known, and nothing else is."""
    (literal, _) = Model.__args__  # type: ignore[attr-defined]  # a Union of a Literal and str
    assert set(CATALOG.known_models) == set(literal.__args__)
    assert CATALOG.model("claude-opus-9") is None


def test_every_code_execution_and_web_tool_of_the_sdk_is_known() -> None:
    """Four, three and four versions, of three families."""
    assert {tool.type for tool in CATALOG.tools} == {*CODE, *FREEING, *BASIC}


@pytest.mark.parametrize("type_", [*CODE, *BASIC])
def test_older_tools_free_nothing(type_: str) -> None:
    """Code is not free by itself, nor beside a basic web tool."""
    assert not CATALOG.frees_code(type_)
    assert CATALOG.code_needed_beside(type_) is None


@pytest.mark.parametrize("type_", FREEING)
def test_newer_web_tools_free_code_and_need_a_newer_one(type_: str) -> None:
    """Since 20260209 a web tool frees code, and an older code execution beside it is a 400."""
    assert CATALOG.frees_code(type_)
    assert CATALOG.code_needed_beside(type_) == "code_execution_20260120"


def test_an_unknown_tool_frees_nothing() -> None:
    """A version of the future is not guessed about."""
    assert not CATALOG.frees_code("web_fetch_20991231")
    assert CATALOG.nearest("claude-opus-5", "code_execution_20991231") is None


@pytest.mark.parametrize(
    ("model", "declared", "minimum", "cross", "expected"),
    [
        ("claude-opus-5", CODE[1], None, False, CODE[1]),  # kept: the model takes it
        ("claude-opus-5", CODE[1], CODE[2], False, CODE[2]),  # lifted to the nearest that a bundle needs
        ("claude-opus-5", CODE[3], CODE[2], False, CODE[3]),  # never lowered
        ("claude-opus-5", CODE[0], CODE[2], False, None),  # other blocks: only when told that the client parses them
        ("claude-opus-5", CODE[0], CODE[2], True, CODE[2]),
        ("claude-opus-9", CODE[1], None, False, None),  # a model that nobody described
    ],
)
def test_nearest(model: str, declared: str, minimum: str | None, cross: bool, expected: str | None) -> None:  # noqa: FBT001 - a column
    """The declared version when it will do, else the nearest that does."""
    assert CATALOG.nearest(model, declared, minimum, cross_blocks=cross) == expected


def test_newest_stays_within_the_format() -> None:
    """The newest compatible version of the oldest format is the oldest."""
    assert CATALOG.newest("claude-opus-5", CODE[1]) == CODE[3]
    assert CATALOG.newest("claude-opus-5", CODE[0]) == CODE[0]


def test_a_denied_pair_is_gone_round() -> None:
    """A deny entry takes a version from the models it names, and from them only; older serves when no newer does."""
    deny = Deny(models=("claude-opus-5*",), tools=CODE[2:], why="w", source="s", checked=CATALOG.tools[0].checked)
    catalog = with_deny(deny)
    assert catalog.denied("claude-opus-5-5", CODE[2]) is deny
    assert catalog.nearest("claude-opus-5-5", CODE[2]) == CODE[1]
    assert catalog.nearest("claude-sonnet-5", CODE[2]) == CODE[2]
    assert not catalog.takes("claude-opus-5", CODE[3])


def test_a_basic_web_tool_is_raised_to_the_oldest_that_frees() -> None:
    """The fewest changes: not the newest version."""
    assert CATALOG.upgrade_of("claude-opus-5", BASIC[0]) == "web_search_20260209"
    assert CATALOG.upgrade_of("claude-opus-5", BASIC[1]) == "web_fetch_20260209"
    assert CATALOG.upgrade_of("claude-opus-5", "web_fetch_20260209") is None
    assert CATALOG.upgrade_of("claude-opus-5", CODE[1]) is None


def test_what_models_do() -> None:
    """Thinking is bound and forcing refused on the newest; Haiku 4.5 has no programmatic calls; prefixes differ."""
    rows = {model: CATALOG.model(model) for model in CATALOG.known_models}
    binds = {model for model, row in rows.items() if row and row.binds_thinking}
    assert binds == {
        f"claude-{name}" for name in ("opus-5-5", "sonnet-5-5", "fable-5-1", "fable-5-2", "mythos-5-1", "mythos-5-2")
    }
    assert {model for model, row in rows.items() if row and not row.forced_tool_choice_ok} == binds
    assert {model for model, row in rows.items() if row and not row.ptc} == {
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
    }
    prefixes = {model: row.min_cache_prefix for model, row in rows.items() if row}
    assert (prefixes["claude-haiku-5-5"], prefixes["claude-sonnet-5"]) == (512, 1024)
    assert (prefixes["claude-opus-4-7"], prefixes["claude-opus-4-5"]) == (2048, 4096)


def test_the_inert_tool_can_reach_nothing() -> None:
    """Every source of URLs is closed, it may be used once, and it is the same bytes each time."""
    rendered = CATALOG.render("inert_web_fetch", "claude-sonnet-5-5")
    none = {"type": "none"}
    assert json.loads(rendered) == {
        "type": "web_fetch_20260318",
        "name": "web_fetch",
        "max_uses": 1,
        "url_sources": {"user_input": none, "client_tool_results": none, "server_tool_results": none},
    }
    assert rendered.startswith(b'{"type":"web_fetch_20260318","name":"web_fetch","max_uses":1,')
    assert CATALOG.render("inert_web_fetch", "claude-sonnet-5-5") is rendered


def test_a_model_without_programmatic_calls_is_told_direct() -> None:
    """Haiku 4.5 answers 400 to the default callers of a newer web tool."""
    assert json.loads(CATALOG.render("inert_web_fetch", "claude-haiku-4-5"))["allowed_callers"] == ["direct"]
    with pytest.raises(KeyError):
        CATALOG.render("nothing", "claude-haiku-4-5")


def test_priors_are_for_every_tool() -> None:
    """Each declared type has an assumed size, which ascends."""
    assert set(CATALOG.priors.tool_tokens) == {tool.type for tool in CATALOG.tools}
    assert all(prior.low <= prior.likely <= prior.high for prior in CATALOG.priors.tool_tokens.values())


def test_made_up_model_ids_are_not_remembered_without_end() -> None:
    """Ids come from clients; the memory of them is bounded."""
    for i in range(5_000):
        assert CATALOG.model(f"made-up-{i}") is None
    assert len(CATALOG._found) <= 1_024  # noqa: SLF001 - the bound is the point
