"""The first screen answers four questions in every kind of run, and each answer's command is the one that helps."""

from __future__ import annotations

from typing import Any

import pytest
from examples_of_runs import DAY, document, finding

from contract.ranges import TimeRange
from reconcile.causes import registry
from reconcile.report import Facts, stories
from reconcile.report.answers import Answers, answers

FACTS = Facts(contract_path="plays.yaml")
REPAIRS = {"replay", "batch", "quarantine", "explain", "wait"}


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
            "6 missing from the stream, 3 with other values",
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
            SOME_UNEXPLAINED, "No", "6 missing from the stream, 3 in the stream only", "3 unexplained",
            "Look at one key", id="the unexplained before the frequent",
        ),
        pytest.param(
            document(causes={"arrived_after_batch": {"extra": 4}}), "No", "12 in the stream only",
            "Every one is explained", "Run the batch reference again", id="the reference is old",
        ),
        pytest.param(
            document(causes={"quarantined": {"missing": 1}}), "No", "3 missing from the stream",
            "Every one is explained", "Look into quarantine", id="quarantine",
        ),
        pytest.param(
            document(causes={"double_commit": {"duplicate": 1}}), "No", "3 there another number of times",
            "Every one is explained", "Replay 1 Mar 2024", id="written twice",
        ),
    ],
)  # fmt: skip
def test_four_answers(run: dict[str, Any], true: str, how_much: str, why: str, what_to_do: str) -> None:
    found = asked(run)
    assert [a.short for a in (found.true, found.how_much, found.why, found.what_to_do)] == [
        true, how_much, why, what_to_do,
    ]  # fmt: skip


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
        found.repaired == "Repaired since: 1 Mar 2024, now clean with all 100 rows. 3 differences outside it are left."
    )
    found = asked(document(1), clean)
    assert found.what_to_do.short == "Nothing more"
    assert found.repaired is not None
    assert found.repaired.endswith("Nothing else differs.")


def test_each_cause_says_what_to_do() -> None:
    assert {cause.repair for cause in registry()} <= REPAIRS
    assert [cause.name for cause in registry() if not cause.remedy.endswith(".")] == []
