"""The first screen answers four questions in every kind of run, and each answer's command is the one that helps."""

from __future__ import annotations

from typing import Any

import pytest

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.causes import registry
from plumbline.reconcile.lateness.curve import Lateness
from plumbline.reconcile.report import stories
from plumbline.reconcile.report.answers import Answers, all_left, answers
from plumbline.reconcile.report.context import Facts
from plumbline.reconcile.report.page import commands
from plumbline.reconcile.report.repaired import Repaired
from tests.support.examples_of_runs import DAY, document, finding

FACTS = Facts(contract_path="plays.yaml")
REPAIRS = {"replay", "batch", "archive", "quarantine", "explain", "wait"}


def asked(*documents: dict[str, Any], findings: list[dict[str, Any]] | None = None) -> Answers:
    return answers(documents, FACTS, stories.worst(findings or []))


UNSETTLED = document(causes={"pending": {"missing": 2}}, verdict="incomplete", settled=False)
SOME_UNEXPLAINED = document(causes={"unexplained": {"extra": 1}, "late_left": {"missing": 2}})


@pytest.mark.parametrize(
    ("run", "true", "how_much", "why", "what_to_do"),
    [
        pytest.param(document(causes={}), "Yes", "Nothing", "Nothing to explain", "Nothing", id="clean"),
        pytest.param(
            document(),
            "No",
            "6 rows missing from the stream, 3 with other values",
            "Every one is explained",
            "Replay 1 Mar 2024",
            id="late",
        ),
        pytest.param(
            document(causes={"pending": {"missing": 1}}), "Yes", "Nothing", "Nothing to explain", "Nothing yet",
            id="pending only",
        ),
        pytest.param(UNSETTLED, "Not known yet", "Nothing", "Nothing to explain", "Wait", id="unsettled"),
        pytest.param(
            document(0, {}), "Nothing to compare", "Nothing", "Nothing to explain", "Nothing", id="empty"
        ),
        pytest.param(
            document(causes={}, verdict="incomplete", balanced=False), "Not known", "Nothing", "Not known",
            "Report a defect", id="no balance",
        ),
        pytest.param(
            SOME_UNEXPLAINED, "No", "6 rows missing from the stream, 3 in the stream only", "3 unexplained",
            "Look at one key", id="the unexplained before the frequent",
        ),
        pytest.param(
            document(causes={"arrived_after_batch": {"extra": 4}}), "No", "12 rows in the stream only",
            "Every one is explained", "Run the batch reference again", id="the reference is old",
        ),
        pytest.param(
            document(causes={"quarantined": {"missing": 1}}), "No", "3 rows missing from the stream",
            "Every one is explained", "Look into quarantine", id="quarantine",
        ),
        pytest.param(
            document(causes={"double_commit": {"duplicate": 1}}), "No", "3 rows there another number of times",
            "Every one is explained", "Replay 1 Mar 2024", id="written twice",
        ),
    ],
)  # fmt: skip
def test_four_answers(run: dict[str, Any], true: str, how_much: str, why: str, what_to_do: str) -> None:
    found = asked(run)
    assert [a.short for a in (found.true, found.how_much, found.why, found.what_to_do)] == [
        true, how_much, why, what_to_do,
    ]  # fmt: skip


def test_a_column_that_one_table_lacks_is_not_called_the_same() -> None:
    lacks = {"column": "page", "finding": "only_left", "left": "VARCHAR", "right": None}
    found = asked(document(causes={}, verdict="drift", schema=[lacks]))
    assert (found.true.short, found.what_to_do.short) == ("No", "Look at the columns")
    assert found.true.long == "Not compared: column page. In all others 300 rows are the same in both tables."


def test_the_command_for_the_unexplained_is_the_story_of_one_of_them() -> None:
    told = [finding("late"), finding("odd one", "unexplained")]
    assert asked(SOME_UNEXPLAINED, findings=told).what_to_do.commands == (
        "plumbline explain 'odd one' --contract plays.yaml",
    )


def test_without_a_story_the_command_names_what_to_fill_in() -> None:
    assert asked(SOME_UNEXPLAINED).what_to_do.commands == ("plumbline explain KEY --contract plays.yaml",)


def test_the_repair_is_one_block_from_plan_to_look() -> None:
    day = "--from 2024-03-01T00:00:00Z --to 2024-03-02T00:00:00Z"
    assert asked(document()).what_to_do.commands == (
        f"plumbline replay plan plays.yaml {day}",
        "plumbline replay run latest --execute",
        "plumbline replay audit latest",
        "plumbline replay publish latest --execute",
        f"plumbline reconcile plays.yaml {day}",
    )


def test_what_was_repaired_is_not_repaired_again() -> None:
    day = TimeRange(DAY, DAY.replace(day=2))
    clean = document(1, {}, range=day.as_json())
    found = asked(document(2), clean)
    assert found.what_to_do.short == "Replay 2 Mar 2024"
    assert (
        found.repaired
        == "Repaired since: all 3 differences of 1 Mar 2024, now clean with all 100 rows. 3 differences outside it are "
        "left."
    )
    found = asked(document(1), clean)
    assert found.what_to_do.short == "Nothing more"
    assert found.repaired is not None
    assert found.repaired.endswith("Nothing else differs.")


