"""The dashboard as people meet it: in Chromium, at every width, light and dark, by mouse and keyboard, read aloud."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.dashboard.pages import PAGES
from tests.conftest import Require
from tests.dashboard.pages.test_bill import statement
from tests.doubles.browsing import AXE, Watched, browser, watched
from tests.doubles.months import book_of, made
from tests.doubles.paged import NOW
from tests.doubles.site import Site, standing_site

PHONE, SCREEN, WALL = 390, 1280, 1920
TOKEN = "s3cret"
STOP = "(it => [it.outerHTML.slice(0, 80), getComputedStyle(it).outlineStyle])(document.activeElement)"


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Iterator[Any]:
    """One browser for all of them."""
    require: Require = request.getfixturevalue("require")
    with browser(require("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def site(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A planner on the 21st of October."""
    assert chromium
    entries = (entry for entry in made().entries if entry.at < NOW.isoformat())
    folder = tmp_path_factory.mktemp("site")
    with standing_site(folder, entries, NOW, book_of(), statements=(statement(),), token=TOKEN) as standing:
        yield standing


def visit(chromium: Any, **wanted: Any) -> Any:
    """A page that is watched."""
    return watched(chromium, **wanted)


def whole(watch: Watched, width: int) -> None:
    """Nothing went wrong, nothing sticks out, and nobody is shut out."""
    assert watch.troubles == []
    assert watch.width() <= width
    assert watch.violations() == []


@pytest.mark.parametrize(("width", "scheme"), [(SCREEN, "light"), (SCREEN, "dark"), (PHONE, "light"), (WALL, "dark")])
def test_every_page_is_whole(chromium: Any, site: Site, width: int, scheme: str) -> None:
    """Each keeps the content policy, fits its window, and has no violation that axe knows."""
    with visit(chromium, viewport={"width": width, "height": 900}, color_scheme=scheme) as watch:
        for each in PAGES:
            page = watch.visit(site.url(each.name))
            assert page.locator("main h1").count() == 1
            assert page.locator("nav [aria-current=page]").inner_text() == each.title
            whole(watch, width)


@pytest.mark.parametrize("path", ["nowhere", "cost?period=never", "cost?from=2020-01-01&to=2020-01-02", "login"])
def test_what_is_not_there_is_a_page_too(chromium: Any, site: Site, path: str) -> None:
    """With the same care; only the browser's own word on a status of an error is allowed."""
    with visit(chromium) as watch:
        watch.visit(site.url(path))
        watch.troubles = [each for each in watch.troubles if "Failed to load resource" not in each]
        whole(watch, SCREEN)


def test_charts_are_drawn_of_their_tables(chromium: Any, site: Site) -> None:
    """What a chart holds is what the table below it says; the table opens by its button and has its CSV."""
    with visit(chromium) as watch:
        page = watch.visit(site.url("cost"))
        drawn = page.evaluate(
            "Chart.getChart(document.querySelector('#chart-by-day canvas')).data.datasets.map(d => d.data)"
        )
        rows = page.locator("#data-by-day tbody tr")
        assert len(drawn[0]) == rows.count() == 21
        first = rows.first.locator("td").evaluate_all("cells => cells.map(cell => Number(cell.dataset.v))")
        assert [series[0] for series in drawn] == first
        table = page.locator("#data-by-day")
        assert not table.is_visible()
        button = page.locator("#chart-by-day [data-table-button]")
        button.click()
        assert table.is_visible()
        assert button.get_attribute("aria-expanded") == "true"
        assert watch.violations() == []
        with page.expect_download() as download:
            page.locator("#chart-by-day a[download]").click()
        lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
        assert len(lines) == 22
        assert download.value.suggested_filename == "planner-cost-by-day.csv"
        assert watch.troubles == []


def test_the_way_down_and_back(chromium: Any, site: Site) -> None:
    """From the month to a team, its model and its days; every step is an address, and filters go one by one."""
    with visit(chromium) as watch:
        page = watch.visit(site.url())
        page.locator("#panel-teams tbody a").first.click()
        team = page.locator(".chip strong").inner_text()
        assert page.locator("h1").inner_text() == "Cost, October 2026"
        page.locator("#panel-rows tbody a").first.click()
        assert page.locator(".chip").count() == 2
        assert page.locator(".by [aria-current]").inner_text() == "Day"
        page.go_back()
        assert page.locator(".by [aria-current]").inner_text() == "Model"
        page.locator(".chip").click()
        assert page.locator(".chip").count() == 0
        page.locator("input[name=compare]").check()
        page.select_option("#period", "7d")
        page.get_by_role("button", name="Show").click()
        assert "compare=previous" in page.url
        assert "period=7d" in page.url
        assert "before" in page.locator(".lede").inner_text()
        assert team
        assert watch.troubles == []


