"""What could not enter the join, taken out of the archive into a table of its own: each record once.

The archiver writes beside every record why it cannot enter, exactly once. This copy is made by difference with what
the quarantine already holds, so that it may be killed, repeated, or run after the archive was compacted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plumbline.connect.table_growth import refuse_retyped
from plumbline.connect.table_names import QUARANTINE
from plumbline.connect.tables import QUARANTINE_SCHEMA
from plumbline.contract.identity import rows_condition
from plumbline.contract.model import Contract

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake

MOST_AT_ONCE = 10_000
"""Records copied in one commit: a value may be as long as Kafka lets it be."""

Place = tuple[int, int]


def publish(lake: Lake, contract: Contract) -> int:
    """Copy to `plumbline.quarantine` what the archives hold and it lacks; returns how many records. Safe to repeat."""
    lake.ensure_table(QUARANTINE, QUARANTINE_SCHEMA)
    return sum(_publish(lake, contract, name) for name in contract.sources)


def counts(lake: Lake, contract: Contract) -> dict[str, dict[str, int]]:
    """Records in quarantine: `{source: {reason: n}}`, every source of the contract, its most frequent reason first."""
    found: dict[str, dict[str, int]] = {name: {} for name in contract.sources}
    if not lake.exists(QUARANTINE):
        return found
    table = lake.load(QUARANTINE)
    refuse_retyped(table, "quarantine")
    rows = table.scan(_mine(table, contract), selected_fields=("source", "reason")).to_arrow()
    grouped = rows.group_by(["source", "reason"]).aggregate([([], "count_all")]).to_pylist()
    for row in sorted(grouped, key=lambda row: (-row["count_all"], row["reason"])):
        found.setdefault(row["source"], {})[row["reason"]] = row["count_all"]
    return found


def newest(lake: Lake, contract: Contract, limit: int) -> list[dict[str, Any]]:
    """The `limit` records in quarantine with the newest record time, newest first: rows of `plumbline.quarantine`."""
    from pyiceberg.expressions import And, GreaterThanOrEqual

    if not lake.exists(QUARANTINE) or limit == 0:
        return []
    table = lake.load(QUARANTINE)
    mine = _mine(table, contract)
    times = table.scan(mine, selected_fields=("kafka_timestamp",)).to_arrow()["kafka_timestamp"]
    if len(times) == 0:
        return []
    oldest = times.take(_newest_first(times)[:limit])[-1].as_py()
    # A table that others filled may hold records without a time: they come last.
    recent = mine if oldest is None else And(mine, GreaterThanOrEqual("kafka_timestamp", oldest.isoformat()))
    rows = table.scan(recent).to_arrow()
    rows = rows.sort_by([("kafka_timestamp", "descending"), ("source", "ascending"), ("offset", "descending")])
    kept: list[dict[str, Any]] = rows.slice(0, limit).to_pylist()
    return kept


def _newest_first(times: pa.ChunkedArray) -> pa.Array:
    import pyarrow.compute as pc

    return pc.sort_indices(times, sort_keys=[("", "descending")])


def _mine(quarantine: Table, contract: Contract) -> Any:
    from pyiceberg.expressions.parser import parse

    return parse(rows_condition(contract, quarantine.schema().column_names))


def _publish(lake: Lake, contract: Contract, name: str) -> int:
    from pyiceberg.expressions import And, EqualTo, NotNull

    archive = contract.sources[name].archive
    if not lake.exists(archive):
        return 0
    table, judged, quarantine = lake.load(archive), NotNull("quarantine_reason"), lake.load(QUARANTINE)
    mine = And(_mine(quarantine, contract), EqualTo("source", name))
    new = sorted(_places(table, judged) - _places(quarantine, mine))
    if new:
        lake.evolve(QUARANTINE, QUARANTINE_SCHEMA)
    for start in range(0, len(new), MOST_AT_ONCE):
        rows = _rows(contract, name, _read(table, new[start : start + MOST_AT_ONCE]))
        lake.append(QUARANTINE, rows, {"plumbline.contract": contract.contract})
    return len(new)


def _places(table: Table, row_filter: Any) -> set[Place]:
    found = table.scan(row_filter, selected_fields=("partition", "offset")).to_arrow()
    return set(zip(found["partition"].to_pylist(), found["offset"].to_pylist(), strict=True))


def _read(table: Table, places: list[Place]) -> pa.Table:
    """The archived records at these places, which are in order: only files with such offsets are opened."""
    from pyiceberg.expressions import And, GreaterThanOrEqual, In, LessThanOrEqual, NotNull

    offsets = [offset for _, offset in places]
    reach = And(
        In("partition", {partition for partition, _ in places}),
        GreaterThanOrEqual("offset", min(offsets)),
        LessThanOrEqual("offset", max(offsets)),
    )
    found = table.scan(And(NotNull("quarantine_reason"), reach)).to_arrow()
    wanted = set(places)
    held = zip(found["partition"].to_pylist(), found["offset"].to_pylist(), strict=True)
    return found.filter([place in wanted for place in held])


def _rows(contract: Contract, name: str, archived: pa.Table) -> pa.Table:
    import pyarrow as pa

    now = datetime.now(UTC)
    written = contract.output.stream_table
    given = {"contract": contract.contract, "source": name, "noted_at": now, "stream_table": written}
    renamed = archived.rename_columns({"quarantine_reason": "reason"})
    columns = [
        pa.repeat(pa.scalar(given[field.name], field.type), archived.num_rows)
        if field.name in given
        else renamed[field.name].cast(field.type)
        for field in QUARANTINE_SCHEMA
    ]
    return pa.table(columns, schema=QUARANTINE_SCHEMA)
