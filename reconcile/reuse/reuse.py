"""Which kept days stand for a run, and how they come back into it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import chain, groupby
from typing import TYPE_CHECKING

import pyarrow as pa

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.lineage import EVENT_TIME
from plumbline.reconcile.evidence.stream_known import days_of_rows_outside
from plumbline.reconcile.inputs.day_ranges import Windows, days_of
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.evidence import REFUSALS
from plumbline.reconcile.relations.judge import ALL_REFUSALS, BATCH_KEYS, FINDINGS, KEPT, KEPT_LACKING, KEPT_REFUSALS
from plumbline.reconcile.relations.relation import Relation, Sided
from plumbline.reconcile.reuse.digests import Inputs, Mark, mark
from plumbline.reconcile.reuse.eligibility import LACKING, days, same_key
from plumbline.reconcile.reuse.stored_days import Verdict

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.epoch_spans import Progress

FULL_EVERY = 30
"""In so many runs a day is read at least once, though nothing has touched it."""


def reusable(
    pins: Pins,
    progress: Progress,
    inputs: Mapping[datetime, Inputs],
    kept: Mapping[datetime, Verdict],
) -> dict[datetime, Verdict]:
    """The kept verdicts whose inputs are those of this run, reused in fewer than FULL_EVERY - 1 runs so far."""
    ledgers = {verdict.ledger for verdict in kept.values()}
    standing = {ledger: _stands(pins, progress, ledger) for ledger in ledgers}
    return {
        day: verdict
        for day, verdict in kept.items()
        if day in inputs
        and _same(verdict, inputs[day])
        and standing[verdict.ledger]
        and verdict.reused + 1 < FULL_EVERY
    }


def to_read(pins: Pins, verdicts: Collection[datetime]) -> Windows:
    """The parts of the range that have no verdict."""
    return Windows.of(part for day, part in days_of(pins.time_range).items() if day not in verdicts)


def bring_back(pins: Pins, attributed: Relation, verdicts: Mapping[datetime, Verdict]) -> Relation:
    """KEPT: the findings of the verdicts, shaped as `attributed`."""
    KEPT.fill(pins.con, f"FROM {attributed} LIMIT 0")
    streams = (pa.ipc.open_stream(verdict.findings) for verdict in verdicts.values() if verdict.findings is not None)
    for schema, alike in groupby(streams, key=lambda stream: stream.schema):  # all at once: a statement costs
        pins.con.register("plumbline_back", pa.RecordBatchReader.from_batches(schema, chain.from_iterable(alike)))
        KEPT.add(pins.con, "FROM plumbline_back")
        pins.con.unregister("plumbline_back")
    return KEPT


def days_to_read_again(
    pins: Pins, kept: Relation, drifted: Relation, verdicts: Mapping[datetime, Verdict]
) -> set[datetime]:
    """The kept days that have rows of a key that differs on a day that was read, or the reverse.

    Such a key can only be judged by all its rows; one that differs nowhere is equal as a whole. And those with a row
    that the stream lacked and that stands outside of the range now.
    """
    if not verdicts:
        return set()
    unread = Windows.of(part for day, part in days_of(pins.time_range).items() if day in verdicts)
    return _keys_read_now(pins, kept) | _keys_not_read(pins, drifted, unread) | _held_outside(pins, kept)


def all_findings(pins: Pins, progress: Progress, attributed: Relation, kept: Relation) -> Relation:
    """FINDINGS: those of the days that were read, and those that were kept.

    How far the stream has come is said as it is now: the other evidence of a closed window stays what it was.
    """
    now = {
        "evict_watermark_ms": progress.evict_watermark_ms,
        "closed_until_us": progress.closed_until_us,
        "right_closed_until_us": progress.right_closed_until_us,
    }
    told = ", ".join(f"{'NULL' if value is None else value} AS {name}" for name, value in now.items())
    every = f"FROM {attributed} UNION ALL BY NAME SELECT * REPLACE ({told}) FROM {kept}"
    return FINDINGS.fill(pins.con, f"SELECT *, NULL::VARCHAR AS fault FROM ({every})")


def all_refusals(pins: Pins, verdicts: Mapping[datetime, Verdict]) -> Sided:
    """ALL_REFUSALS: the refused records of the days that were read, and those that were kept."""
    for side, kept in KEPT_REFUSALS.items():
        kept.fill(pins.con, kept.nothing)
        rows = [(verdict.window, *place) for verdict in verdicts.values() for place in verdict.refused[side]]
        if rows:
            pins.con.executemany(f"INSERT INTO {kept} VALUES (?, ?, ?)", rows)
        ALL_REFUSALS[side].fill(pins.con, f"FROM {REFUSALS[side]} UNION ALL FROM {kept}")
    return ALL_REFUSALS


def _same(verdict: Verdict, now: Inputs) -> bool:
    """Whether everything that the day's verdict depends on is unchanged."""
    then, classes = verdict.inputs, {kind for _, kind in verdict.page.entries}
    return (
        then.rows == now.rows
        and (not classes or then.runs == now.runs)
        and ("extra" not in classes or then.beside == now.beside)
    )


