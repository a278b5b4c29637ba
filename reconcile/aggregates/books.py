"""The books of an aggregate: every line of both tables once, per day, and the joined rows below closed windows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from plumbline.contract.aggregate import JOINED, WINDOW_START
from plumbline.contract.ranges import from_micros
from plumbline.reconcile.aggregates.changed_rows import UNSEEN
from plumbline.reconcile.aggregates.newer_rows import NEW
from plumbline.reconcile.judge.books import PENDING, Books, Page, total
from plumbline.reconcile.relations.aggregates import BATCH_LINES, CHANGED, ROWS_BELOW, STREAM_LINES

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.document_types import LostOfLine, LostRows, RowBooks
    from plumbline.reconcile.aggregates.findings import Finding
    from plumbline.reconcile.aggregates.views import Opened


@dataclass(frozen=True)
class OpenLines:
    """Lines of windows that the stream has not closed, by the ledger. `early`: the stream's are no pending ones, as it
    cannot have written them."""

    batch: int = 0
    stream: int = 0
    early: bool = False


def keep(inputs: Opened, findings: Iterable[Finding]) -> tuple[Books, OpenLines]:
    """The books of all lines of the range, and what stands in open windows."""
    pages: dict[datetime, Page] = {}
    batch = stream = 0
    early = inputs.closed_us is not None and not inputs.behind_stream
    for day_us, *counted in inputs.pins.con.execute(_lines(inputs)).fetchall():
        page = pages[from_micros(day_us)] = Page(from_micros(day_us), *counted[:2])
        open_batch, open_stream = counted[2:]
        if open_batch:
            page.enter(PENDING, "missing", open_batch, open_batch, 0)
        if open_stream:
            page.enter("unexplained" if early else PENDING, "extra", open_stream, 0, open_stream)
        batch, stream = batch + open_batch, stream + open_stream
    for finding in findings:
        day = finding.key[WINDOW_START].astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        pages[day].enter(finding.said.cause or "", finding.kind, 1, len(finding.batch), len(finding.stream))
    ordered = [pages[day] for day in sorted(pages)]
    return Books(tuple(ordered), total(ordered)), OpenLines(batch, stream, early and stream > 0)


def _lines(inputs: Opened) -> str:
    """Per UTC day of the window's start (us): lines of the batch and of the stream, and those of open windows."""
    still_open = "true" if inputs.closed_us is None else f"began_us + {inputs.window_us} > {inputs.closed_us}"
    sides = " UNION ALL ".join(
        f"SELECT epoch_us({WINDOW_START}) AS began_us, {of} AS of_batch FROM {lines}"
        for of, lines in (("true", BATCH_LINES), ("false", STREAM_LINES))
    )
    return f"""
        SELECT epoch_us(date_trunc('day', make_timestamptz(began_us))) AS day_us,
            count(*) FILTER (of_batch), count(*) FILTER (NOT of_batch),
            count(*) FILTER (of_batch AND {still_open}), count(*) FILTER (NOT of_batch AND {still_open})
        FROM ({sides}) GROUP BY day_us
    """


def of_rows(inputs: Opened) -> RowBooks | None:
    """The joined rows of closed windows: the batch's, those that the stream made, and what each cause took of them.

    None where the ledger does not tell. `records` are the records whose loss took the rows, each once.
    """
    if inputs.closed_us is None:
        return None
    closed = inputs.closed
    con = inputs.pins.con
    [(batch,)] = con.execute(f'SELECT count(*) FROM {ROWS_BELOW} WHERE "{JOINED}" AND {closed}').fetchall()
    lost: dict[str, LostRows] = {}
    for cause, gone, alone, lefts, rights in con.execute(_changed(closed)).fetchall():
        records = {"late_left": lefts, "late_right": rights}.get(cause)
        lost[cause] = {"gone": gone, "alone": 0 if cause == NEW else alone, "records": records}
        if cause == NEW:
            lost[cause]["came"] = alone
    taken = sum(map(net, lost.values()))
    known = UNSEEN not in lost
    return {"batch": batch, "stream": batch - taken if known else None, "lost": lost}


def net(lost: LostOfLine) -> int:
    """By how many joined rows the stream has fewer by one cause."""
    return lost["gone"] - lost["alone"] - lost.get("came", 0)


def _changed(closed: str) -> str:
    return f"""
        SELECT cause, count(*) FILTER (sign = -1), count(*) FILTER (sign = 1),
            count(DISTINCT (_left_partition, _left_offset)) FILTER (sign = -1),
            count(DISTINCT (_right_partition, _right_offset)) FILTER (sign = -1)
        FROM {CHANGED} WHERE {closed} GROUP BY cause ORDER BY cause
    """
