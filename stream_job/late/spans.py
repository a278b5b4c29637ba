"""Which offsets epochs read under which watermark, and how far the archives are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plumbline.contract.lateness import unproven
from plumbline.stream_job.ledger import Epoch

if TYPE_CHECKING:
    import pyarrow as pa

OFFSETS_AT_ONCE = 1_000_000
"""Of epochs that are looked at together: the narrow columns of so many records are in memory."""

Places = dict[int, int]
"""Partition number to offset."""


def queries(epochs: Iterable[Epoch]) -> list[list[Epoch]]:
    """The epochs of each query by itself, in order."""
    found: dict[str, list[Epoch]] = {}
    for epoch in epochs:
        found.setdefault(epoch.query_id, []).append(epoch)
    return list(found.values())


def parts(epochs: Sequence[Epoch]) -> Iterator[list[Epoch]]:
    """Stretches of about OFFSETS_AT_ONCE, at least one epoch each."""
    part, size = list[Epoch](), 0
    for epoch in epochs:
        part.append(epoch)
        size += sum(end - epoch.start[side].get(p, 0) for side in (0, 1) for p, end in epoch.end[side].items())
        if size >= OFFSETS_AT_ONCE:
            yield part
            part, size = [], 0
    if part:
        yield part


def spans(epochs: Iterable[Epoch], side: int, seen: Places) -> Iterator[dict[str, Any]]:
    """What the epochs read on one side beyond `seen`, by partition, under which watermark. An epoch of a Spark whose
    rule is not proven is left out: what it dropped is not known."""
    for epoch in epochs:
        if unproven([epoch.spark_version]):
            continue
        for spelled, end in epoch.end[side].items():
            partition = int(spelled)
            start = max(epoch.start[side].get(spelled, 0), min(seen.get(partition, 0), end))
            if start < end:
                yield {
                    "partition": partition,
                    "start_offset": start,
                    "end_offset": end,
                    "epoch": epoch.epoch,
                    "run_id": epoch.run_id,
                    "planned_at": datetime.fromtimestamp(epoch.planned_at_ms / 1000, UTC),
                    "late_watermark_ms": epoch.late_watermark_ms,
                }


def hull(spans: Iterable[Mapping[str, Any]]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for span in spans:
        start, end = found.get(span["partition"], (span["start_offset"], span["end_offset"]))
        found[span["partition"]] = min(start, span["start_offset"]), max(end, span["end_offset"])
    return found


def begun(epochs: Sequence[Epoch], side: int) -> Places:
    """Where the epochs begin in each partition that they know."""
    found: Places = {}
    for epoch in epochs:
        for spelled in epoch.end[side]:
            at = epoch.start[side].get(spelled, 0)
            found[int(spelled)] = min(at, found.get(int(spelled), at))
    return found


def read_until(epochs: Sequence[Epoch], side: int) -> Places:
    """Where the epochs end in each partition that they know."""
    found: Places = {}
    for epoch in epochs:
        for spelled, end in epoch.end[side].items():
            found[int(spelled)] = max(end, found.get(int(spelled), end))
    return found


def whole(epoch: Epoch, ends: Sequence[Places]) -> bool:
    """Whether the archives hold all that an epoch read."""
    return all(
        end <= archived.get(int(partition), 0) or end == epoch.start[side].get(partition, 0)
        for side, archived in enumerate(ends)
        for partition, end in epoch.end[side].items()
    )


def spans_table(spans: Sequence[Mapping[str, Any]]) -> pa.Table:
    import pyarrow as pa

    kinds = {"partition": pa.int32(), "run_id": pa.string(), "planned_at": pa.timestamp("us", tz="UTC")}
    names = ("partition", "start_offset", "end_offset", "epoch", "run_id", "planned_at", "late_watermark_ms")
    schema = pa.schema([(name, kinds.get(name, pa.int64())) for name in names])
    return pa.Table.from_pylist([dict(span) for span in spans], schema=schema)


def places_table(places: Places) -> pa.Table:
    import pyarrow as pa

    columns = {"partition": pa.array(places, pa.int32()), "start_offset": pa.array(places.values(), pa.int64())}
    return pa.table(columns)
