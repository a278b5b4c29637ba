"""How results look in a notebook: what they say, and that hostile values stay text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

import plumbline
from plumbline.reconcile.explain.story import Moment, Story
from plumbline.reconcile.judge.books import Books
from plumbline.reconcile.judge.books import Page as Ledger
from plumbline.reconcile.report.notebook_card import Grid, card
from plumbline.reconcile.run import Run
from plumbline.replay.plan import Plan
from tests.reconcile.report.test_report_escaping import spoiled
from tests.support.examples_of_runs import document
from tests.support.hostile import HOSTILE
from tests.support.reading_html import Page

AT = datetime(2024, 3, 1, tzinfo=UTC)
KNOWN = {"div", "style", "p", "table", "caption", "thead", "tbody", "tr", "th", "td", "pre"}


def run_of(document: dict[str, Any]) -> Run:
    return Run(document, Books((), Ledger()))


def story_of(text: str) -> Story:
    finding = {"class": "missing", "cause": "late_left", "sentence": text}
    return Story("plays", {text: text}, "drift", [finding], (), (Moment(AT, "dropped", text), Moment(None, text, text)))


def diff_of(text: str) -> Any:
    name = text or "no name"
    left, right = pa.table({name: [1, 2], "v": [text, "b"]}), pa.table({name: [1, 2], "v": ["a", "b"]})
    return plumbline.diff(left, right, [name])


def test_a_run_says_verdict_and_books() -> None:
    page = Page(run_of(document())._repr_html_())
    assert "plays, 1–3 Mar 2024: drift" in page.text
    assert page.table("Four answers")["Is the stream true?"] == ["No", "9 differences among 300 batch rows (3 %)."]
    assert page.table("The books")["late_left not in the stream"] == ["−6"]
    assert page.elements[0] == ("div", {"class": "plumbline fragment card drift"})


def test_a_story_says_what_happened_in_order() -> None:
    page = Page(story_of("read late")._repr_html_())
    assert page.table("In order of time")["2024-03-01 00:00 UTC"] == ["dropped", "read late"]
    assert page.table("Findings")["missing"] == ["late_left", "read late"]


def test_a_plan_says_what_it_would_replace() -> None:
    day = {"from": "2024-03-01T00:00:00Z", "to": "2024-03-02T00:00:00Z"}
    known = {"replay_id": "20240301-1d-aa", "contract": "plays", "range": day, "sources": {"shows": {}, "plays": {}}}
    known |= {"estimate": {"rows": 1200}, "replaces": {"table": "joined.plays_stream", "rows": 7}}
    plan = Plan(**{name: known.get(name) for name in Plan.__dataclass_fields__})
    page = Page(plan._repr_html_())
    assert page.table("The plan")["rows it would replace"] == ["7 in joined.plays_stream"]
    assert "plumbline replay publish 20240301-1d-aa" in page.text


def test_a_diff_says_what_differs() -> None:
    page = Page(diff_of("x")._repr_html_())
    assert page.table("1 of 1 differing keys")["mismatch"] == ["1", "v", "v=x", "v=a"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_values_stay_text(text: str) -> None:
    pages = [run_of(spoiled(document(), text))._repr_html_(), story_of(text)._repr_html_()]
    pages.append(card(text, [Grid(text, [text], [[text, None]])], [text], text))
    for html in pages:
        page = Page(html)
        assert {name for name, _ in page.elements} <= KNOWN
        assert {name for _, attributes in page.elements for name in attributes} <= {"class", "scope"}


NAMES = [text for text in HOSTILE.values() if "\x00" not in text and "\ud83d" not in text]


def test_hostile_column_names_and_values_stay_text_in_a_diff() -> None:
    values = [text for text in NAMES if text.strip()]
    left = pa.table({"id": range(len(values)), **{name: ["a"] * len(values) for name in values[:20]}, "v": values})
    right = left.set_column(left.num_columns - 1, "v", pa.array(["other"] * len(values)))
    page = Page(plumbline.diff(left, right, "id")._repr_html_())
    assert {name for name, _ in page.elements} <= KNOWN
    assert {name for _, attributes in page.elements for name in attributes} <= {"class", "scope"}
