"""The epoch ledger as an Iceberg table: published in bulk, read by reconcile and replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plumbline.connect.table_names import EPOCHS
from plumbline.connect.tables import EPOCHS_SCHEMA
from plumbline.contract.generations import APART
from plumbline.contract.identity import rows_condition
from plumbline.contract.model import Contract
from plumbline.contract.operators import planned_by
from plumbline.stream_job.ledger import Epoch, Ledger

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake


def publish(lake: Lake, contract: Contract, ledger: Ledger) -> int:
    """Append to `plumbline.epochs` the recorded epochs that it lacks; returns how many. Safe to repeat."""
    import pyarrow as pa

    lake.ensure_table(EPOCHS, EPOCHS_SCHEMA)
    if ledger.last_epoch() < 0:
        return 0
    query_id = ledger.read(ledger.last_epoch()).query_id
    missing = list(ledger.epochs(after=_last_published(lake, query_id)))
    if missing:
        lake.evolve(EPOCHS, EPOCHS_SCHEMA)
        rows = pa.Table.from_pylist(list(rows_of(contract, missing)), schema=EPOCHS_SCHEMA)
        lake.append(EPOCHS, rows, {"plumbline.contract": contract.contract})
    return len(missing)


def publish_missing(lake: Lake, contract: Contract, ledger: Ledger) -> int:
    """The same of records with gaps, of a query that several contracts may observe; returns how many were appended."""
    import pyarrow as pa

    lake.ensure_table(EPOCHS, EPOCHS_SCHEMA)
    records = list(ledger.epochs())
    if not records:
        return 0
    lake.evolve(EPOCHS, EPOCHS_SCHEMA)
    there = _published(lake, contract, records[0].query_id)
    missing = [record for record in records if record.epoch not in there and any(record.end)]
    if missing:
        rows = pa.Table.from_pylist(list(rows_of(contract, missing)), schema=EPOCHS_SCHEMA)
        lake.append(EPOCHS, rows, {"plumbline.contract": contract.contract})
    return len(missing)


def note_operators(lake: Lake, contract: Contract, query_id: str, operators: str) -> None:
    """Note a query's stateful operators with the epochs that were published before they were known. Safe to repeat."""
    import pyarrow as pa
    from pyiceberg.expressions import And, EqualTo, IsNull
    from pyiceberg.expressions.parser import parse

    from plumbline.connect.onto import commit_onto
    from plumbline.connect.table_plan import refuse_equality_deletes

    def noted(table: Table) -> None:
        columns = table.schema().column_names
        if "operators" not in columns:
            return
        untold = And(parse(rows_condition(contract, columns)), EqualTo("query_id", query_id), IsNull("operators"))
        rows = table.scan(untold).to_arrow()
        if rows.num_rows:
            refuse_equality_deletes(table, "a note of operators")
            names = pa.array([operators] * rows.num_rows, pa.string())
            told = rows.set_column(rows.schema.get_field_index("operators"), "operators", names)
            table.overwrite(told, overwrite_filter=untold)

    commit_onto(lake, EPOCHS, noted)  # no epoch that another observer adds meanwhile is overwritten


def rows_of(contract: Contract, epochs: Iterable[Epoch]) -> Iterator[dict[str, Any]]:
    """The table's rows: one per epoch and source partition."""
    names = (contract.join.left, contract.join.right)
    for epoch in epochs:
        for name, ids, start, end in zip(names, epoch.topic_ids, epoch.start, epoch.end, strict=True):
            for partition, end_offset in sorted(end.items(), key=lambda item: int(item[0])):
                yield {
                    "contract": contract.contract,
                    "query_id": epoch.query_id,
                    "run_id": epoch.run_id,
                    "epoch": epoch.epoch,
                    "source": name,
                    "topic": contract.sources[name].topic,
                    "partition": int(partition),
                    "start_offset": start.get(partition, 0),
                    "end_offset": end_offset,
                    "late_watermark_ms": epoch.late_watermark_ms,
                    "evict_watermark_ms": epoch.evict_watermark_ms,
                    "no_data": epoch.no_data,
                    "stream_table": contract.output.stream_table,
                    "planned_at": datetime.fromtimestamp(epoch.planned_at_ms / 1000, UTC),
                    "topic_id": dict(enumerate(ids)).get(int(partition) // APART),
                    "spark_version": epoch.spark_version,
                    "operators": epoch.operators,
                }


def newest(lake: Lake, contract: Contract) -> dict[str, Any] | None:
    """The contract's newest published epoch, None without one.

    Its fields: `query_id`, `epoch`, `planned_at`, `evict_watermark_ms`, `operators` (None: not noted), and
    `spark_version`, as `planned_by` names it.
    """
    if not lake.exists(EPOCHS):
        return None
    table = lake.load(EPOCHS)
    known = set(table.schema().column_names)
    fields = ("query_id", "epoch", "planned_at", "evict_watermark_ms", *({"spark_version", "operators"} & known))
    rows: list[dict[str, Any]] = (
        table.scan(rows_condition(contract, table.schema().column_names), selected_fields=fields).to_arrow().to_pylist()
    )
    last = max(rows, key=lambda row: (row["planned_at"], row["query_id"]), default=None)
    if last is None:
        return None
    # Of one checkpoint the number tells which epoch is the newest: the job's clock may have been set back.
    found = max((row for row in rows if row["query_id"] == last["query_id"]), key=lambda row: int(row["epoch"]))
    operators = found.get("operators")
    version = planned_by(contract, found.get("spark_version"), operators)
    return {**found, "operators": operators, "spark_version": version}


def writer(lake: Lake, query_id: str) -> str | None:
    """The name of the contract whose job had this checkpoint; None when the published ledger does not know it."""
    from pyiceberg.expressions import EqualTo

    if not lake.exists(EPOCHS):
        return None
    found = lake.load(EPOCHS).scan(EqualTo("query_id", query_id), selected_fields=("query_id", "contract"), limit=1)
    return next((str(row["contract"]) for row in found.to_arrow().to_pylist()), None)


def _published(lake: Lake, contract: Contract, query_id: str) -> set[int]:
    """The epochs of a query that the table has of this contract."""
    from pyiceberg.expressions import And, EqualTo
    from pyiceberg.expressions.parser import parse

    table = lake.load(EPOCHS)
    mine = parse(rows_condition(contract, table.schema().column_names))
    scan = table.scan(And(mine, EqualTo("query_id", query_id)), selected_fields=("epoch",))
    return set(scan.to_arrow()["epoch"].to_pylist())


def _last_published(lake: Lake, query_id: str) -> int:
    from pyiceberg.expressions import EqualTo

    scan = lake.load(EPOCHS).scan(row_filter=EqualTo("query_id", query_id), selected_fields=("epoch",))
    return max(scan.to_arrow()["epoch"].to_pylist(), default=-1)
