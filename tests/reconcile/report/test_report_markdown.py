"""The report as a message: it fits a pull request, and whatever the data says nothing in it links, pings or formats."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt

from plumbline.contract.ranges import TimeRange
from plumbline.contract.safe_text import is_unsafe
from plumbline.reconcile.report import markdown
from plumbline.reconcile.report.context import Facts, Replay
from tests.reconcile.report.test_report_escaping import spoiled
from tests.support.examples_of_runs import DAY, document, finding
from tests.support.hostile import HOSTILE

GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {"h3", "p", "strong", "code", "table", "thead", "tbody", "tr", "th", "td", "pre", "ul", "li"}


class Seen(HTMLParser):
    """Elements outside of code, and the texts of code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.codes: list[str] = []
        self.prose = ""
        self.in_code = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        if tag == "code":
            self.in_code = True
            self.codes.append("")

    def handle_endtag(self, tag: str) -> None:
        self.in_code = self.in_code and tag != "code"

    def handle_data(self, data: str) -> None:
        if self.in_code:
            self.codes[-1] += data
        else:
            self.prose += data


def hostile_message(text: str) -> str:
    run = spoiled(document(), text)
    run["alerts"] = [{"name": text, "limit": text, "count": 3, "of": 300}]
    for page in run["ledger"]:
        page["causes"] = {text: {"missing": 2}, "late_right": {"mismatch": 1}}
    told = [finding(text, cause, evidence=json.dumps({"left_topic": text})) for cause in ("unexplained", text)]
    told += [finding() | {"class": text, "key": json.dumps({"a": text, text: None})}]
    return markdown.render([run, run], told, Facts(contract_path=text))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_stays_in_its_code_span(text: str) -> None:
    message = hostile_message(text)
    seen, plain = Seen(GITHUB.render(message)), Seen(GITHUB.render(hostile_message("plain")))
    assert set(seen.names) <= OURS
    assert seen.names == plain.names
    assert " ".join(seen.prose.split()) == " ".join(plain.prose.split())
    assert [char for char in message if is_unsafe(char) and char != "\n"] == []
    assert len(message) < 8_000 or len(text) > 1_000


def rendered(*documents: dict[str, Any], **facts: Any) -> str:
    return markdown.render(documents, [finding()], Facts(contract_path="plays.yaml", **facts))


def test_it_answers_first_and_fits_a_screen() -> None:
    lines = rendered(document()).splitlines()
    assert lines[0] == "### 🔴 `plays`: drift"
    assert lines[2] == "**No.** 9 differences among 300 batch rows (3 %). 1–3 Mar 2024."
    assert "| batch reference | 300 |" in lines
    assert "| `late_left` not in the stream | −6 |" in lines
    assert "| **stream table** | **294** |" in lines
    assert "- `s1` `missing` by `late_left`, 1 min 30 s late" in lines
    assert "plumbline replay run latest --execute" in lines
    assert len(lines) < 40


def test_a_clean_run_is_a_short_message() -> None:
    message = markdown.render([document(causes={})], [])
    assert "**Yes.** All 300 batch rows are in the stream with the same values." in message
    assert "**What to do?** Nothing. Nothing differs." in message
    assert "```" not in message


def test_what_was_repaired_and_what_was_crossed_are_said() -> None:
    day = TimeRange(DAY, DAY.replace(day=2))
    first = document(3, alerts=[{"name": "late", "limit": "> 1%", "count": 9, "of": 300}])
    message = rendered(first, document(1, {}, range=day.as_json()), replays=(Replay("r", day),))
    assert "**Repaired since: all 3 differences of 1 Mar 2024, now clean" in message
    assert "**Limits crossed:** `late` `> 1%` (9)" in message


def test_books_that_do_not_balance_are_said() -> None:
    assert "**The books do not balance.**" in rendered(document(verdict="incomplete", balanced=False))


@pytest.mark.parametrize(
    ("text", "span"),
    [("a", "`a`"), ("", "`   `"), ("`", "`` ` ``"), ("a|b", "`a\\|b`"), ("a``b", "```a``b```"), ("a\nb", "`a\\nb`")],
)
def test_code_spans(text: str, span: str) -> None:
    assert markdown.code(text) == span