def _stands(pins: Pins, progress: Progress, ledger: Mark | None) -> bool:
    """Whether the epoch ledger says of that time what it said then, and no newer query changes it."""
    if ledger is None:
        return progress.query_id is None
    return progress.query_id == ledger.query_id and mark(pins, ledger.query_id, ledger.epoch) == ledger


def _held_outside(pins: Pins, kept: Relation) -> set[datetime]:
    """Kept days of rows that lateness or a quarantine took from the stream, and that its table holds now."""
    lacking = KEPT_LACKING.fill(pins.con, f"FROM {kept} WHERE cause IN ({', '.join(map(text, LACKING))})")
    return days(pins.con, days_of_rows_outside(pins, lacking)) if lacking.any(pins.con) else set()


def _keys_read_now(pins: Pins, kept: Relation) -> set[datetime]:
    """Kept days whose differing keys have rows among those that were read."""
    keys = ", ".join(f"key.{ident(name)}" for name in pins.contract.output.key)
    findings = f"(SELECT date_trunc('day', event_time) AS plumbline_day, {keys} FROM {kept})"
    return days(
        pins.con,
        " UNION ALL ".join(
            f"SELECT DISTINCT f.plumbline_day FROM {rows} r JOIN {findings} f ON {same_key(pins, 'f', 'r')}"
            for rows in (pins.batch, pins.stream)
        ),
    )


def _keys_not_read(pins: Pins, drifted: Relation, times: Windows) -> set[datetime]:
    """Kept days with rows of the keys that differ where rows were read: of the batch's files the keys are looked at.

    On a kept day the equal rows of both sides have the same keys (see `plumbline.reconcile.reuse.eligibility`), and the
    keys of the others are those of its findings: what the stream has of a key there, either the batch
    has too or `_keys_read_now` has found.
    """
    if not drifted.any(pins.con):
        return set()
    output = pins.contract.output
    pinned.scan(
        pins.con,
        pins.lake,
        output.batch_table,
        pins.snapshots[output.batch_table],
        view=BATCH_KEYS.name,
        row_filter=times.iceberg(EVENT_TIME),
        columns=(*output.key, EVENT_TIME),
        schema=None,
    )
    held = f"FROM {BATCH_KEYS} k SEMI JOIN {drifted} d ON {same_key(pins, 'k', 'd')}"
    if not pins.con.execute(f"SELECT 1 {held} LIMIT 1").fetchall():  # mostly so, and then no time of a row was read
        return set()
    return days(pins.con, f"SELECT DISTINCT date_trunc('day', {EVENT_TIME}) {held} WHERE {times.sql(EVENT_TIME)}")
