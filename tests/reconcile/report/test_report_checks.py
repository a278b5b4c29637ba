"""The page's section on expectations: what it says of recorded checks, and that their values are text."""

from __future__ import annotations

from typing import Any

import pytest

from plumbline.contract.safe_text import is_unsafe
from plumbline.reconcile.report import checks
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.page import render
from tests.support.examples_of_runs import document
from tests.support.hostile import HOSTILE
from tests.support.reading_html import Page


def check(subject: str = "stream", snapshot_id: int | None = 11, **failing: Any) -> dict[str, Any]:
    """A check with one expectation that holds and, given any of its parts, one that does not."""
    one = {"expectation": "kind", "column": "title", "why": "declared as string", "success": True, "unexpected": None}
    held = {**one, "observed": "string", "sample": []}
    failed = {**held, "success": False, "unexpected": 3, "sample": [{"show_id": "s1", "title": None}], **failing}
    return {
        "subject": subject,
        "table": f"joined.plays_{subject}",
        "snapshot_id": snapshot_id,
        "rows": 1200,
        "success": not failing,
        "expectations": [held, *([failed] if failing else [])],
    }


def page(*checks: dict[str, Any]) -> Page:
    return Page(render([document()], [], Facts(checks=checks)))


def test_without_a_check_there_is_no_section() -> None:
    assert "Expectations" not in [text for _, text in page().headings]


def test_each_table_and_what_does_not_hold_in_it() -> None:
    made = page(check(why="expectations.not_null"), check("batch", 99))
    table = made.table("Expectations, table by table")
    assert table["stream joined.plays_stream"] == ["1,200", "1 of 2", "11"]
    assert table["batch joined.plays_batch"] == ["1,200", "1 of 1", "99 newer than this run's"]
    assert made.table("Does not hold in stream")["expectations.not_null"] == ["title", "3", "show_id=s1, title=None"]


def test_without_a_row_to_show_it_says_what_was_observed() -> None:
    made = page(check(why="declared as long", sample=[], unexpected=None))
    assert made.table("Does not hold in stream")["declared as long"] == ["title", "", "string"]


def test_values_are_text_and_of_readable_length() -> None:
    hostile = "<script>alert(1)</script>" * 100
    made = page(check(why="w", column=hostile, sample=[{hostile: hostile}]))
    assert "script" not in [name for name, _ in made.elements]
    column, _, example = made.table("Does not hold in stream")["w"]
    assert column == hostile
    assert len(example) == 200


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_page_of_its_own_lists_all_and_keeps_values_text(hostile: str) -> None:
    told = check(why=hostile, column=hostile, sample=[{"a": hostile}])
    document = {"contract": "plays", "range": {"from": None, "to": None}, "tables": {hostile: told}, "success": False}
    html = checks.render({**document, "tables": {hostile: {**told, "table": hostile}}})
    made = Page(html)
    names = {name for name, _ in made.elements}
    assert not names & {"script", "img", "link", "iframe"}
    assert not [attribute for _, found in made.elements for attribute in found if attribute.startswith("on")]
    assert [char for char in html if is_unsafe(char) and char != "\n"] == []
    assert made.headings[0] == (1, "Expectations of plays")
    assert made.table("All expectations of")["kind"]
    policy = next(found for name, found in made.elements if name == "meta" and "http-equiv" in found)
    assert str(policy["content"]).startswith("default-src 'none'")
