"""A browser that remembers all that a page must not do: errors, words on the console, addresses of other places."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--host-resolver-rules=MAP planner.test 127.0.0.1",
)
AXE: Final = Path(__file__).parents[1] / "dashboard" / "vendor" / "axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ASK: Final = "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']}).then(r => r.violations.map(v =>"
TOLD: Final = " v.id + ': ' + v.help + ' ' + v.nodes.map(n => n.target.join(' ')).join(', ')))"


class Watched:
    """A page and what it did that it must not do."""

    def __init__(self, context: "BrowserContext") -> None:
        self.page: Page = context.new_page()
        self.troubles: list[str] = []
        self.page.on("console", lambda said: self.troubles.append(f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"data", "blob"}:
            return
        if parts.hostname not in {"127.0.0.1", "planner.test"} or not parts.path.startswith("/planner"):
            self.troubles.append(f"asked for {request.url}")

    def visit(self, address: str) -> "Page":
        """Open a page and wait until its charts are drawn."""
        self.page.goto(address)
        self.page.wait_for_load_state("load")
        return self.page

    def violations(self) -> list[str]:
        """What axe finds in the page as it is."""
        self.page.evaluate(axe())
        found: list[str] = self.page.evaluate(ASK + TOLD, RULES)
        return found

    def width(self) -> int:
        """How wide its content is, in pixels."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth")
        return found


@cache
def axe() -> str:
    """The source of axe."""
    return AXE.read_text(encoding="utf-8")


@contextmanager
def browser(program: Path) -> Iterator["Browser"]:
    """A browser, for as long as the block lasts; no event loop may run in this thread meanwhile."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - who does not browse need not have it

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(FLAGS), handle_sigint=False)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def watched(browser: "Browser", **wanted: Any) -> Iterator[Watched]:
    """A page in a browser without a past."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | wanted))
    context.set_default_timeout(10_000)
    try:
        yield Watched(context)
    finally:
        context.close()
