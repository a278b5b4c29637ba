"""A source's archive as views of single snapshots: one that Plumbline writes, or one that another tool does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import ident, text
from plumbline.connect.table_growth import refuse_retyped
from plumbline.contract.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract, Source

PLACES, TIMES = ("int", "long"), ("timestamptz", "timestamp", "long")
NEEDED = {"partition": PLACES, "offset": PLACES, "event_time": TIMES, "kafka_timestamp": TIMES, "topic": ("string",)}
"""Iceberg types that a column of another tool's archive may have."""
SHOWN = {"partition": "INTEGER", "offset": "BIGINT", "topic": "VARCHAR", "value": "BLOB", "event_id": "VARCHAR",
         "event_time": "TIMESTAMPTZ", "kafka_timestamp": "TIMESTAMPTZ", "kafka_timestamp_type": "INTEGER",
         "quarantine_reason": "VARCHAR"}  # fmt: skip
"""The types under which columns are shown, as the archiver has them."""


def scan_archive(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    source: Source,
    snapshot_id: int | None,
    *,
    view: str,
    columns: Sequence[str],
    row_filter: str | None = None,
) -> None:
    """A view of an archive at a snapshot, its columns as the archiver calls them; see `connect.pinned.scan`.

    Of an archive of another tool what its map does not name is NULL, and the topic is the source's. A row without
    partition or offset is no record. Raises ContractError as `refuse_unfit`.
    """
    theirs = source.archive_columns
    if theirs is None:
        pinned.scan(
            con, lake, source.archive, snapshot_id, view=view, row_filter=row_filter, columns=columns, schema="archive"
        )
        return
    kinds, named = _kinds(lake, source.archive), theirs.named
    wanted = {ours: name for ours, name in named.items() if ours in {*columns, "partition", "offset"}}
    raw = f"{view} of theirs"
    pinned.scan(
        con,
        lake,
        source.archive,
        snapshot_id,
        view=raw,
        row_filter=_renamed(row_filter, named, kinds),
        columns=tuple(dict.fromkeys(wanted.values())),
        schema=None,
    )
    shown = ", ".join(f"{_shown(ours, wanted, kinds, source)} AS {ident(ours)}" for ours in columns)
    places = f"{ident(theirs.partition)} IS NOT NULL AND {ident(theirs.offset)} IS NOT NULL"
    con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS SELECT {shown} FROM {ident(raw)} WHERE {places}")


def refuse_unfit(lake: Lake, contract: Contract) -> None:
    """Raise SetupError for an archive of ours with a retyped column, ContractError for a map that does not fit the
    table: a column that it lacks, or that cannot hold what the contract says."""
    for name, source in contract.sources.items():
        if not lake.exists(source.archive):
            continue
        if source.archive_columns is None:
            refuse_retyped(lake.load(source.archive), "archive")
            continue
        kinds = _kinds(lake, source.archive)
        for ours, theirs in source.archive_columns.named.items():
            key = "timestamp" if ours == "kafka_timestamp" else ours
            if kinds.get(theirs) in NEEDED[ours]:
                continue
            fit = [column for column, kind in kinds.items() if kind in NEEDED[ours]]
            found = f"is {kinds[theirs]}" if theirs in kinds else "does not exist"
            path = ("sources", name, "archive_columns", key)
            raise ContractError(
                f"archive_columns.{key} of source {name!r} names column {theirs!r} of {source.archive}, which {found}",
                where=contract.place(path) or ".".join(path),
                next_step=f"name a column that is {' or '.join(NEEDED[ours])}: {', '.join(fit) or 'it has none'}",
            )


def _kinds(lake: Lake, table: str) -> dict[str, str]:
    return {field.name: str(field.field_type) for field in lake.load(table).schema().fields}


def _renamed(row_filter: str | None, named: Mapping[str, str], kinds: Mapping[str, str]) -> str | None:
    """The filter over their columns; None, so that all is read, where it asks for what they do not hold as we do."""
    if row_filter is None:
        return None
    asked = set(re.findall(r"\b(?:event_time|kafka_timestamp|topic|quarantine_reason|event_id|value)\b", row_filter))
    asked |= set(re.findall(r"\b(?:partition|offset)\b", row_filter))
    same = {"event_time": ("timestamptz",), "kafka_timestamp": ("timestamptz",)}
    if any(ours not in named or kinds[named[ours]] not in same.get(ours, NEEDED[ours]) for ours in asked):
        return None
    return re.sub("|".join(rf"\b{ours}\b" for ours in sorted(asked)), lambda hit: ident(named[hit[0]]), row_filter)


def _shown(ours: str, wanted: Mapping[str, str], kinds: Mapping[str, str], source: Source) -> str:
    """SQL of one column; a time without zone is UTC, a number of ms since 1970 a time."""
    if ours not in wanted:
        return text(source.topic) if ours == "topic" else f"NULL::{SHOWN[ours]}"
    name, kind = ident(wanted[ours]), kinds[wanted[ours]]
    if SHOWN[ours] != "TIMESTAMPTZ":
        return f"{name}::{SHOWN[ours]}"
    return f"make_timestamptz({name} * 1000)" if kind == "long" else f"{name}::TIMESTAMPTZ"
