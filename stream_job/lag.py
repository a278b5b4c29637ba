"""What lies around a streaming job: the topics' ends, the newest commit of the sink, the quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.connect.kafka_config import ISOLATION, READ_UNCOMMITTED
from plumbline.connect.table_names import QUARANTINE
from plumbline.contract.commit_properties import EPOCH_ID
from plumbline.contract.identity import rows_condition
from plumbline.contract.model import Contract

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake


@dataclass(frozen=True)
class LastCommit:
    """The newest commit of the stream table that an epoch made. `at_ms` is in ms since 1970."""

    snapshot_id: int
    at_ms: int
    epoch: int


def held(contract: Contract, kafka: Mapping[str, str]) -> dict[str, int]:
    """Source to how many offsets stand behind the first open transaction of a partition: nobody reads them before it
    ends. None where all records are read. Raises as Kafka's clients."""
    from plumbline.connect.kafka import end_offsets

    found = {}
    for name, source in contract.sources.items():
        # In this order: what is sent and committed between the two questions stands behind nothing.
        last = end_offsets({**kafka, ISOLATION: READ_UNCOMMITTED}, source.topic)
        seen = end_offsets(kafka, source.topic)
        found[name] = sum(max(0, end - seen.get(partition, end)) for partition, end in last.items())
    return found


def behind(read: Mapping[str, int], end: Mapping[int, int]) -> dict[str, int]:
    """Events per partition between what was read and the topic's end."""
    return {str(partition): max(0, offset - read.get(str(partition), 0)) for partition, offset in sorted(end.items())}


def quarantined(lake: Lake, contract: Contract) -> dict[str, int]:
    """How many records of the contract are in `plumbline.quarantine`, by reason; empty without such a table."""
    if not lake.exists(QUARANTINE):
        return {}
    table = lake.load(QUARANTINE)
    mine = rows_condition(contract, table.schema().column_names)
    counts = (
        table.scan(mine, selected_fields=("contract", "reason"))
        .to_arrow()
        .group_by("reason")
        .aggregate([("reason", "count")])
        .to_pylist()
    )
    return {row["reason"]: row["reason_count"] for row in sorted(counts, key=lambda row: str(row["reason"]))}


def last_commit(lake: Lake, contract: Contract) -> LastCommit | None:
    """The newest snapshot of the stream table that an epoch committed; None without one."""
    from pyiceberg.table.snapshots import ancestors_of

    if not lake.exists(contract.output.stream_table):
        return None
    table = lake.load(contract.output.stream_table)
    for snapshot in ancestors_of(table.current_snapshot(), table.metadata):
        epoch = snapshot.summary.additional_properties.get(EPOCH_ID) if snapshot.summary else None
        if epoch is not None:
            return LastCommit(snapshot.snapshot_id, snapshot.timestamp_ms, int(epoch))
    return None
