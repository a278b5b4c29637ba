"""What is kept of a day: the same verdict is the same row."""

from __future__ import annotations

from plumbline.reconcile.evidence.quarantine import Taken
from plumbline.reconcile.judge.books import Page
from plumbline.reconcile.reuse.digests import Inputs
from plumbline.reconcile.reuse.stored_days import Verdict, _row
from tests.support.world import START


def test_causes_counted_in_another_order_give_the_same_row() -> None:
    """DuckDB returns groups in no order."""
    counted = [("late_left", "missing", 1, 1, 0), ("late_right", "mismatch", 2, 2, 2), ("late_left", "extra", 1, 0, 1)]
    rows = []
    for entries in (counted, counted[::-1]):
        page = Page(START, 5, 5)
        for entry in entries:
            page.enter(*entry)
        taken = {"left": Taken(), "right": Taken()}
        verdict = Verdict(START, "run", Inputs("", "", ""), None, page, None, 0, taken, {"left": [], "right": []})
        rows.append(_row("plays", verdict))
    assert rows[0] == rows[1]
