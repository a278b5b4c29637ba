"""A team's own job drawn at random beside a contract: its `job:` block, its archives and its reports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from plumbline.connect.job_reports import dropped_schema, progress_schema
from plumbline.connect.lake import Lake
from plumbline.contract.lineage import LINEAGE
from plumbline.contract.model import Contract
from tests.support.drawn_states import (
    FOREIGN,
    LINEAGE_TYPES,
    START,
    UTC_MICROS,
    misshapen,
    output_schema,
    rows_of,
    write,
)

PLACES = st.sampled_from([pa.int32(), pa.int64()])
TIMES = st.sampled_from([UTC_MICROS, pa.timestamp("us"), pa.int64()])
DROPPED, PROGRESS = "ops.dropped", "ops.progress"
NAMED = {"partition": "p", "offset": "o", "event_time": "et", "timestamp": "ts", "topic": "t"}


def with_job(draw: st.DrawFn, body: dict[str, Any]) -> dict[str, Any]:
    """The contract's mapping with a job that is not ours, its archives of another tool at times."""
    moments = [name for column in body["output"]["columns"] if isinstance(column, dict) for name in column]
    coordinates = {side: {part: f"{side}_{part}" for part in ("partition", "offset")} for side in ("left", "right")}
    reports = draw(st.sampled_from([{}, {"dropped": DROPPED}, {"dropped": DROPPED, "progress": PROGRESS}]))
    found = {
        "kind": draw(st.sampled_from(["spark", "flink", "other"])),
        "event_time": draw(st.sampled_from([None, "when", *moments])),
        "lineage": draw(st.sampled_from([None, coordinates])),
        "late_left": draw(st.sampled_from([None, "dropped", "padded"])),
        **reports,
    }
    sources = {}
    for name, source in body["sources"].items():
        plain = {part: held for part, held in source.items() if part not in ("where", "event_id")}
        wanted = draw(st.sampled_from([None, ("timestamp", "topic"), ("timestamp",), ()]))
        named = (
            None
            if wanted is None
            else {k: v for k, v in NAMED.items() if k in ("partition", "offset", "event_time", *wanted)}
        )
        sources[name] = source if named is None else {**plain, "archive_columns": named}
    return {**body, "sources": sources, "job": {part: held for part, held in found.items() if held is not None}}


def job_tables(draw: st.DrawFn, lake: Lake, contract: Contract) -> None:
    """The tables of the contract's job: each may be there, empty, misshapen or absent."""
    assert contract.job is not None
    ours = output_schema(contract)
    named = contract.job.columns
    plain = [field for field in ours if field.name not in LINEAGE]
    theirs = [pa.field(column, LINEAGE_TYPES[place]) for place, column in named.items() if column not in ours.names]
    for table, schema in (
        (contract.output.stream_table, pa.schema([*plain, *theirs])),
        (contract.output.batch_table, ours if draw(st.booleans()) else pa.schema(plain)),
    ):
        if draw(st.integers(0, 14)) > 0:
            schema = misshapen(draw, schema)
            write(draw, lake, table, schema, rows_of(draw, schema))
    for source in contract.sources.values():
        if source.archive_columns is not None and draw(st.integers(0, 9)) > 0:
            schema = misshapen(draw, _archive_schema(draw, source.archive_columns.named))
            write(draw, lake, source.archive, schema, rows_of(draw, schema))
    for table, schema in ((contract.job.dropped, dropped_schema()), (contract.job.progress, progress_schema())):
        if table is not None and draw(st.integers(0, 9)) > 0:
            schema = misshapen(draw, schema)
            write(draw, lake, table, schema, _reports(draw, schema, contract))


def _archive_schema(draw: st.DrawFn, named: dict[str, str]) -> pa.Schema:
    kinds = {"partition": PLACES, "offset": PLACES, "topic": st.just(pa.string())}
    fields = [pa.field(column, draw(kinds.get(ours, TIMES))) for ours, column in named.items()]
    return pa.schema(
        [*fields, *([("v", FOREIGN[draw(st.sampled_from(list(FOREIGN)))])] if draw(st.booleans()) else [])]
    )


def _reports(draw: st.DrawFn, schema: pa.Schema, contract: Contract) -> list[dict[str, Any]]:
    """Rows as a job writes them, most of the time."""
    topics = [source.topic for source in contract.sources.values()]
    pools: dict[str, list[Any]] = {
        "topic": [*topics, "another", None],
        "source": [*contract.sources, *topics, "another", None],
        "partition": [0, 0, 1, None, -1],
        "offset": [0, 1, 2, None, 2**40],
        "reason": ["late", None, "too old", ""],
        "checkpoint_id": [1, 2, 2, None],
        "start_offset": [0, 1, None, 9],
        "end_offset": [0, 2, 5, None],
        "dropped": [0, 1, None, -1],
    }
    moments: list[datetime | None] = [None, *(START + timedelta(minutes=minutes) for minutes in (0, 1, 90))]
    rows = []
    for _ in range(draw(st.integers(0, 4))):
        row = {name: draw(st.sampled_from(pools.get(name, moments))) for name in schema.names}
        rows.append({name: held if _fits(held, schema.field(name).type) else None for name, held in row.items()})
    return rows


def _fits(held: Any, kind: pa.DataType) -> bool:
    try:
        pa.array([held], kind)
    except (pa.ArrowException, TypeError, OverflowError):
        return False
    return True
