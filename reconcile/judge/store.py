"""What reconciles came to: `plumbline.runs`, `plumbline.findings`, and the findings as a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.sql_quoting import text
from plumbline.contract.secrets import BLOCKS, place

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation

RUNS, FINDINGS = "plumbline.runs", "plumbline.findings"


def runs_schema() -> pa.Schema:
    """One row per reconcile."""
    import pyarrow as pa

    from plumbline.connect.onto import order_column

    return pa.schema(
        [
            field("run_id", pa.string(), "digest of contract, range, snapshots and last epoch"),
            field("contract", pa.string(), "name of the contract"),
            field("range_from", moment(), "first left event time; null: open"),
            field("range_to", moment(), "end of left event times, not in the range; null: open"),
            field("snapshots", pa.string(), "JSON: table to pinned snapshot id"),
            field("verdict", pa.string(), "clean, drift or incomplete"),
            field("document", pa.string(), "JSON: what `plumbline reconcile --json` printed"),
            field("definition", pa.string(), "JSON: the contract, without connections"),
            field("recorded_at", moment(), "when the run was recorded"),
            field(*order_column()),
        ]
    )


def findings_schema() -> pa.Schema:
    """One row per difference of a run, pending ones included."""
    import pyarrow as pa

    return pa.schema(
        [
            field("run_id", pa.string(), "the run that found it"),
            field("key", pa.string(), "JSON: the output key"),
            field("class", pa.string(), "mismatch, missing, extra or duplicate"),
            field("cause", pa.string(), "why, see reconcile/causes"),
            field("window", moment(), "UTC day of the left event time"),
            field("event_time", moment(), "left event time; of an aggregate the start of the window"),
            field("columns", pa.list_(pa.string()), "columns that differ"),
            field("evidence", pa.string(), "JSON: coordinates, epochs, watermarks, how late; of a line its sums"),
            field("left_row", pa.string(), "JSON: the compared columns in the batch table, the reference"),
            field("right_row", pa.string(), "JSON: the compared columns in the stream table"),
        ]
    )


def keep_record(pins: Pins, document: Mapping[str, Any], findings: str) -> bool:
    """Append the findings, then the run; each once per run id, however many reconciles do it at once. Returns whether
    the run was new. `findings` is SQL of their rows, as `findings_sql` gives it.

    Findings go in with one commit: after a crash between the two, the next reconcile adds only the run.
    """
    from plumbline.connect.onto import append_onto, commit_onto, next_order

    lake, run_id, schema = pins.lake, document["run_id"], runs_schema()
    lake.ensure_table(RUNS, schema)
    if _has(lake.evolve(RUNS, schema), run_id):
        return False
    lake.ensure_table(FINDINGS, findings_schema())
    commit_onto(lake, FINDINGS, lambda table: _has(table, run_id) or _append_findings(pins, table, findings, run_id))

    def run_row(table: Table) -> pa.Table | None:
        return None if _has(table, run_id) else _run_row(pins, document, next_order(table))

    return append_onto(lake, RUNS, run_row, {"plumbline.run-id": run_id})


def of_contract(lake: Lake, contract: Contract, equal: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The recorded runs of this contract (name and tables) whose columns have the values of `equal`, in the order of
    their commits: `run_id`, `document`, `recorded_at` and their order."""
    from plumbline.connect.onto import ORDER, columns_of, in_order
    from plumbline.connect.records import records
    from plumbline.contract.identity import identity, identity_of

    if not lake.exists(RUNS):
        return []
    mine = identity(contract)
    fields = columns_of(lake.load(RUNS), "run_id", "document", "definition", "recorded_at", ORDER)
    rows = records(lake, RUNS, fields, {"contract": contract.contract, **(equal or {})})
    return sorted((row for row in rows if identity_of(json.loads(row.pop("definition") or "{}")) == mine), key=in_order)


def whose(lake: Lake, name: str) -> dict[str, str | None]:
    """Run id to the identity of its contract, of all runs of contracts with that name."""
    from pyiceberg.expressions import EqualTo

    from plumbline.contract.identity import identity_of

    if not lake.exists(RUNS):
        return {}
    rows = lake.load(RUNS).scan(EqualTo("contract", name), selected_fields=("run_id", "definition")).to_arrow()
    return {row["run_id"]: identity_of(json.loads(row["definition"] or "{}")) for row in rows.to_pylist()}


def export(pins: Pins, findings: str, out: str) -> None:
    """Write the findings (SQL of their rows) to a Parquet file, replaced as a whole. Raises SetupError when it cannot
    be written."""
    from plumbline.reconcile.diff.atomic_file import written_whole

    with written_whole(Path(out), "findings") as waiting:
        pins.con.execute(f"COPY ({findings}) TO {text(str(waiting))} (FORMAT parquet)")