def so_far(closed_until: str, days: int = 2, **changes: Any) -> dict[str, Any]:
    """A run over 1 and 2 March, both drifted, of a stream that has closed so much."""
    run = document(days, **changes)
    return {**run, "settled": False, "stream": {**run["stream"], "closed_until": closed_until}}


def test_only_what_the_stream_has_closed_is_replayed() -> None:
    """`replay plan` refuses a range that the stream may still write into."""
    found = asked(so_far("2024-03-01T17:59:59.999000Z")).what_to_do
    assert found.commands[0] == (
        "plumbline replay plan plays.yaml --from 2024-03-01T00:00:00Z --to 2024-03-01T17:59:59Z"
    )
    assert found.long.startswith("The stream has closed windows before 1 Mar 2024 17:59 UTC; later ones can follow.")
    whole = asked(so_far("2024-03-02T00:30:00Z")).what_to_do
    assert whole.short == "Replay 1 Mar 2024"


@pytest.mark.parametrize("closed", ["2024-02-29T23:00:00Z", "1970-01-01T00:00:00Z", "2024-02-29T23:59:59.999000Z"])
def test_nothing_closed_is_waited_for(closed: str) -> None:
    run = so_far(closed)
    found = asked(run).what_to_do
    assert (found.short, found.commands) == (
        "Wait",
        ("plumbline reconcile plays.yaml --from 2024-03-01T00:00:00Z --to 2024-03-03T00:00:00Z",),
    )
    assert all_left(run, FACTS, Repaired()) == ()
    assert not [line for _, lines in commands([run], FACTS, Repaired()) for line in lines if "replay" in line]


def test_a_part_of_a_day_is_repaired_as_that_part() -> None:
    """The batch reference covers no more than was compared: neither the replay nor the look afterwards go beyond it."""
    hours = TimeRange(DAY.replace(hour=3), DAY.replace(hour=9))
    run = document(1, range=hours.as_json())
    bounds = "--from 2024-03-01T03:00:00Z --to 2024-03-01T09:00:00Z"
    found = asked(run).what_to_do.commands
    assert [line for line in found if "--from" in line] == [
        f"plumbline replay plan plays.yaml {bounds}",
        f"plumbline reconcile plays.yaml {bounds}",
    ]
    after = asked(run, document(1, {}, range=hours.as_json()))
    assert (after.true.short, after.how_much.short, after.what_to_do.short) == (
        "Repaired", "Nothing any more", "Nothing more",
    )  # fmt: skip


def test_rows_without_an_event_time_are_not_called_replayed() -> None:
    run = document(1)
    run["ledger"][0]["window"] = None
    assert asked(run).what_to_do.short == "Look at the rows without an event time"


def test_a_key_of_the_deciding_cause_is_known_however_many_others_there_are() -> None:
    several = [finding(f"late {n}", late_by_ms=90_000 + n) for n in range(20)]
    told = stories.of_each_cause([*several, finding("an odd one", "window_edge")])
    assert {story.cause: story.key for story in told} == {"late_left": "late 19", "window_edge": "an odd one"}


def test_each_cause_says_what_to_do() -> None:
    assert {cause.repair for cause in registry()} <= REPAIRS
    assert [cause.name for cause in registry() if not cause.remedy.endswith(".")] == []


def test_what_is_repaired_is_not_counted_as_left() -> None:
    run = document(3)
    run["ledger"][0]["causes"] = {"late_left": {"missing": 2}, "late_right": {"mismatch": 5}}
    run["ledger"][0]["mismatch"] = 5
    run["counts"]["mismatch"] = 7
    found = asked(run, document(1, {}, range=TimeRange(DAY, DAY.replace(day=2)).as_json()))
    assert (found.true.short, found.true.long) == ("No", "6 differences left (13 found, 7 repaired since).")
    assert (found.how_much.short, found.how_much.long) == (
        "6 differences left",
        "Before the repair: 6 rows missing from the stream, 7 with other values. "
        "Most in the day 1 Mar 2024: 7 (repaired).",
    )
    assert found.why.long.startswith("Before the repair: 7 rows: the right record")
    assert found.what_to_do.short == "Replay 2 Mar 2024"
    assert found.what_to_do.long.startswith("It drifted most of what is left (3).")


def test_nothing_left_is_said_as_repaired() -> None:
    found = asked(document(1), document(1, {}))
    assert found.true.short == "Repaired"
    assert found.true.long == "No difference left (3 found, all repaired since)."


def test_a_longer_watermark_is_named_with_its_price() -> None:
    curve = Lateness("shows", 600_000, 300, ((-5, 3), (40, 6), (70, 3)))
    long = answers([document(3)], Facts(lateness=(curve,))).what_to_do.long
    assert long.endswith("With both delays 1 h longer: 3 shows records lost instead of 9.")


@pytest.mark.parametrize("repaired", [False, True])
def test_all_that_is_left_is_planned_by_the_newest_whole_run(repaired: bool) -> None:
    documents = [document(2), *([document(1, {}, range=TimeRange(DAY, DAY.replace(day=2)).as_json())] * repaired)]
    again = ["plumbline reconcile plays.yaml --from 2024-03-01T00:00:00Z --to 2024-03-03T00:00:00Z"] * repaired
    assert list(all_left(documents[0], FACTS, Repaired.since(documents))) == [
        *again,
        f"plumbline replay plan plays.yaml --from-drift {'latest' if repaired else '00112233445566aa'}",
        "plumbline replay finish latest --execute",
    ]
