"""What an Iceberg table tells of itself, as plain values: its columns, the engine that writes it, its Kafka columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.contract.errors import UsageError
from plumbline.contract.safe_text import shown

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake

TIMES = ("timestamptz", "timestamp")
BY_COMMITS = {"spark": "spark.sql.streaming.queryId", "flink": "flink.job-id"}
"""What the streaming sinks of the engines write into the summary of each commit."""
OF_OUR_ARCHIVER = {"topic", "partition", "offset", "kafka_timestamp", "value", "event_time", "quarantine_reason"}
RECORD_TIME = "_kafka_metadata_timestamp"
"""Kafka Connect's Iceberg sink, transform KafkaMetadataTransform: the record's own time, in ms."""
_PARTS = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+"


@dataclass(frozen=True)
class Seen:
    """A table: `columns` maps each column to its Iceberg type. `engine` is the streaming engine that all its commits of
    a stream name, None where none or two do. `places` are the columns of its Kafka coordinates: partition, offset and,
    where there are any, topic and timestamp; empty where they are not found by their names."""

    name: str
    columns: Mapping[str, str]
    engine: str | None = None
    places: Mapping[str, str] | None = None

    @property
    def of_our_archiver(self) -> bool:
        """Whether Plumbline's archiver made it: the records' bytes, their fields in no column."""
        return set(self.columns) >= OF_OUR_ARCHIVER and self.columns["value"] == "binary"

    @property
    def times(self) -> tuple[str, ...]:
        """Its timestamp columns but those of the record."""
        placed = (self.places or {}).values()
        return tuple(name for name, kind in self.columns.items() if kind in TIMES and name not in placed)


def look(lake: Lake, names: Iterable[str | None]) -> dict[str, Seen]:
    """The named tables. Raises SetupError for a missing one, UsageError for one that a contract cannot name."""
    found: dict[str, Seen] = {}
    for name in names:
        if name is None:
            continue
        if name in found:
            raise UsageError(f"table {name} is named twice", next_step="name each table for one purpose")
        if not re.fullmatch(_PARTS, name) or name.startswith("plumbline."):
            raise UsageError(
                f"a contract cannot name table {shown(name)!r}",
                next_step="a table is namespace.table, each of letters, digits and _; the namespace plumbline is kept",
            )
        found[name] = _seen(lake.load(name), name)
    return found


def _seen(table: Table, name: str) -> Seen:
    columns = {field.name: str(field.field_type) for field in table.schema().fields}
    said = [snapshot.summary.additional_properties for snapshot in table.snapshots() if snapshot.summary]
    engines = [engine for engine, mark in BY_COMMITS.items() if any(mark in each for each in said)]
    return Seen(name, columns, engines[0] if len(engines) == 1 else None, _places(table, name, columns))


def _places(table: Table, name: str, columns: Mapping[str, str]) -> dict[str, str]:
    from plumbline.reconcile.audit.columns import coordinates

    try:
        found = coordinates(table.schema(), name).document()
    except UsageError:
        return {}
    places = {place: column for place, column in found.items() if column is not None}
    if columns.get(RECORD_TIME) == "long" and places["partition"].startswith("_kafka_metadata_"):
        places["timestamp"] = RECORD_TIME
    return places if set(places.values()) <= set(columns) else {}
