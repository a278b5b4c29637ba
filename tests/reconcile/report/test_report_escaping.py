"""Whatever the data says, the page stays a page: no script, no handler, no address outside the file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from plumbline.contract.ranges import TimeRange
from plumbline.contract.safe_text import shown
from plumbline.reconcile.lateness.curve import Lateness
from plumbline.reconcile.report.context import Facts, Replay
from plumbline.reconcile.report.page import render
from tests.support.examples_of_runs import DAY, document, finding
from tests.support.hostile import HOSTILE
from tests.support.reading_html import Page
from tests.support.world import World

KNOWN = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "div", "span", "p",
    "h1", "h2", "h3", "dl", "dt", "dd", "ul", "ol", "li", "table", "caption", "thead", "tbody", "tr", "th", "td",
    "figure", "svg", "rect", "line", "path", "details", "summary", "code", "pre", "a",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "http-equiv", "content", "charset", "name", "class", "style", "scope", "open", "role", "aria-label",
    "aria-hidden", "viewbox", "preserveaspectratio", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "d", "fill",
    "stroke", "stroke-width", "stroke-linejoin", "id", "href", "tabindex",
}  # fmt: skip
FIXED = {"verdict", "from", "to", "window", "closed_until", "class", "cause"}


def spoiled(value: Any, text: str, name: str = "") -> Any:
    """`value` with `text` in place of every string in it that data may decide."""
    if isinstance(value, dict):
        return {key: spoiled(part, text, key) for key, part in value.items()}
    if isinstance(value, list):
        return [spoiled(part, text, name) for part in value]
    return text if isinstance(value, str) and name not in FIXED else value


def hostile_page(text: str) -> str:
    """A page with `text` in each value and each name that comes from data or contract."""
    run = spoiled(document(), text)
    run["snapshots"] = {text: 1}
    run["columns"] = {text: 3}
    run["schema"] = [dict.fromkeys(("column", "finding", "left", "right"), text)]
    run["alerts"] = [{"name": text, "limit": text, "count": 3, "of": 300}]
    run["against"] = {"table": text, "rows": 300, "unlike_live": 9, "faults": {text: 9}}
    for page in run["ledger"]:
        page["causes"] = {text: {"missing": 2}, "late_right": {"mismatch": 1}}
    run["causes"] = {text: 6, "late_right": 3}
    told = [
        finding(text, cause, evidence=json.dumps({"left_topic": text, "left_event_time": text, text: text}))
        for cause in ("late_left", "late_right", "unexplained", text)
    ]
    told += [finding(text, columns=[text], left_row=json.dumps({text: text}), right_row=json.dumps(text))]
    told += [finding() | {"class": text, "key": text}, finding() | {"key": json.dumps({"a": text, text: None})}]
    replay = Replay(text, TimeRange(DAY, DAY.replace(day=2)), text, 5, 77)
    lateness = (Lateness(text, 600_000, 9, ((-3, 5), (4, 4))),)
    facts = Facts(World.at(Path("unused")).contract, text, text, lateness, (replay,))
    return render([run, run], told, facts)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_comes_out_as_text(text: str) -> None:
    html = hostile_page(text)
    page = Page(html)
    assert {name for name, _ in page.elements} <= KNOWN
    assert {name for _, attributes in page.elements for name in attributes} <= ATTRIBUTES
    assert {attributes["href"] for name, attributes in page.elements if name == "a"} <= {"#repair"}
    if text.strip():
        assert page.text.count(" ".join(shown(text).split())) >= 30
    assert "".join(shown(line) for line in html.split("\n")) == html.replace("\n", "")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_never_reaches_a_style(text: str) -> None:
    page, clean = Page(hostile_page(text)), Page(hostile_page("plain"))
    for name in ("style", "class"):
        assert _values(page, name) == _values(clean, name)


def test_the_policy_comes_first_and_forbids_everything_else() -> None:
    page = Page(hostile_page("plain"))
    assert page.elements[1][0] == "head"
    assert page.elements[2] == (
        "meta",
        {
            "http-equiv": "Content-Security-Policy",
            "content": "default-src 'none'; img-src data:; style-src 'unsafe-inline'",
        },
    )


def test_nothing_is_fetched() -> None:
    html = render([document()], [finding()])
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html


def test_secrets_of_the_contract_stay_out() -> None:
    contract = World.at(Path("unused")).contract
    kafka = {"sasl.password": "hunter2secret"}
    html = render([document()], [finding()], Facts(contract.model_copy(update={"kafka": kafka, "catalog": kafka})))
    assert "hunter2secret" not in html


def _values(page: Page, name: str) -> Counter[str | None]:
    return Counter(attributes[name] for _, attributes in page.elements if name in attributes)
