"""Which tools a request declares: those of its steps, one version a family, such as may stand beside each other."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from planner.core.rulebook.book import RuleBook

Web = Literal["declared", "inert", "upgraded"]
"""What becomes of a request's web tools: as declared, one more that can reach nothing, or newer versions of them."""

WEBS: Final[tuple[Web, ...]] = ("declared", "inert", "upgraded")
INERT: Final = "inert_web_fetch"
UPGRADE: Final = "upgrade"
"""By which a draw names the tokens that raising a basic web tool adds."""


class Definitions(msgspec.Struct, frozen=True):
    """Tools as they go out, sorted.

    Attributes:
        types: their versions.
        free: whether they make code free.
        sizes: what their tokens add up to, by the names that a draw has them under.
    """

    types: tuple[str, ...]
    free: bool
    sizes: tuple[str, ...]


def define(book: RuleBook, model: str, types: Iterable[str], web: Web) -> Definitions | None:
    """The tools of a request whose steps need these versions; None where such a request cannot be, or gains nothing."""
    declared = _newest(book, types)
    tools = dict(declared)
    if web != "declared":
        if "code_execution" not in declared or frees(book, model, declared.values()):
            return None  # there is nothing to make free, or nothing left
        tools |= _freeing(book, model, declared, web)
        if tools == declared:
            return None
    needed = (book.catalog.code_needed_beside(type_) for type_ in tools.values())
    if "code_execution" in tools:
        least = max((each for each in needed if each is not None), default=None)
        code = book.catalog.nearest(model, tools["code_execution"], least)
        if code is None:
            return None
        tools["code_execution"] = code
    sizes: list[str] = []
    for family, type_ in tools.items():
        raised = web == "upgraded" and family != "code_execution" and type_ != declared[family]
        sizes += (declared[family], UPGRADE) if raised else (type_,)
    return Definitions(tuple(sorted(tools.values())), frees(book, model, tools.values()), tuple(sizes))


def frees(book: RuleBook, model: str, types: Iterable[str]) -> bool:
    """Whether the presence of these tools makes code free; without programmatic callers only where settings say so."""
    row = book.catalog.model(model)
    counts = (row is not None and row.ptc) or book.settings.code.direct_web_tool_frees
    return counts and any(book.catalog.frees_code(type_) for type_ in types)


def _newest(book: RuleBook, types: Iterable[str]) -> dict[str, str]:
    """The newest version that is asked for of each family."""
    newest: dict[str, str] = {}
    for type_ in sorted(set(types)):
        tool = book.catalog.tool(type_)
        newest[type_ if tool is None else tool.family] = type_
    return newest


def _freeing(book: RuleBook, model: str, declared: Mapping[str, str], web: Web) -> dict[str, str]:
    """The web tools that would make code free; none where the model does not take them, or the name is taken."""
    if web == "inert":
        template = book.catalog.template(INERT)
        takes = template is not None and book.catalog.takes(model, template.type)
        return {"web_fetch": template.type} if template is not None and takes and "web_fetch" not in declared else {}
    raised = {
        family: book.catalog.upgrade_of(model, type_)
        for family, type_ in declared.items()
        if family != "code_execution"
    }
    return {family: type_ for family, type_ in raised.items() if type_ is not None}
