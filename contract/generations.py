"""Topics that were deleted and recreated under their name: which of them a partition number means. Pure.

Kafka gives every topic an id (KIP-516), and one that is recreated counts its offsets from 0 again. So that a partition
and an offset name one record for ever, archive, epoch ledger and lineage write the Kafka partition of a source's first
topic as it is, and of each further one 1,000,000 more: partition 1000003 is partition 3 of the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

APART = 1_000_000
"""Between the partition numbers of one topic and of the next one of its name; no Kafka topic has so many partitions."""

Ids = tuple[str | None, ...]
"""The ids of the topics that had a name, oldest first; None: not known, as a broker before Kafka 2.8 tells none."""


def placed(partition: int, generation: int) -> int:
    """The partition number under which a record of the `generation`th topic of the name is known, from 0."""
    return partition + generation * APART


def in_topic(partition: int, generation: int) -> int | None:
    """The partition in the `generation`th topic behind a partition number; None for one of another topic."""
    return partition % APART if partition // APART == generation else None


def of_topic(values: Mapping[int, T], generation: int) -> dict[int, T]:
    """Those of the values by partition number that are of the `generation`th topic, by its own partitions."""
    there = {in_topic(partition, generation): value for partition, value in values.items()}
    return {partition: value for partition, value in there.items() if partition is not None}


def spelled(partition: int) -> str:
    """A partition number for readers: `3`, and `3 of the recreated topic (1000003)` of a later topic."""
    generation, there = divmod(partition, APART)
    topic = "recreated topic" if generation == 1 else f"topic recreated {generation} times"
    return f"{there} of the {topic} ({partition})" if generation else str(partition)


@dataclass(frozen=True)
class Generation:
    """One topic of a name as a checkpoint of the join has read it.

    `epoch` is the first one that may have read it; `before` are the ends up to which the earlier ones had been read
    (partition number as text to offset).
    """

    topic_id: str | None
    epoch: int = 0
    before: Mapping[str, int] = field(default_factory=dict)


def ends_in(generations: Sequence[Generation], epoch: int, read: Mapping[str, int]) -> tuple[Ids, dict[str, int]]:
    """The ids up to the topic that an epoch read, and where it ended, by partition number, when its log says `read`.

    The last epoch before a change of topic was turned to the new topic's beginning: its true end stands with that one.
    """
    known = [generation for generation in generations if generation.epoch <= epoch]
    ids = tuple(generation.topic_id for generation in known)
    following = next((generation for generation in generations if generation.epoch == epoch + 1), None)
    if following is not None:
        return ids, dict(following.before)
    number = max(0, len(known) - 1)
    before = known[-1].before if known else {}
    return ids, {**before, **{str(placed(int(partition), number)): end for partition, end in read.items()}}


def in_newest(ends: Mapping[str, int], generation: int) -> dict[str, int]:
    """Those of the ends that are of the `generation`th topic, by its own partitions."""
    mine = of_topic({int(partition): end for partition, end in ends.items()}, generation)
    return {str(partition): end for partition, end in mine.items()}


def older(ends: Mapping[str, int], generation: int) -> dict[str, int]:
    """Those of the ends that are of topics before the `generation`th."""
    return {partition: end for partition, end in ends.items() if int(partition) // APART < generation}