def test_colours_are_kept(chromium: Any, site: Site) -> None:
    """Chosen once, they hold on the next page, before it is painted; charts take part."""
    background = "getComputedStyle(document.body).backgroundColor"
    with visit(chromium, color_scheme="light") as watch:
        page = watch.visit(site.url("cost"))
        light = page.evaluate(background)
        button = page.locator("[data-theme-button]")
        button.click()
        button.click()
        assert button.get_attribute("aria-label") == "Colours: dark"
        dark = page.evaluate(background)
        assert dark != light
        watch.visit(site.url("bill"))
        assert page.evaluate(background) == dark
        page.locator("[data-theme-button]").click()
        assert page.evaluate(background) == light
        assert watch.troubles == []


def test_it_stays_fresh_without_flicker(chromium: Any, site: Site) -> None:
    """What is new appears in place: the same canvas, the focus where it was, the open table open, and no error."""
    newest = max(
        (entry for entry in made().entries if entry.at < NOW.isoformat() and entry.cost_nano), key=lambda e: e.at
    )
    with visit(chromium) as watch:
        page = watch.visit(site.url("cost"))
        page.evaluate("window.first = document.querySelector('#chart-by-day canvas')")
        page.locator("#chart-by-day [data-table-button]").click()
        page.locator("#panel-rows tbody a").first.focus()
        focused = page.evaluate("document.activeElement.getAttribute('href')")
        total = page.locator("#panel-rows tfoot .num").first
        before = total.inner_text()
        site.add(msgspec.structs.replace(newest, request_id="f" * 24, lines=(), cost_nano=10**12), _dear(newest))
        site.later(seconds=1)
        page.evaluate("plannerLook()")
        assert total.inner_text() != before
        assert page.evaluate("document.querySelector('#chart-by-day canvas') === window.first")
        assert page.evaluate("document.activeElement.getAttribute('href')") == focused
        assert page.locator("#data-by-day").is_visible()
        assert watch.troubles == []


def _dear(entry: Any) -> Any:
    """A request like another, a thousand times as dear."""
    lines = tuple(msgspec.structs.replace(line, nano=line.nano * 1000, list_nano=None) for line in entry.lines)
    return msgspec.structs.replace(entry, request_id="e" * 24, lines=lines, cost_nano=sum(line.nano for line in lines))


def test_requests_come_in_as_they_end(chromium: Any, site: Site) -> None:
    """A new one stands on top without a new page; where the list was scrolled to, it stays; older pages stand still."""
    newest = max((entry for entry in made().entries if entry.at < NOW.isoformat()), key=lambda entry: entry.at)
    with visit(chromium, viewport={"width": PHONE, "height": 844}) as watch:
        page = watch.visit(site.url("requests"))
        page.evaluate("window.same = true")
        page.evaluate("document.querySelector('#list .scroll').scrollTo(120, 200)")
        site.add(msgspec.structs.replace(newest, request_id="d" * 24, at=NOW.isoformat(timespec="microseconds")))
        page.evaluate("plannerLook()")
        assert (page.locator("#list tbody a").first.get_attribute("href") or "").endswith("d" * 24)
        assert page.evaluate("window.same")
        assert page.evaluate("document.querySelector('#list .scroll').scrollLeft") == 120
        assert page.evaluate("document.querySelector('#list .scroll').scrollTop") == 200
        page.get_by_role("link", name="Older").click()
        assert page.evaluate("document.querySelector('main').dataset.refresh") is None
        assert watch.troubles == []


def test_from_a_filter_to_one_request_and_back(chromium: Any, site: Site) -> None:
    """Empty fields are not in the address; a request is whole for axe, and the way back has the filters."""
    with visit(chromium) as watch:
        page = watch.visit(site.url("requests"))
        page.get_by_label("Team").fill("data")
        page.select_option("#outcome", "ok")
        page.get_by_role("button", name="Show").click()
        assert page.url.endswith("/planner/requests?team=data&outcome=ok")
        assert {each.strip() for each in page.locator("#list tbody td:nth-child(6)").all_inner_texts()} == {"data"}
        page.locator("#list tbody a").first.click()
        assert page.locator("h1").inner_text().startswith("Request of 2026-10-")
        assert page.locator("nav [aria-current=page]").inner_text() == "Requests"
        whole(watch, SCREEN)
        page.get_by_role("link", name="All requests").click()
        assert page.url.endswith("/planner/requests?team=data&outcome=ok")


