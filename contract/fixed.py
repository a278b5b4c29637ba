"""What never changes under a running checkpoint, and what Spark would make of it if it did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from plumbline.contract.model import Contract
from plumbline.contract.yaml_lines import Path

EVOLVING = {
    "sources": {"fields", "aliases", "compute", "where", "event_time", "event_id"},
    "join": {"on"},
    "output": {"columns", "batch_table"},
}
"""Keys that `contract/evolution.py` compares by their meaning; every other key of these blocks is fixed."""

STREAM = ("state", "shuffle_partitions", "transform")
"""Keys of `stream` that are fixed; the others are tuning."""

EFFECTS = {
    "topic": "the checkpoint's offsets belong to the old topic",
    "format": "records read before and after would be decoded in two ways",
    "watermark": "Spark would apply it at once, and drop as late, or release from state, different events than before",
    "archive": "the archiver would continue in the middle, and the new archive would lack all earlier records",
    "event_time_within": "the batch reference would judge all earlier events by the new bounds",
    "max_bytes": "the batch reference would judge all earlier events by the new bound",
    "kind": "Spark would continue with state kept for the other kind, and rows would be missing or written twice",
    "within": "Spark would continue with state kept for the old interval: rows released from it are silently missing",
    "left": "state is kept by the old side",
    "right": "state is kept by the old side",
    "key": "rows of the stream table would be compared by columns that they were not made for",
    "stream_table": "the new table would begin in the middle of the join",
    "partition_by": "a table keeps the partitions that it was made with",
    "state": "Spark would continue with the checkpoint's own, and silently ignore the contract",
    "shuffle_partitions": "Spark would continue with the checkpoint's own, and silently ignore the contract",
    "transform": "the batch reference would apply the new function to rows that the stream made by the old one",
}
"""Last part of a key to what would have happened."""


def fixed_changes(was: Contract, now: Contract) -> Iterator[tuple[Path, str, str]]:
    """`(path, what changed, what would have happened)` of each fixed key. Both contracts have sources of one name."""
    before, after = was.model_dump(mode="json"), now.model_dump(mode="json")
    for name in now.sources:
        yield from _block(("sources", name), before["sources"][name], after["sources"][name], EVOLVING["sources"])
    for block in ("join", "output"):
        yield from _block((block,), before[block], after[block], EVOLVING[block])
    tuning = set(before["stream"]) - set(STREAM)
    yield from _block(("stream",), before["stream"], after["stream"], tuning)


def _block(
    path: Path, before: dict[str, Any], after: dict[str, Any], free: set[str]
) -> Iterator[tuple[Path, str, str]]:
    for key in after:
        if key not in free and before.get(key) != after[key]:
            place = (*path, key)
            what = f"{'.'.join(map(str, place))} was {before.get(key)!r}, is now {after[key]!r}"
            yield place, what, EFFECTS.get(key, "the checkpoint was made for the old one")
