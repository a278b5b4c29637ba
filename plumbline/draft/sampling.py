"""Reading a sample of a topic for a draft: nothing is committed there, and nothing left open."""

from __future__ import annotations

from collections.abc import Mapping

from plumbline.connect.kafka import earliest_offsets, end_offsets
from plumbline.connect.kafka_read import Reader
from plumbline.draft.samples import Sample, sample_of

RECORDS = 2_000
"""So many records of a topic are looked at, the same number in each partition."""


def newest(properties: Mapping[str, str], topic: str) -> Sample:
    """The newest records of a topic. Raises SetupError for one that is not there, UnreachableError for brokers that do
    not answer."""
    first, ends = earliest_offsets(properties, topic), end_offsets(properties, topic)
    each = max(1, RECORDS // max(1, len(ends)))
    spans = {partition: (max(first.get(partition, 0), end - each), end) for partition, end in ends.items()}
    with Reader(properties) as reader:
        found = [(one.partition(), one.offset(), one.value()) for one in reader.records(topic, spans)]
    return sample_of(topic, found)
