"""Where a topic's Avro records carry the id of their schema: in the value, or in a header, which is not read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plumbline.contract.errors import SetupError
from plumbline.contract.model import Contract

HEADER = "__value_schema_id"
"""Of Confluent's HeaderSchemaIdSerializer: a byte 1 and the schema's GUID, 16 bytes; the value is the plain record."""

PREFIX_STEP = (
    "let its producer use the serializer that puts them there (confluent-kafka: "
    "schema.id.serializer = prefix_schema_id_serializer)"
)

LOOK_BACK = 5
"""Offsets at a partition's end that are looked at: the last ones may be ends of transactions."""


def refuse_header_ids(kafka: Mapping[str, str], contract: Contract) -> None:
    """Raise SetupError when the newest records of an Avro source have their schema's id in a header.

    Such a value has no head of its own: it would be quarantined, or read by another schema that its first bytes name.
    """
    from plumbline.connect.kafka import earliest_offsets, end_offsets
    from plumbline.connect.kafka_read import Reader

    for name, source in contract.sources.items():
        if source.format != "avro":
            continue
        begun, ends = earliest_offsets(kafka, source.topic), end_offsets(kafka, source.topic)
        spans = {partition: (max(begun[partition], end - LOOK_BACK), end) for partition, end in ends.items()}
        with Reader(kafka) as reader:
            for record in reader.records(source.topic, spans):
                if in_header(record.headers()):
                    raise SetupError(
                        f"topic {source.topic} has the schema ids of its records in the header {HEADER}",
                        where=f"{contract.place(('sources', name, 'format')) or name}: partition "
                        f"{record.partition()}, offset {record.offset()}",
                        next_step=f"only ids in front of the value are read: {PREFIX_STEP}",
                    )


def in_header(headers: Any) -> bool:
    """Whether a record's headers hold the id of its value's schema."""
    return any(key == HEADER and value for key, value in headers or ())
