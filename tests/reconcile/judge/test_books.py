"""Pure parts: pages, limits, verdicts, coverage, agreement."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from plumbline.contract import findings
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.causes import registry
from plumbline.reconcile.inputs.batch_runs import BatchRun, covered, holds, hull
from plumbline.reconcile.inputs.epoch_spans import Progress
from plumbline.reconcile.judge.books import CLASSES, Books, Page, by_month, total
from plumbline.reconcile.judge.prediction import Prediction, agrees
from plumbline.reconcile.judge.verdict import alerts, verdict

DAY = [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 11)]


def page(batch: int, stream: int, *entries: tuple[str, str, int, int, int], window: datetime | None = DAY[0]) -> Page:
    made = Page(window, batch, stream)
    for entry in entries:
        made.enter(*entry)
    return made


def run(start: int | None, end: int | None) -> BatchRun:
    bounds = (None if bound is None else DAY[bound] for bound in (start, end))
    return BatchRun(1, TimeRange(*bounds), None, None)


BALANCE = {
    "equal tables": (page(5, 5), True),
    "a missing row": (page(5, 4, ("late_left", "missing", 1, 1, 0)), True),
    "a missing row that no finding tells of": (page(5, 4), False),
    "a finding too many": (page(5, 5, ("late_left", "missing", 1, 1, 0)), False),
    "two that cancel out": (page(5, 5, ("late_left", "missing", 1, 1, 0), ("unexplained", "extra", 1, 0, 1)), True),
    "a doubled row": (page(5, 6, ("double_commit", "duplicate", 1, 1, 2)), True),
    "pending rows": (page(5, 3, ("pending", "missing", 2, 2, 0)), True),
    "more findings than rows": (page(1, 1, ("unexplained", "mismatch", 2, 2, 2)), False),
}


@pytest.mark.parametrize(("made", "balanced"), BALANCE.values(), ids=BALANCE)
def test_a_page_balances_when_both_sides_have_equally_many_matches(made: Page, balanced: bool) -> None:
    assert made.balanced is balanced


def test_books_balance_only_if_every_page_does_and_the_diff_found_as_many_matches() -> None:
    good, short, long = page(5, 5), page(5, 4), page(4, 5)
    assert Books((good,), total([good])).balance(5)
    assert not Books((good,), total([good])).balance(4)
    assert total([short, long]).balanced
    assert not Books((short, long), total([short, long])).balance(9)


def test_pending_rows_are_no_differences() -> None:
    made = page(9, 6, ("pending", "missing", 2, 3, 0), ("late_left", "missing", 1, 1, 0))
    assert made.count("missing") == 1
    assert made.count("pending") == 3


def test_months_add_up_their_days() -> None:
    days = [page(2, 1, ("late_left", "missing", 1, 1, 0), window=day) for day in DAY]
    (month,) = by_month(days)
    assert (month.window, month.batch, month.count("missing"), month.match) == (DAY[0], 20, 10, 10)


def test_causes_stand_in_order_of_precedence() -> None:
    made = page(9, 9, ("unexplained", "extra", 1, 0, 1), ("late_left", "missing", 1, 1, 0))
    assert made.causes() == {"late_left": {"missing": 1}, "unexplained": {"extra": 1}}
    assert list(made.causes()) == ["late_left", "unexplained"]


LIMITS = {
    "crossed": ({"unexplained": "> 0"}, ["unexplained"]),
    "not crossed": ({"unexplained": "> 1"}, []),
    "reached is not crossed": ({"late": "> 3"}, []),
    "reached": ({"late": ">= 3"}, ["late"]),
    "late is both causes": ({"late": "> 2"}, ["late"]),
    "one cause": ({"late_left": "> 1", "late_right": "> 1"}, ["late_left"]),
    "a class": ({"missing": "> 2", "mismatch": "> 1"}, ["missing"]),
    "percent of the batch rows": ({"late": "> 2%", "unexplained": "> 1%"}, ["late"]),
    "pending by name": ({"pending": "> 4"}, ["pending"]),
}


@pytest.mark.parametrize(("fail_when", "crossed"), LIMITS.values(), ids=LIMITS)
def test_limits(fail_when: dict[str, str], crossed: list[str]) -> None:
    made = page(
        100, 92,
        ("late_left", "missing", 2, 2, 0), ("late_right", "missing", 1, 1, 0),
        ("unexplained", "mismatch", 1, 1, 1), ("pending", "missing", 5, 5, 0),
    )  # fmt: skip
    assert [alert["name"] for alert in alerts(fail_when, made)] == crossed


def test_a_contract_knows_every_name_that_can_have_a_limit() -> None:
    assert tuple(cause.name for cause in registry()) == findings.CAUSES
    assert findings.CLASSES == CLASSES


@pytest.mark.parametrize(
    ("drift", "complete", "expected"),
    [(False, True, "clean"), (True, True, "drift"), (True, False, "incomplete"), (False, False, "incomplete")],
)
def test_verdict(drift: bool, complete: bool, expected: str) -> None:
    assert verdict(drift=drift, complete=complete) == expected


COVERAGE = {
    "touching runs": ([run(0, 2), run(2, 4)], [(0, 4)]),
    "a gap": ([run(3, 4), run(0, 2)], [(0, 2), (3, 4)]),
    "one inside another": ([run(0, 5), run(1, 2)], [(0, 5)]),
    "an open start": ([run(2, 3), run(None, 2)], [(None, 3)]),
    "an open end swallows": ([run(1, None), run(2, 3)], [(1, None)]),
    "everything": ([run(None, None), run(2, 3)], [(None, None)]),
    "nothing": ([], []),
}


@pytest.mark.parametrize(("runs", "expected"), COVERAGE.values(), ids=COVERAGE)
def test_coverage(runs: list[BatchRun], expected: list[tuple[int | None, int | None]]) -> None:
    assert list(covered(runs)) == [run(*bounds).time_range for bounds in expected]


def test_hull_and_holds() -> None:
    ranges = covered([run(0, 2), run(4, 6)])
    assert hull([run(0, 2), run(4, 6)]) == run(0, 6).time_range
    assert holds(ranges, run(0, 2).time_range)
    assert not holds(ranges, run(1, 5).time_range)
    assert not holds(ranges, run(None, 2).time_range)
    assert holds([TimeRange()], TimeRange())


def test_agreement() -> None:
    made = page(5, 3, ("late_left", "missing", 1, 1, 0), ("pending", "missing", 1, 1, 0))
    assert agrees(Prediction(3, 1, 0, 1), made, 0) is True
    assert agrees(Prediction(4, 1, 0, 1), made, 0) is False
    assert agrees(Prediction(3, 0, 1, 1), made, 0) is False
    assert agrees(Prediction(3, 1, 0, 1), made, 2) is None
    assert agrees(None, made, 0) is None
    after = page(5, 4, ("arrived_after_batch", "extra", 1, 0, 1))
    assert agrees(Prediction(3, 1, 0, 1), after, 0) is None


def test_without_a_ledger_nothing_is_settled() -> None:
    assert not Progress().has_closed(0)
    assert Progress("q", 1, 10, settled_until_us=5).has_closed(5)
    assert not Progress("q", 1, 10, settled_until_us=5).has_closed(6)
    assert Progress("q", 1, 10, settled_until_us=5).has_closed(None)
