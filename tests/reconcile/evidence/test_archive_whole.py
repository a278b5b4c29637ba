"""Whether an archive is whole where no ledger says up to where the stream has read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from tests.reconcile.causes.test_causes import spoil_stream, stream_of
from tests.support.unnamed_rows import unnamed
from tests.support.world import CONTRACT, World
from tests.support.world_rows import Record

MakeWorld = Callable[..., World]
PRODUCER, BROKER = 0, 1


def taken(world: World, kind: int, after: timedelta) -> None:
    """The archive's records were sent or taken (`kind`) so long after now, which is when the stream commits."""
    archived, moment = world._archived, datetime.now(UTC) + after

    def stamped(records: Sequence[Record], source: str) -> pa.Table:
        rows = archived(records, source).to_pylist()
        rows = [{**row, "kafka_timestamp": moment, "kafka_timestamp_type": kind} for row in rows]
        return pa.Table.from_pylist(rows, schema=archived(records, source).schema)

    world._archived = stamped  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("kind", "after", "cause"),
    [
        (BROKER, timedelta(hours=1), "value_divergence"),
        (BROKER, timedelta(hours=-1), "unexplained"),
        (PRODUCER, timedelta(hours=1), "unexplained"),
    ],
    ids=["taken after the commit", "taken before the commit", "sent by a clock that is ahead"],
)
def test_without_a_ledger_the_brokers_clock_decides(
    kind: int, after: timedelta, cause: str, make_world: MakeWorld
) -> None:
    world = stream_of(make_world(), [])
    spoil_stream(world, "a", "pa", seconds=-1.0)
    world.ledger.clear()
    taken(world, kind, after)
    unnamed(world, contract=CONTRACT.replace("KEY", "[show_id]").replace("KIND", world.contract.join.kind)).reconcile()
    assert world.told() == [("a pa", f"mismatch {cause}")]
