"""A page in a browser, with everything noted that it should not do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Browser, Page

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
SERIOUS = ("serious", "critical")


@dataclass
class Watched:
    """An open page. `noise` is what it asked for beyond itself, said on the console, threw, or asked the reader."""

    page: Page
    file: Path
    noise: list[str] = field(default_factory=list)

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        wide: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wide

    def outside(self) -> list[str]:
        """Texts that stick out of their own section, table region or code block."""
        return self.page.evaluate(_OUTSIDE)

    def complaints(self) -> list[str]:
        """What axe-core finds that is serious: rule, and the first element that breaks it."""
        self.page.evaluate(_axe())
        found: dict[str, Any] = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        serious = [one for one in found["violations"] if one["impact"] in SERIOUS]
        return [f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary']}" for one in serious]

    def keep(self, name: str) -> None:
        """Save a screenshot of the whole page, as an artefact for people."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@contextmanager
def watched(browser: Browser, file: Path, width: int, scheme: str = "light") -> Iterator[Watched]:
    """`file` opened at a width, light or dark."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    seen = Watched(page, file)
    page.on("request", lambda request: _note(seen, request.url))
    page.on("console", lambda message: seen.noise.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: seen.noise.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (seen.noise.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("framenavigated", lambda frame: _note(seen, frame.url))
    page.goto(file.as_uri())
    try:
        yield seen
    finally:
        context.close()


def _note(seen: Watched, url: str) -> None:
    if url.partition("#")[0] not in (seen.file.as_uri(), "about:blank") and not url.startswith("data:image/"):
        seen.noise.append(f"request: {url}")


@cache
def _axe() -> str:
    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")


_OUTSIDE = """
() => [...document.querySelectorAll("section *, header *, .card *")].filter(element => {
    const holder = element.closest(".scroll, .card, section, header");
    if (!element.childNodes.length || element.closest("svg, .plot") || holder.matches(".scroll")) return false;
    return element.getBoundingClientRect().right > holder.getBoundingClientRect().right + 1;
}).map(element => element.outerHTML.slice(0, 120))
"""
