"""What checks came to: `plumbline.expectations`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plumbline.contract.model import Contract
from plumbline.contract.ranges import parse_time

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake

EXPECTATIONS = "plumbline.expectations"


def expectations_schema() -> pa.Schema:
    """One row per checked table."""
    import pyarrow as pa

    from plumbline.connect.onto import order_column

    moment = pa.timestamp("us", tz="UTC")
    columns = (
        ("check_id", pa.string(), "digest of contract, table, range, snapshot and results"),
        ("contract", pa.string(), "name of the contract"),
        ("subject", pa.string(), "stream, batch, staging, or sources.NAME"),
        ("table", pa.string(), "the table that was checked"),
        ("snapshot_id", pa.int64(), "its pinned snapshot; null: it was empty"),
        ("range_from", moment, "start of the range; null: open"),
        ("range_to", moment, "end of the range, not in it; null: open"),
        ("rows", pa.int64(), "rows of the range"),
        ("expectations", pa.int32(), "how many were checked"),
        ("failed", pa.int32(), "how many of them failed"),
        ("document", pa.string(), "JSON: the table's part of what `plumbline expect --json` prints"),
        ("recorded_at", moment, "when the check was recorded"),
        order_column(),
    )
    return pa.schema([pa.field(name, kind, metadata={"doc": doc}) for name, kind, doc in columns])


def keep_record(lake: Lake, contract: Contract, document: Mapping[str, Any]) -> int:
    """Append a row for each checked table, each once per check id; how many were new."""
    import pyarrow as pa
    from pyiceberg.expressions import In

    from plumbline.connect.onto import ORDER, append_onto, next_order

    rows, schema = [_row(contract, document, subject) for subject in document["tables"]], expectations_schema()
    lake.ensure_table(EXPECTATIONS, schema)
    lake.evolve(EXPECTATIONS, schema)
    new: list[dict[str, Any]] = []

    def those_missing(table: Table) -> pa.Table | None:
        known = table.scan(In("check_id", {row["check_id"] for row in rows}), selected_fields=("check_id",)).to_arrow()
        new[:] = [
            {**row, ORDER: next_order(table)} for row in rows if row["check_id"] not in known["check_id"].to_pylist()
        ]
        return pa.Table.from_pylist(new, schema=schema) if new else None

    append_onto(lake, EXPECTATIONS, those_missing, {})
    return len(new)


def recorded(lake: Lake, contract: Contract, time_range: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """The newest check of each table over exactly this range: `{"subject", "table", ...}` as in the document.

    Checks of another contract's tables that has the same name are not among them.
    """
    from plumbline.connect.onto import ORDER, columns_of, in_order
    from plumbline.connect.records import records

    if not lake.exists(EXPECTATIONS):
        return []
    told = ("subject", "table", "range_from", "range_to", "document", "recorded_at", ORDER)
    rows = records(lake, EXPECTATIONS, columns_of(lake.load(EXPECTATIONS), *told), {"contract": contract.contract})
    wanted, own = tuple(map(_moment, (time_range["from"], time_range["to"]))), _tables(contract)
    of_range = [row for row in rows if (row["range_from"], row["range_to"]) == wanted]
    mine = [row for row in of_range if own.get(row["subject"], row["table"]) == row["table"]]
    newest = {row["subject"]: row for row in sorted(mine, key=in_order)}
    return [{"subject": subject, **json.loads(row["document"])} for subject, row in sorted(newest.items())]


def _tables(contract: Contract) -> dict[str, str]:
    """Subject to its table, of those that the contract names; a staging table is its replay's."""
    archives = {f"sources.{name}": source.archive for name, source in contract.sources.items()}
    return {"stream": contract.output.stream_table, "batch": contract.output.batch_table, **archives}


def _row(contract: Contract, document: Mapping[str, Any], subject: str) -> dict[str, Any]:
    table = document["tables"][subject]
    told = json.dumps(table, default=str)
    question = json.dumps([contract.fingerprint(), subject, document["range"], told])
    return {
        "check_id": hashlib.sha256(question.encode()).hexdigest()[:16],
        "contract": contract.contract,
        "subject": subject,
        **{name: table[name] for name in ("table", "snapshot_id", "rows")},
        "range_from": _moment(document["range"]["from"]),
        "range_to": _moment(document["range"]["to"]),
        "expectations": len(table["expectations"]),
        "failed": sum(not one["success"] for one in table["expectations"]),
        "document": told,
        "recorded_at": datetime.now(UTC),
    }


def _moment(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
