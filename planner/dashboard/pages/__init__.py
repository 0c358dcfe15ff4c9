"""The pages, in the order of the navigation: each is one module here and one template of its name."""

from typing import Final

from planner.dashboard.pages import cost, overview
from planner.dashboard.room import Page

PAGES: Final[tuple[Page, ...]] = (overview.PAGE, cost.PAGE)

BY_NAME: Final = {page.name: page for page in PAGES}
