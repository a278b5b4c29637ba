"""One archived record without event time, such as a tombstone, is in quarantine and changes no verdict of any range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from plumbline.connect.table_names import QUARANTINE
from plumbline.connect.tables import ARCHIVE_SCHEMA, QUARANTINE_SCHEMA
from plumbline.contract.ranges import TimeRange, from_micros
from tests.support.world import World, play, show

MakeWorld = Callable[..., World]
REASONS = {"tombstone": None, "unreadable_event_time": b'{"shown_at": "soon"}', "not_json": b"\xff"}


def refuse(world: World, source: str, reason: str) -> None:
    """Archive and quarantine a record whose event time nobody can read, an hour into the first day."""
    record: dict[str, Any] = {
        "topic": f"t.{source}",
        "partition": 0,
        "offset": 77,
        "kafka_timestamp": world.records[0].at,
        "kafka_timestamp_type": 0,
        "value": REASONS[reason],
        "schema_id": 0,
        "quarantine_reason": reason,
    }
    world.lake.append(f"raw.{source}", pa.Table.from_pylist([record], schema=ARCHIVE_SCHEMA))
    world.lake.ensure_table(QUARANTINE, QUARANTINE_SCHEMA)
    copied = {**record, "contract": "plays", "source": source, "reason": reason}
    world.lake.append(QUARANTINE, pa.Table.from_pylist([copied], schema=QUARANTINE_SCHEMA))


@pytest.mark.parametrize("source", ["shows", "plays"])
@pytest.mark.parametrize("reason", REASONS)
def test_every_range_is_clean_and_knows_the_record(make_world: MakeWorld, source: str, reason: str) -> None:
    world = make_world()
    world.play([show("a", 0), show("c", 2), play("pc", "c", 4)], [show("f", 300), play("pf", "f", 301)], []).write()
    refuse(world, source, reason)
    start, middle = (from_micros(world.record(name).us) for name in ("a", "f"))
    for asked in (TimeRange(), TimeRange(None, middle), TimeRange(start, None), TimeRange(start, middle)):
        document = world.reconcile(time_range=asked).document
        assert document["verdict"] == "clean", asked
        counted = document["records"][source]
        assert (counted["quarantined"], counted["waiting"], counted["balanced"]) == ({reason: 1}, 0, True), asked
