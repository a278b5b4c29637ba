"""The pages in a real browser, on a phone, a tablet and a desk, light and dark: readable, quiet, accessible."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.aggregates.report.page import render as render_lines
from plumbline.reconcile.lateness.curve import Epoch, Lateness
from plumbline.reconcile.report import checks, notebook
from plumbline.reconcile.report.context import Facts, Replay
from plumbline.reconcile.report.notebook_card import Grid, card
from plumbline.reconcile.report.page import render
from tests.reconcile.report.test_report_checks import check
from tests.reconcile.report.test_report_escaping import hostile_page
from tests.support.examples_of_runs import DAY, document, finding, of_aggregate
from tests.support.hostile import LINES, SCRIPTS, UNICODE
from tests.support.watched import watched
from tests.support.world import World

DAYS = {"from": "2024-03-01T00:00:00Z", "to": None}
WIDTHS = (390, 820, 1440)
START_MS = round(DAY.timestamp() * 1000)
EVERY = {
    "late_left": {"missing": 4},
    "late_right": {"mismatch": 5},
    "arrived_after_batch": {"extra": 3},
    "double_commit": {"duplicate": 2},
    "unexplained": {"missing": 1},
    "pending": {"missing": 1},
}


def lateness(source: str) -> Lateness:
    epochs = tuple(Epoch(START_MS + i * 3_600_000, 40, i % 3, -90 - i, 20 * (i % 3)) for i in range(48))
    return Lateness(source, 600_000, 1920, ((-5, 3), (2, 6), (90, 2)), epochs)


def drifted() -> str:
    """Everything that a page can show at once."""
    day = TimeRange(DAY, DAY.replace(day=2))
    before = document(40, EVERY, schema=[{"column": "v", "finding": "type", "left": "int", "right": "long"}])
    before["alerts"] = [{"name": "unexplained", "limit": "> 0", "count": 40, "of": 4000}]
    after = document(1, {}, run_id="ffee", range=day.as_json(), replayed=100)
    told = [finding(f"show-{i}", cause, (i + 1) * 3_600_000) for i, cause in enumerate(EVERY)]
    facts = Facts(
        World.at(Path("unused")).contract,
        "plays.yaml",
        lateness=(lateness("shows"), lateness("plays")),
        replays=(Replay("20240301-1d-aa", day, "iceberg", 100, 99),),
        checks=(check(why="expectations.not_null"), check("batch", 99)),
    )
    return render([before, after], told, facts)


def booked() -> str:
    """A notebook's page with a card, a table of numbers, a text, and words."""
    from nbformat import v4

    shown = card("plays: drift", [Grid("The books", ("entry", "rows"), [("batch", 3)])], ["plumbline replay plan x"])
    outputs = [v4.new_output("display_data", data={"text/html": shown}), v4.new_output("stream", text="3 rows\n")]
    cells = [v4.new_markdown_cell("# Why?\n\nOne `word`."), v4.new_code_cell("show()", outputs=outputs)]
    return notebook.to_html(v4.new_notebook(cells=cells), "why")


def expected() -> str:
    """A page of expectations of which one does not hold."""
    told = check(why="declared as string")
    tables = {told["subject"]: told}
    return checks.render({"contract": "plays", "range": DAYS, "tables": tables, "success": False})


PAGES = {
    "expectations": expected,
    "drift": drifted,
    "lines": lambda: render_lines(of_aggregate(), Facts(contract_path="takes.yaml")),  # type: ignore[arg-type]
    "clean": lambda: render([document(causes={})], []),
    "incomplete": lambda: render([document(verdict="incomplete", balanced=False)], []),
    "notebook": booked,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {name: folder / f"{name}.html" for name in PAGES}
    for name, path in made.items():
        path.write_text(PAGES[name]())
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_fits_and_is_accessible(
    name: str, width: int, scheme: str, browser: Browser, files: dict[str, Path]
) -> None:
    with watched(browser, files[name], width, scheme) as seen:
        seen.keep(f"{name}-{width}-{scheme}")
        assert seen.overflow() <= 0
        assert seen.outside() == []
        assert width == 820 or seen.complaints() == []
        assert seen.noise == []


def test_the_first_screen_of_a_desk_holds_all_four_answers_and_the_command(
    browser: Browser, files: dict[str, Path]
) -> None:
    with watched(browser, files["drift"], 1440) as seen:
        for text in ("Is the stream true?", "How much differs?", "Why?", "What to do?"):
            assert seen.page.get_by_text(text, exact=True).bounding_box()["y"] < 600  # type: ignore[index]
        command = seen.page.locator(".answers pre").first.bounding_box()
        assert command is not None
        assert command["y"] + command["height"] < 900


def test_a_click_selects_a_whole_command(browser: Browser, files: dict[str, Path]) -> None:
    with watched(browser, files["drift"], 390) as seen:
        seen.page.locator("#repair pre code").nth(1).click()
        chosen = seen.page.evaluate("String(getSelection())")
        assert chosen.split()[:3] == ["plumbline", "replay", "plan"]
        assert chosen.split()[-1] == "2024-03-03T00:00:00Z"
        assert "\n" not in chosen.strip()


def test_stories_open_by_keyboard(browser: Browser, files: dict[str, Path]) -> None:
    with watched(browser, files["drift"], 820) as seen:
        second = seen.page.locator("details:not(.all)").nth(1)
        assert second.get_attribute("open") is None
        second.locator("summary").focus()
        seen.page.keyboard.press("Enter")
        assert second.get_attribute("open") is not None
        outline = second.locator("summary").evaluate("element => getComputedStyle(element).outlineStyle")
        assert outline == "solid"


def test_print_is_dark_on_white_and_a_few_pages(browser: Browser, files: dict[str, Path]) -> None:
    with watched(browser, files["drift"], 1440, "dark") as seen:
        seen.page.emulate_media(media="print", color_scheme="dark")
        assert seen.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        pages = seen.page.pdf(format="A4").count(b"/Type /Page\n")
        assert 1 <= pages <= 6


@pytest.fixture(scope="module")
def mild(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many elements the page has with plain words in the places of the hostile ones."""
    path = tmp_path_factory.mktemp("mild") / "page.html"
    path.write_text(hostile_page("plain"))
    with watched(browser, path, 390) as seen:
        return int(seen.page.evaluate(_SHAPE))


ACTIVE = SCRIPTS | UNICODE | LINES
"""What a browser might act on; the others are told apart without one, in tests/reconcile/report."""

_SHAPE = "document.querySelectorAll('body *:not(pre *)').length"


@pytest.mark.parametrize("text", ACTIVE.values(), ids=ACTIVE)
def test_hostile_values_run_nothing_and_break_nothing(text: str, mild: int, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(hostile_page(text))
    with watched(browser, path, 390) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert seen.page.evaluate(_SHAPE) == mild
        assert seen.overflow() <= 0
        assert seen.noise == []
