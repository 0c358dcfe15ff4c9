"""The pages, in the order of the navigation: each is one module here and one template of its name."""

from typing import Final

from planner.dashboard.pages import bill, containers, cost, decisions, overview, request, requests, rules
from planner.dashboard.room import Page

PAGES: Final[tuple[Page, ...]] = (
    overview.PAGE,
    cost.PAGE,
    decisions.PAGE,
    containers.PAGE,
    requests.PAGE,
    rules.PAGE,
    bill.PAGE,
)

BY_NAME: Final = {page.name: page for page in (*PAGES, request.PAGE)}
"""All pages by their names: one request has a page of its own, below the list."""
