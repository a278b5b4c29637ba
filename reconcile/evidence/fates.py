"""What became of the records of a difference: read, late, closed, gone; SQL over what `gather` has found of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.lateness import late_by_sql, late_sql
from plumbline.contract.lineage import OTHER
from plumbline.reconcile.inputs.reduced_times import judged_us, window_open
from plumbline.reconcile.inputs.their_records import cut_to_ms

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.epoch_spans import Progress
    from plumbline.reconcile.inputs.pinned_views import Pins


def read(pins: Pins, side: str, progress: Progress) -> str:
    """SQL: whether the record has come to the join, or was dropped before it."""
    alias = side[0]
    waits = window_open(pins.contract, side, f"{alias}.event_us", progress.evict_watermark_ms)
    if waits == "false":
        return f"{ident(alias)}.read"
    late = late_sql(judged_us(pins.contract, side, f"{alias}.event_us"), f"{alias}.late_watermark_ms")
    return f"CASE WHEN {alias}.read AND {waits} AND NOT coalesce({late}, false) THEN false ELSE {alias}.read END"


def fate(pins: Pins, side: str, progress: Progress) -> str:
    time = f"{side}_event_us"
    times = judged_us(pins.contract, side, time), f"{side}_late_watermark_ms"
    waits = window_open(pins.contract, side, time, progress.evict_watermark_ms)
    admitted = f"NOT ({late_sql(*times)})"
    return f"""
        {late_sql(*times, cut=cut_to_ms(pins, side))} AS {side}_late,
        {admitted if waits == "false" else f"{admitted} AND NOT {waits}"} AS {side}_admitted,
        CASE WHEN {side}_late THEN {late_by_sql(*times)} END AS {side}_late_by_ms"""


def final(side: str, *, keeps: bool, held: bool) -> str:
    out = f" OR ({side}_closed IS NULL AND stream_knows_{side})" if held else ""
    return f"""
        {f"{side}_closed OR stream_matched_{side}{out}" if keeps else "true"} AS {side}_final,
        NOT stream_matched_{side} AND {side}_partners_late AS {side}_alone"""


def vanished_row(side: str, *, keeps: bool) -> str:
    return f"""
        {f"{side}_admitted AND {side}_closed AND {side}_alone" if keeps else "false"} AND NOT stream_knows_{side}
            AND row_number() OVER (
                PARTITION BY {side}_partition, {side}_offset ORDER BY {OTHER[side]}_partition, {OTHER[side]}_offset, id
            ) = 1 AS {side}_vanished"""