def test_a_planner_that_does_not_answer_is_told(chromium: Any, site: Site) -> None:
    """The page stays as it is, says since when, and goes on when it can."""
    with visit(chromium) as watch:
        page = watch.visit(site.url())
        page.route("**/planner/**", lambda route: route.abort())
        page.evaluate("plannerLook()")
        banner = page.locator("#stale")
        assert banner.is_visible()
        assert banner.inner_text().startswith("Not refreshed since ")
        assert page.locator("h1").is_visible()
        page.unroute_all()
        page.evaluate("plannerLook()")
        assert not banner.is_visible()
        assert [each for each in watch.troubles if "ERR_FAILED" not in each] == []


def test_a_page_that_cannot_be_made_is_told_in_its_words(chromium: Any, site: Site) -> None:
    """A planner that answers is not said to be silent: what it says stands above the page as it was."""
    with visit(chromium) as watch:
        page = watch.visit(site.url())
        gone = "<html><body><h1>The ledger cannot be read</h1></body></html>"
        page.route("**/planner/**", lambda route: route.fulfill(status=503, content_type="text/html", body=gone))
        page.evaluate("plannerLook()")
        assert "the planner says: The ledger cannot be read. It is tried again." in page.locator("#stale").inner_text()
        assert page.locator("#cards").is_visible()
        assert [each for each in watch.troubles if "503" not in each] == []


def test_forms_say_what_the_address_says(chromium: Any, site: Site) -> None:
    """After going back, too; and a day alone is not lost where the form is sent again."""
    with visit(chromium) as watch:
        page = watch.visit(site.url("cost"))
        page.select_option("#period", "7d")
        page.get_by_role("button", name="Show").click()
        page.go_back()
        assert page.locator("h1").inner_text() == "Cost, October 2026"
        assert page.locator("#period").input_value() == "this-month"
        page = watch.visit(site.url("requests?before=2026-10-02"))
        page.get_by_role("button", name="Show").click()
        assert "before=2026-10-02" in page.url
        assert page.locator("#list tbody th").first.inner_text().startswith("2026-10-01")
        assert watch.troubles == []


def test_nothing_hides_where_there_is_room(chromium: Any, site: Site) -> None:
    """The list fits a screen, and on a phone what a request was stands beside its name."""
    beyond = "box => box.scrollWidth - box.clientWidth"
    with visit(chromium) as watch:
        page = watch.visit(site.url("requests"))
        assert page.locator("#list .scroll").evaluate(beyond) <= 0
        target = page.locator("#list tbody tr", has_text="claude").first.locator("a").get_attribute("href") or ""
    with visit(chromium, viewport={"width": PHONE, "height": 844}) as watch:
        page = watch.visit(site.url(target.removeprefix("/planner/")))
        for name in ("arrival", "asked", "sent", "usage"):
            assert page.locator(f"#panel-{name} .scroll").evaluate(beyond) <= 0, name
        whole(watch, PHONE)


def test_it_works_without_scripts(chromium: Any, site: Site) -> None:
    """Every figure is in a table, forms and links work, and nothing is offered that would do nothing."""
    with visit(chromium, java_script_enabled=False) as watch:
        page = watch.visit(site.url("cost"))
        assert page.locator("#data-by-day table").is_visible()
        assert not page.locator("canvas").first.is_visible()
        assert page.locator("[data-scripted]:visible").count() == 0
        page.select_option("#period", "7d")
        page.get_by_role("button", name="Show").click()
        assert page.locator("#data-by-day tbody tr").count() == 7


def test_by_keyboard(chromium: Any, site: Site) -> None:
    """The first stop leaps over the navigation; every stop can be seen."""
    with visit(chromium) as watch:
        page = watch.visit(site.url("cost"))
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        stops = []
        for _ in range(12):
            page.keyboard.press("Tab")
            stops.append(page.evaluate(STOP))
        assert [stop for stop, outline in stops if outline != "solid"] == []


def test_signing_in(chromium: Any, site: Site) -> None:
    """From another name than this machine's: to the form, past a wrong token, to where one wanted, and out again."""
    away = site.url("cost?by=model").replace("127.0.0.1", "planner.test")
    with visit(chromium) as watch:
        page = watch.visit(away)
        assert page.locator("h1").inner_text() == "Sign in"
        whole(watch, SCREEN)
        page.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("That is not the token").wait_for()
        assert watch.violations() == []
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_url(away)
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Token").wait_for()
        assert page.locator("h1").inner_text() == "Sign in"
        watch.visit(away)
        assert page.locator("h1").inner_text() == "Sign in"
        assert watch.troubles == []


def test_axe_is_as_it_was_published() -> None:
    """Byte for byte, with its licence."""
    for name, told in msgspec.json.decode((AXE.parent / "manifest.json").read_bytes()).items():
        assert sha256((AXE.parent / name).read_bytes()).hexdigest() == told["sha256"]
        assert (AXE.parent / told["license_file"]).is_file()
