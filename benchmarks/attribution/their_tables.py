"""The tables of a world as a team's own job leaves them: its stream table, and no more evidence than the team has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from benchmarks.attribution.planting import CONTRACT_TEXT
from plumbline.connect.table_names import EPOCHS, QUARANTINE
from plumbline.contract.loader import parse
from tests.support.world import OUTPUT, World, play, show
from tests.support.world_rows import Row, archive_rows

EVIDENCE = {
    "lineage": "lineage, archive and ledger",
    "ledger": "archive and ledger",
    "archive": "archive alone",
    "tables": "both tables alone",
}
"""What a team has beside its two tables, from most to least."""
STREAM, BATCH = "joined.plays_stream", "joined.plays_batch"
NAMES = {
    "_event_time": "shown",
    "_left_partition": "show_p",
    "_left_offset": "show_o",
    "_right_partition": "play_p",
    "_right_offset": "play_o",
}
LINEAGE = ", lineage: {left: {partition: show_p, offset: show_o}, right: {partition: play_p, offset: play_o}}"


def as_theirs(world: World, evidence: str) -> None:
    """Leave of a written world what there is by `evidence`, its stream table as a team's own job writes it."""
    named = evidence == "lineage"
    kind = "spark" if evidence in ("lineage", "ledger") else "other"
    job = f"\njob: {{kind: {kind}, event_time: shown{LINEAGE if named else ''}}}\n"
    world.contract = parse(CONTRACT_TEXT + job, "plays.yaml")
    _stream(world, named, marked=kind == "spark")
    if evidence in ("archive", "tables"):
        world.lake.catalog().drop_table(EPOCHS)
    if evidence == "archive":
        _go_on(world)
    if evidence == "tables":
        for table in ("raw.shows", "raw.plays", *([QUARANTINE] if world.lake.exists(QUARANTINE) else [])):
            world.lake.catalog().drop_table(table)
        values = [name for name in OUTPUT.names if not name.startswith("_")]
        _put(world, BATCH, [OUTPUT.field(name) for name in [*values, "_event_time"]], world.batch, {})


def _stream(world: World, named: bool, *, marked: bool) -> None:
    """The stream table with the job's own names; `marked` commits name query and epoch, as those of Spark do.

    Where rows do not know the column `seconds`, the table gets it after the epoch that read the last of them.
    """
    has = [name for name in OUTPUT.names if not name.startswith("_") or named or name == "_event_time"]
    has += ["_replay_id"] if any(row.replay_id for row in world.stream) else []
    fields = [pa.field(NAMES.get(name, name), OUTPUT.field(name).type) for name in dict.fromkeys(has)]
    world.lake.catalog().drop_table(STREAM)
    before = [world.read_in[row.right.name] for row in world.stream if row.right and not row.knows_seconds]
    if before:
        earlier = [one for one in fields if one.name != "seconds"]
        _append(world, STREAM, earlier, [], _of_epoch(max(before)) if marked else {})
        world.lake.evolve(STREAM, pa.schema(fields))
    newest = max(row["epoch"] for row in world.ledger)
    _append(world, STREAM, fields, world.stream, _of_epoch(newest) if marked else {})


def _of_epoch(epoch: int) -> dict[str, str]:
    return {
        "spark.sql.streaming.queryId": "q1",
        "spark.sql.streaming.epochId": str(epoch),
        "engine-version": "4.1.4",
    }


def _put(world: World, table: str, fields: Sequence[pa.Field], rows: Sequence[Row], said: Mapping[str, str]) -> None:
    world.lake.catalog().drop_table(table)
    _append(world, table, fields, rows, said)


def _append(world: World, table: str, fields: Sequence[pa.Field], rows: Sequence[Row], said: Mapping[str, str]) -> None:
    schema = pa.schema(fields)
    held = [row.values() for row in rows]
    values: list[dict[str, Any]] = [row | {NAMES.get(name, name): row[name] for name in row} for row in held]
    world.lake.ensure_table(table, schema)
    kept = [{name: row[name] for name in schema.names} for row in values]
    world.lake.append(table, pa.Table.from_pylist(kept, schema=schema), dict(said))


def _go_on(world: World) -> None:
    """One more record in each partition, which the broker took in after the stream table's newest commit: only by such
    records an archive is known to have all that the job can have read."""
    later = datetime.now(UTC) + timedelta(days=1)
    for side, source in (("left", "shows"), ("right", "plays")):
        ends: dict[int, int] = {}
        for record in world.records:
            if record.side == side:
                ends[record.partition] = max(ends.get(record.partition, 0), record.offset + 1)
        made = {"left": show("after", 9_000), "right": play("after all", "after", 9_000)}[side]
        rows = archive_rows([replace(made, partition=p, offset=end) for p, end in ends.items()], source).to_pylist()
        late = [{**row, "kafka_timestamp": later, "kafka_timestamp_type": 1} for row in rows]
        schema = world.lake.load(f"raw.{source}").scan().to_arrow().schema
        world.lake.append(f"raw.{source}", pa.Table.from_pylist(late, schema=schema))
