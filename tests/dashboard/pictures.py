"""`python -m tests.dashboard.pictures` writes the README's pictures: the dashboard over a made-up month, on its 21st.

The same seed makes the same month; a picture depends on browser and fonts too, so it is looked at and not compared.
"""

import tempfile
from pathlib import Path
from typing import Final

from tests.doubles.browsing import browser, watched
from tests.doubles.months import book_of, made
from tests.doubles.paged import NOW
from tests.doubles.site import standing_site
from tests.parts import PARTS

FOLDER: Final = Path(__file__).parents[2] / "docs" / "images"
ENTRIES: Final = 20_000
PAGES: Final = {
    "overview": ("", 1120),
    "cost": ("cost", 1000),
    "decisions": ("decisions", 900),
    "containers": ("containers", 1130),
    "requests": ("requests?team=data", 860),
}
"""The path of each page below the dashboard's, and the height of its picture, at which it cuts through no line."""
SCHEMES: Final = ("light", "dark")


def name(page: str, scheme: str) -> str:
    """The file of a picture."""
    return f"dashboard-{page}-{scheme}.png"


def main() -> None:
    """Make the month, open the pages, keep what is seen."""
    program = PARTS["chromium"].find()
    if program is None:
        raise SystemExit(f"chromium is not there. Get it: {PARTS['chromium'].get}")
    entries = [entry for entry in made(ENTRIES).entries if entry.at < NOW.isoformat()]
    with (
        tempfile.TemporaryDirectory() as folder,
        browser(program) as started,
        standing_site(Path(folder), entries, NOW, book_of(ENTRIES)) as site,
    ):
        for scheme in SCHEMES:
            for page, (path, height) in PAGES.items():
                with watched(started, viewport={"width": 1280, "height": height}, color_scheme=scheme) as watch:
                    watch.visit(site.url(path)).screenshot(path=FOLDER / name(page, scheme))


if __name__ == "__main__":
    main()
