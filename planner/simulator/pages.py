"""The two ways in which lists are paged: by the id before or after, and by an opaque cursor."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from typing import TypeVar

from planner.simulator.canonical import Json
from planner.simulator.errors import invalid
from planner.simulator.http import Request

Item = TypeVar("Item")


def by_id(items: Sequence[Json], request: Request, *, default: int = 20, most: int = 100) -> Json:
    """A page with `has_more`, `first_id` and `last_id`, chosen by `after_id`, `before_id` and `limit`."""
    limit = request.limit(default, most)
    names = [item["id"] for item in items]
    after, before = request.first("after_id"), request.first("before_id")
    if after is not None:
        start = names.index(after) + 1 if after in names else len(items)
        page, more = items[start : start + limit], len(items) > start + limit
    elif before is not None:
        end = names.index(before) if before in names else 0
        page, more = items[max(end - limit, 0) : end], end > limit
    else:
        page, more = items[:limit], len(items) > limit
    ids = [item["id"] for item in page]
    return {
        "data": list(page),
        "has_more": more,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }


def by_cursor(items: Sequence[Item], request: Request, *, default: int = 20, most: int = 1000) -> Json:
    """A page with `next_page`, a cursor to be sent back as `page`.

    Raises:
        ApiError: 400 for a cursor that is not one.
    """
    limit = request.limit(default, most)
    start = _offset(request.first("page"))
    more = len(items) > start + limit
    following = "page_" + urlsafe_b64encode(str(start + limit).encode()).decode() if more else None
    return {"data": list(items[start : start + limit]), "has_more": more, "next_page": following}


def _offset(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        return int(urlsafe_b64decode(cursor.removeprefix("page_")))
    except (ValueError, Base64Error) as error:
        raise invalid("page: Invalid cursor") from error
