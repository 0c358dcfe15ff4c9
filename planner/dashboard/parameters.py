"""What an address may ask for: each parameter once, by which it is read, and described as part of our own API.

A page names those that it takes, and reads no other: `View` gives it none that is not in its table, so that what is
described and what is understood cannot drift.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from planner.core.reasons import Action
from planner.core.reports.dimensions import OF_DECISIONS, OF_REQUESTS, ONE_TAG, TIMES

Json = dict[str, Any]

DAY: Final = r"^2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
LENGTH_OF_PERIOD: Final = r"^(this-month|last-month|today|7d|30d|90d|2[0-9]{3}-(0[1-9]|1[0-2]))$"
MOMENT: Final = r"^2[0-9]{3}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}.*)?(,.*)?$"
STATUS: Final = r"^[1-9]([0-9]{2}|xx)$"
DOLLARS: Final = r"^\$?[0-9]{1,9}(\.[0-9]{1,9})?$"
DIGESTS: Final = ("conversation", "container", "prefix")


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter, or all whose names begin alike.

    Attributes:
        name: as it stands in an address; of those that begin alike, what the object of them is called.
        text: what it asks for, as Markdown.
        schema: of its value, as JSON Schema; an array where it may be given more than once.
        key: its name among all that there are, where pages mean different things by one name.
        front: what the names begin with; empty for one of its own name.
    """

    name: str
    text: str
    schema: Json = msgspec.field(default_factory=lambda: {"type": "string"})
    key: str = ""
    front: str = ""

    def bears(self, name: str) -> bool:
        """Whether a name in an address is this one's."""
        return name.startswith(self.front) and name != self.front if self.front else name == self.name

    @property
    def described(self) -> Json:
        """As OpenAPI has it; those that begin alike are the properties of an object, each written out."""
        return {"name": self.name, "in": "query", "description": self.text, "schema": self.schema}


def _any_of(name: str, text: str, key: str = "", **items: Any) -> Parameter:  # noqa: ANN401 - JSON
    """One that may be given more than once, and then asks for any of its values."""
    return Parameter(name=name, text=text, key=key, schema={"type": "array", "items": {"type": "string"} | items})


def _one(name: str, text: str, key: str = "", **more: Any) -> Parameter:  # noqa: ANN401 - JSON
    return Parameter(name=name, text=text, key=key, schema={"type": "string"} | more)


PERIOD: Final = (
    _one("period", "Days or a month; this month where none is named.", pattern=LENGTH_OF_PERIOD),
    _one("from", "Instead of a period: the first day.", pattern=DAY),
    _one("to", "Instead of a period: the last day.", pattern=DAY),
)
TAGS: Final = Parameter(
    name="tags",
    text="Only what has this tag: `tags.feature=search`, a parameter for each tag.",
    schema={
        "type": "object",
        "propertyNames": {"pattern": r"^tags\.[a-z][a-z0-9_-]*$"},
        "additionalProperties": {"type": "string"},
    },
    front=ONE_TAG,
)
WHERE: Final = (
    *(
        _any_of(name, "Only what has one of these values; empty is what has none.")
        for name in (*OF_REQUESTS, *OF_DECISIONS)
    ),
    TAGS,
)
"""The filters of sums: dimensions of a report."""

BY: Final = _one("by", "What the cost is told by: a dimension of a report, `kind`, or `conversation` of one day.")
COMPARE: Final = _one("compare", "`previous`: beside the period before.", enum=["previous"])
OF_KIND: Final = _any_of("kind", "Only what lines of these kinds cost.")
ACTION: Final = _one(
    "action",
    "What was decided of: bundles where none is named.",
    "action-of-page",
    enum=[str(each) for each in Action],
)
CONTAINERS_BY: Final = _one("by", "What containers are told by: a dimension of requests.", "by-of-containers")
STATEMENT: Final = _one("statement", "MONTH/ORGANIZATION; the newest month where none is named.")
DAY_OF_BILL: Final = _one("day", "The day whose rows are shown.", "day-of-bill", pattern=DAY)
ID: Final = _one("id", "The id in the answer's field `planner-request-id`.")

FINDS: Final = (
    *(
        _any_of(name, "Only requests with one of these values; `(none)` is what has none.", f"{name}-of-requests")
        for name in (*(name for name in OF_REQUESTS if name not in TIMES), *OF_DECISIONS, *DIGESTS)
    ),
    _any_of("status", "Only requests with one of these, such as `429` or `4xx`.", pattern=STATUS),
    _any_of("day", "Only requests that arrived on one of these days.", "day-of-requests", pattern=DAY),
    TAGS,
)
"""The filters of single requests."""

MIN_COST: Final = _one("min_cost", "Only requests that cost so many dollars at least.", pattern=DOLLARS)
BEFORE: Final = _one("before", "Only what arrived before a moment, or before an entry: `AT,ID`.", pattern=MOMENT)
LIVE: Final = _one("live", "`off` stands still; data never moves by itself.", enum=["off"])

NEXT: Final = _one("next", "Where to go on after signing in.")
WRONG: Final = _one("wrong", "Whether the token of before was a wrong one.")


def bearer(takes: Iterable[Parameter], name: str) -> Parameter | None:
    """The parameter whose name this is."""
    return next((each for each in takes if each.bears(name)), None)


def components(pages: Iterable[Iterable[Parameter]]) -> dict[str, Parameter]:
    """All parameters by their keys. Raises ValueError where two that differ share one."""
    found: dict[str, Parameter] = {}
    for takes in pages:
        for each in takes:
            if found.setdefault(key_of(each), each) is not each:
                raise ValueError(f"two parameters have the key {key_of(each)!r}")
    return found


def key_of(parameter: Parameter) -> str:
    """Its name among all that there are."""
    return parameter.key or parameter.name