def findings_sql(run_id: str, findings: Relation) -> str:
    """The rows of `plumbline.findings` for the findings of a run, in no order: to sort a million pieces of
    evidence takes more memory than all the rest."""
    return f"""
        SELECT {text(run_id)} AS run_id, CAST(to_json(key) AS VARCHAR) AS key, class, cause,
            date_trunc('day', event_time) AS "window", event_time, columns,
            CAST(to_json({evidence_struct()}) AS VARCHAR) AS evidence,
            CAST(batch_row AS VARCHAR) AS left_row, CAST(stream_row AS VARCHAR) AS right_row
        FROM {findings}
    """


def evidence_struct() -> str:
    """SQL of one struct with all evidence of a finding; moments as ISO 8601 text in UTC.

    A watermark of 0 stands for none yet and becomes NULL.
    """
    fields = [f"{name} := {_iso(name)}" for name in ("event_time", *_MOMENTS)]
    fields += [f"{name} := {_iso(f'make_timestamptz(nullif({name}_ms, 0) * 1000)')}" for name in _WATERMARKS]
    fields += [f"closed_until := {_iso('make_timestamptz(closed_until_us)')}"]
    fields += [f"{name} := {name}" for name in _PLAIN]
    return f"struct_pack({', '.join(fields)})"


_MOMENTS = (
    *("left_event_time", "right_event_time", "left_kafka_time", "right_kafka_time"),
    *("stamp_event_time", "stamp_delivered_at"),
)
_WATERMARKS = ("left_late_watermark", "right_late_watermark", "evict_watermark")
_PLAIN = (
    *(
        f"{side}_{name}"
        for side in ("left", "right")
        for name in ("topic", "partition", "offset", "epoch", "late_by_ms", "read", "late", "in_batch_snapshot")
    ),
    *("batch_present", "stream_present", "batch_has_right", "stream_has_right", "same_lineage", "left_closed"),
    *("batch_has_left", "stream_has_left", "right_closed"),
    *(f"{side}_copy_{part}" for side in ("left", "right") for part in ("partition", "offset")),
    *("implied_by", "implied_whole", "held_by"),
    *("left_count", "right_count", "batch_snapshot_id", "replay_id"),
    *("left_quarantine", "right_quarantine", "quarantined_record"),
    *(f"gap_{name}" for name in ("topic", "partition", "offset", "after", "before")),
    *("stamp_topic", "stamp_partition", "stamp_offset", "stamp_ahead_by_ms"),
    *("changed_columns", "outside_within", "at_bound", "fault"),
)


def _iso(moment: str) -> str:
    return f"strftime({moment}, '%Y-%m-%dT%H:%M:%S.%fZ')"


def _append_findings(pins: Pins, table: Table, findings: str, run_id: str) -> bool:
    import pyarrow as pa

    from plumbline.reconcile.diff.engine.budget import Budget
    from plumbline.reconcile.judge.attribution import AT_ONCE

    schema = findings_schema()
    # PyIceberg needs the memory for what it writes, and DuckDB would fill it with blocks that it has read once.
    pins.con.execute(f"SET memory_limit = '{Budget.of(pins.memory).duckdb_bytes // 2}B'")
    reader = pins.con.sql(findings).to_arrow_reader(AT_ONCE)
    with table.transaction() as transaction:
        for batch in reader:
            rows = pa.Table.from_batches([batch]).cast(schema)
            transaction.append(rows, snapshot_properties={"plumbline.run-id": run_id})
    return True


def _run_row(pins: Pins, document: Mapping[str, Any], order: int) -> pa.Table:
    import pyarrow as pa

    from plumbline.connect.onto import ORDER

    row = {
        "run_id": document["run_id"],
        "contract": document["contract"],
        "range_from": pins.time_range.start,
        "range_to": pins.time_range.end,
        "snapshots": json.dumps(document["snapshots"]),
        "verdict": document["verdict"],
        "document": json.dumps(document),
        "definition": _without_connections(pins.contract),
        "recorded_at": datetime.now(UTC),
        ORDER: order,
    }
    return pa.Table.from_pylist([row], schema=runs_schema())


def _without_connections(contract: Contract) -> str:
    """The contract as JSON. Of the registry's block, which a contract with Avro cannot be without, the bare address."""
    body = contract.model_dump(mode="json", exclude=set(BLOCKS))
    registry = contract.schema_registry or {}
    return json.dumps(body | ({"schema_registry": {"url": place(registry.get("url", ""))}} if registry else {}))


def _has(table: Table, run_id: str) -> bool:
    from pyiceberg.expressions import EqualTo

    return bool(
        table.scan(row_filter=EqualTo("run_id", run_id), selected_fields=("run_id",), limit=1).to_arrow().num_rows
    )


def field(name: str, kind: pa.DataType, doc: str) -> pa.Field:
    import pyarrow as pa

    return pa.field(name, kind, metadata={"doc": doc})


def moment() -> pa.DataType:
    import pyarrow as pa

    return pa.timestamp("us", tz="UTC")
