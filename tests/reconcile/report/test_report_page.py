"""The numbers on the page are the document's, in every kind of run."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile import document as reading
from plumbline.reconcile.lateness.curve import Lateness
from plumbline.reconcile.report.context import Facts, Replay
from plumbline.reconcile.report.page import render
from tests.support.examples_of_runs import DAY, document, finding
from tests.support.reading_html import Page
from tests.support.world import World, play, show


def page_of(*documents: dict[str, Any], findings: list[dict[str, Any]] | None = None, **facts: Any) -> Page:
    return Page(render(documents, findings or [], Facts(**facts)))


def test_the_books_of_a_real_run(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.play(
        [show("a", 0), play("pa", "a", 5), show("b", 1)],
        [show("d", 100), play("pd", "d", 120)],
        [],
        [show("x", 3), play("pb", "b", 4)],
        [show("f", 300), play("pf", "f", 301), show("g", 302)],
    ).write()
    run = world.reconcile()
    page = page_of(run.document, findings=world.findings(), contract=world.contract)
    counts = run.document["counts"]
    assert (counts["batch"], counts["stream"]) == (6, 4)
    assert page.table("From the batch") == {
        "Entry": ["rows"],
        "Batch reference": ["6"],
        "late shows late_left not in the stream": ["−1"],
        "pending not in the stream": ["−1"],
        "Stream table": ["4"],
    }
    assert page.table("They agree")["late right"] == ["1", "1"]
    assert "2 differences among 6 batch rows (33 %)" in page.text
    assert "the shows record was late and dropped: 1 missing" in page.text
    assert "The shows record was late and dropped: t.shows partition 0 offset" in page.text


def test_books_with_every_class_add_up() -> None:
    causes = {
        "late_left": {"missing": 4},
        "arrived_after_batch": {"extra": 3},
        "double_commit": {"duplicate": 2},
        "value_divergence": {"mismatch": 5},
        "pending": {"missing": 1},
    }
    run = document(2, causes)
    books = page_of(run).table("From the batch")
    rows = [int(cells[0].replace(",", "").replace("−", "-")) for name, cells in books.items() if name != "Entry"]
    assert rows[0] == run["counts"]["batch"] == 200
    assert rows[-1] == run["counts"]["stream"] == 200 - 8 - 2 + 6 + 4
    assert sum(rows[:-1]) == rows[-1]


def test_large_numbers_are_grouped() -> None:
    run = document()
    run["counts"] |= {"batch": 328_521, "stream": 328_515}
    assert page_of(run).table("From the batch")["Batch reference"] == ["328,521"]


@pytest.mark.parametrize(
    ("run", "says"),
    [
        pytest.param(document(causes={}), "All 300 batch rows are in the stream with the same values.", id="clean"),
        pytest.param(
            document(causes={"pending": {"missing": 1}}),
            "All 297 settled batch rows are in the stream with the same values. 3 rows wait for the stream",
            id="pending only",
        ),
        pytest.param(document(0, {}), "Neither table holds a row in this range.", id="empty"),
        pytest.param(
            document(verdict="incomplete", balanced=False),
            "The books do not balance: this is a defect",
            id="no balance",
        ),
        pytest.param(
            document(causes={"unexplained": {"extra": 1}}), "None of them has a proven cause.", id="all unexplained"
        ),
        pytest.param(
            document(causes={"unexplained": {"extra": 1}, "late_left": {"missing": 2}}),
            "9 differences among 300 batch rows (3 %). 3 of them unexplained; most often (6 times)",
            id="some unexplained",
        ),
        pytest.param(document(1, {"late_left": {"missing": 1}}), "1 difference among 100 batch rows (1 %).", id="one"),
    ],
)
def test_the_verdict_in_a_sentence(run: dict[str, Any], says: str) -> None:
    assert says in reading.verdict_sentence(run)
    page = page_of(run)
    assert reading.headline(run) in page.text
    assert ("section", {"class": f"verdict {run['verdict']}"}) in page.elements


@pytest.mark.parametrize(
    ("agrees", "says"),
    [
        (True, "The same numbers as the exact late rule predicts"),
        (False, "Not the numbers that the exact late rule predicts"),
        (None, "Not comparable here"),
    ],
)
def test_prediction(agrees: bool | None, says: str) -> None:
    assert says in page_of(document(agrees=agrees)).text


def test_without_a_ledger_nothing_is_predicted_and_no_curve_drawn() -> None:
    page = page_of(
        document(predicted=None, agrees=None, settled=False, stream={"last_epoch": None, "closed_until": None})
    )
    assert "Predicted and found" not in [text for _, text in page.headings]
    assert "not known, there is no epoch ledger" in page.text


def test_headings_are_in_order_and_every_table_and_plot_is_named() -> None:
    curve = (Lateness("shows", 600_000, 300, ((-5, 3), (2, 6))),)
    page = page_of(document(), findings=[finding()], lateness=curve)
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert all(caption.strip() for caption, _ in page.tables)
    plots = [attributes for name, attributes in page.elements if name == "svg" and "role" in attributes]
    assert [bool(attributes["aria-label"]) for attributes in plots] == [True, True]
    headers = [attributes for name, attributes in page.elements if name == "th"]
    assert all(attributes.get("scope") in ("col", "row") for attributes in headers)


def test_each_bar_says_its_values() -> None:
    html = render([document(2)], [])
    assert "<title>1 Mar 2024: 2 late_left, 100 batch rows</title>" in html
    assert "<title>2 Mar 2024: 1 late_right, 100 batch rows</title>" in html


def test_stories_tell_the_gravest_and_the_latest_first() -> None:
    findings = [finding(f"s{i}", late_by_ms=i * 60_000) for i in range(1, 9)]
    findings += [
        finding("r", "late_right", 7 * 3_600_000),
        finding("lost", "lost_output"),
        finding("odd", "unexplained"),
    ]
    html = render([document()], findings)
    keys = [part.partition("<")[0] for part in html.split('<span class="key">')[1:]]
    assert keys == ["odd", "lost", "r", "s8", "s7", "s6", "s5", "s4", "s3", "s2"]
    assert "7 h late" in Page(html).text
    assert "plumbline explain odd --contract CONTRACT" in Page(html).text


def test_pending_rows_are_no_stories() -> None:
    assert "Rows worth a look" not in render([document()], [finding(cause="pending")])


def test_commands_repeat_the_range_and_quote_the_path() -> None:
    text = page_of(document(2), contract_path="my plays.yaml").text
    ranged = "--from 2024-03-01T00:00:00Z --to 2024-03-03T00:00:00Z"
    assert f"plumbline reconcile 'my plays.yaml' {ranged}" in text
    assert "plumbline replay plan 'my plays.yaml' --from 2024-03-01T00:00:00Z --to 2024-03-02T00:00:00Z" in text
    assert "plumbline report 'my plays.yaml' --run 00112233445566aa" in text


def test_a_run_against_a_replay_says_where_the_faults_lie() -> None:
    against = {"table": "plumbline_staging.r_1", "rows": 300, "unlike_live": 9, "faults": {"lateness": 9, "logic": 0}}
    said = "Against plumbline_staging.r_1 : 9 of its 300 rows are not as in the live table; lateness 9."
    assert said in page_of(document(against=against)).text


def test_before_and_after_a_replay() -> None:
    day = TimeRange(DAY, DAY.replace(day=2))
    before = document(3)
    after = document(1, {}, run_id="ffee", range=day.as_json(), replayed=100)
    page = page_of(before, after, replays=(Replay("20240301-1d-aa", day, "iceberg", 100, 99),))
    assert page.table("The range that was compared again, 1 Mar 2024") == {
        "Rows": ["batch", "stream", "match", "missing", "mismatch"],
        "before": ["100", "98", "97", "2", "1"],
        "after": ["100", "100", "100", "0", "0"],
    }
    assert "6 differences left (9 found, 3 repaired since)." in page.text
    assert (
        "Repaired since: all 3 differences of 1 Mar 2024, now clean with all 100 rows. 6 differences outside it are "
        "left. " in page.text
    )
    assert "100 rows 1 Mar 2024, from iceberg" in page.text
    assert page.table("Each table")["Table"] == ["before 00112233445566aa", "after the repair ffee"]
    assert ("table", {"class": "tight"}) in page.elements  # its last column must be seen on a phone
    assert any(attributes.get("class") == "band" for name, attributes in page.elements if name == "rect")


def test_rows_and_days_that_are_repaired_are_marked() -> None:
    day = TimeRange(DAY, DAY.replace(day=2))
    told = [finding("mended"), finding("left", window=DAY.replace(day=2))]
    html = render([document(2), document(1, {}, run_id="ffee", range=day.as_json())], told)
    page = Page(html)
    assert list(page.table("Where most drifted")) == ["Day", "1 Mar 2024 repaired", "2 Mar 2024"]
    summaries = [part.partition("</summary>")[0] for part in html.split("<summary>")[1:]]
    assert {"mended": 'class="tag"' in summaries[1], "left": 'class="tag"' in summaries[0]} == {
        "mended": True, "left": False,
    }  # fmt: skip
    assert "Counts below are from before the repair." in page.text
    assert "--run 00112233445566aa --run ffee" in page.text


def test_the_partner_of_a_late_row_is_named_when_it_was_late_too() -> None:
    row = finding()
    row["evidence"] = json.dumps(json.loads(row["evidence"]) | {"right_late_by_ms": 16_380_000})
    assert "and dropped; its right record was late too, by 4 h 33 min." in page_of(document(), findings=[row]).text


def test_late_records_that_cost_no_row_are_counted() -> None:
    curves = (Lateness("shows", 600_000, 300, ((2, 6),)), Lateness("plays", 600_000, 300, ((2, 5),)))
    assert (
        "plays: 5 late = 3 rows + 2 that cost no row of this range by themselves"
        in page_of(document(), lateness=curves).text
    )


def test_a_replay_of_a_part_of_what_was_compared_is_not_taken_for_an_incomplete_one() -> None:
    day, both = TimeRange(DAY, DAY.replace(day=2)), TimeRange(DAY, DAY.replace(day=3))
    before, after = document(3), document(2, {}, run_id="ffee", range=both.as_json())
    before["ledger"][1] |= {"causes": {}, "missing": 0, "mismatch": 0}
    page = page_of(before, after, replays=(Replay("20240301-1d-aa", day, "iceberg", 100, 99),))
    assert page.table("The range that was compared again, 1–2 Mar 2024: all its differences lay in what was replayed")
    assert "Repaired since by the replay of 1 Mar 2024: all 3 differences of 1–2 Mar 2024" in page.text
