"""What other watermark delays would have lost, and what they would have held open: from recorded disorder alone.

Both delays change by the same time, for the same epochs: then every watermark moves by it, whichever source it followed
(see reconcile.report.lateness), and so does the moment at which a row's state goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from plumbline.contract.aggregate import whole_windows
from plumbline.contract.errors import SetupError
from plumbline.contract.lineage import SIDES
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.evidence.left_out import taken_in_sql
from plumbline.reconcile.inputs.epoch_spans import lay_out
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.lateness.curve import Lateness, choices, curves, smallest
from plumbline.reconcile.lateness.of_lines import LinesBehind, lines_behind
from plumbline.reconcile.relations.inputs import LEDGER, TURNS
from plumbline.reconcile.relations.judge import DISORDER

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.contract.model import Contract
    from plumbline.reconcile.aggregates.views import Opened
    from plumbline.reconcile.lateness.document_types import Choice, LatenessDocument, SourceLateness


def what_if(
    contract: Contract, home: Home, time_range: TimeRange, lose: float | None = None, memory: str = "512MB"
) -> LatenessDocument:
    """`{"contract", "range", "sources", "choices", "wanted"}`: the curve of records lost against the delays.

    `sources` maps each to its `delay_ms`, `records` that entered the join (`at_most`: only Spark could tell which of
    them `where` leaves out) and `smallest` change for `lose` (a share; None without it).
    A choice is a change of both delays (`change_ms`) with, for each source, the delay then, the records lost and the
    most rows that were held open at once. `wanted` is the choice with the smallest change by which no source loses more
    than `lose` of its records. Of an aggregate a choice also has the `lines` that would lack a record, and the document
    how many `lines` the batch table has. Raises SetupError without an epoch ledger, IncompleteError for a stream on a
    Spark whose rule of lateness is not proven.
    """
    time_range = whole_windows(contract, time_range)
    with _opened(contract, home, time_range, memory) as (pins, aggregate):
        if lay_out(pins).last_epoch is None:
            raise SetupError(
                f"the epoch ledger has no rows of contract {contract.contract}",
                where="plumbline.epochs",
                next_step="run the stream; the ledger is published with every run",
            )
        found = curves(pins, pins.snapshots)
        needed = None if lose is None else [smallest(curve, lose) for curve in found]
        changes = {ms for ms, _ in choices(found)} | ({max(needed)} if needed else set())
        held = _held(pins, sorted(changes))
        lines = None if aggregate is None else lines_behind(aggregate)
    offered = [_choice(ms, found, held, lines) for ms in sorted(changes)]
    sources: dict[str, SourceLateness] = {
        curve.source: {
            "delay_ms": curve.delay_ms,
            "records": curve.records,
            "at_most": curve.at_most,
            "smallest_ms": None if needed is None else needed[place],
        }
        for place, curve in enumerate(found)
    }
    wanted = next((choice for choice in offered if needed and choice["change_ms"] == max(needed)), None)
    document: LatenessDocument = {
        "contract": contract.contract,
        "range": time_range.as_json(),
        "lose": lose,
        "sources": sources,
        "choices": offered,
        "wanted": wanted,
    }
    if lines is not None:
        document["lines"] = lines.lines
    return document


@contextmanager
def _opened(contract: Contract, home: Home, time_range: TimeRange, memory: str) -> Iterator[tuple[Pins, Opened | None]]:
    """What is read, pinned; of an aggregate also its lines and the rows below them."""
    from plumbline.reconcile.aggregates.views import opened as lines_opened
    from plumbline.reconcile.inputs.open_inputs import opened, pinned

    if contract.output.aggregate is None:
        with opened(contract, home, time_range, memory) as pins:
            yield pins, None
        return
    with pinned(contract, home, time_range, memory) as pins:
        inputs = lines_opened(pins)
        yield inputs.pins, inputs


def _choice(
    change_ms: int, found: Sequence[Lateness], held: dict[tuple[str, int], int], lines: LinesBehind | None
) -> Choice:
    choice: Choice = {
        "change_ms": change_ms,
        "sources": {
            curve.source: {
                "delay_ms": curve.delay_ms + change_ms,
                "lost": curve.lost(change_ms),
                "share": curve.lost(change_ms) / curve.records if curve.records else 0.0,
                "held_rows": held[side, change_ms],
            }
            for side, curve in zip(SIDES, found, strict=True)
        },
    }
    if lines is not None:
        choice["lines"] = lines.lost(change_ms)
    return choice


def _held(pins: Pins, changes: Sequence[int]) -> dict[tuple[str, int], int]:
    """The most rows of each side that were in state after one epoch, for each change of the delays (ms)."""
    low, high = pins.within_ms
    held = {}
    for side, reach_ms in (("left", high + 1), ("right", 1 - low)):
        DISORDER.fill(pins.con, _disorder(side))
        for change_ms in changes:
            [(most,)] = pins.con.execute(_most_held(change_ms, reach_ms)).fetchall()
            held[side, change_ms] = int(most or 0)
    return held


def _disorder(side: str) -> str:
    """The records of one side that were read: in which epoch, and its late watermark."""
    return f"SELECT turn, epoch_us(event_time) AS event_us, late_watermark_ms FROM {taken_in_sql(side)}"


def _most_held(change_ms: int, reach_ms: int) -> str:
    """A row is held from its epoch until the first whose evict watermark has passed its time by `reach_ms`, that is
    until nothing can match it any more (`contract/lateness.py`: closed_until_us and right_closed_until_us)."""
    return f"""
        WITH marks AS (
            SELECT evict_watermark_ms - {change_ms} AS evict_ms, min(turn) AS turn
            FROM {LEDGER} JOIN {TURNS} USING (query_id, epoch) GROUP BY 1
        ),
        held AS (
            SELECT d.turn, m.turn AS closed
            FROM (
                SELECT turn, -(-event_us // 1000) + {reach_ms} AS until_ms FROM {DISORDER}
                WHERE event_us > (late_watermark_ms - {change_ms}) * 1000
            ) d
            ASOF LEFT JOIN marks m ON d.until_ms <= m.evict_ms
        ),
        steps AS (
            SELECT turn, count(*) AS rows FROM held WHERE closed IS NULL OR closed > turn GROUP BY turn
            UNION ALL
            SELECT closed, -count(*) FROM held WHERE closed > turn GROUP BY closed
        )
        SELECT max(rows) FROM (SELECT sum(sum(rows)) OVER (ORDER BY turn) AS rows FROM steps GROUP BY turn)
    """
