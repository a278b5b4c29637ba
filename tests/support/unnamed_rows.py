"""The stream table of a world as a team's own job writes it whose rows do not name their records."""

from __future__ import annotations

import pyarrow as pa

from plumbline.contract.loader import parse
from tests.support.world import OUTPUT, World

JOB = "\njob: {kind: spark, event_time: shown}\n"
STREAM, NEWEST = "joined.plays_stream", 8


def unnamed(world: World, *, contract: str, event_time: bool = True, newest: int = NEWEST) -> World:
    """Write the tables; the stream's as such a job does: values and, under another name, the left event's time.

    Its newest commit is of epoch `newest` of the query q1.
    """
    world.write()
    world.contract = parse(contract + (JOB if event_time else "\njob: {kind: spark}\n"), "plays.yaml")
    kept = [field for field in OUTPUT if not field.name.startswith("_")]
    schema = pa.schema([*kept, pa.field("shown", OUTPUT.field("_event_time").type)] if event_time else kept)
    rows = [{**row.values(), "shown": row.left.at} for row in world.stream]
    world.lake.catalog().drop_table(STREAM)
    world.lake.ensure_table(STREAM, schema)
    table = pa.Table.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema=schema)
    said = {"spark.sql.streaming.queryId": "q1", "spark.sql.streaming.epochId": str(newest), "engine-version": "4.1.4"}
    world.lake.append(STREAM, table, said)
    return world
