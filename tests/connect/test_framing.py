"""Confluent's newer serializers put the schema's id into a header: such a topic is refused, not misread."""

from __future__ import annotations

import uuid

import pytest
import yaml

from plumbline.connect.framing import HEADER, in_header, refuse_header_ids
from plumbline.connect.kafka import Record, create_topics, produce
from plumbline.contract.errors import SetupError
from plumbline.contract.loader import parse
from tests.support.scenario import contract_body


def test_the_header_is_that_of_confluents_own_serializer() -> None:
    from confluent_kafka.schema_registry import header_schema_id_serializer
    from confluent_kafka.schema_registry.serde import SchemaId
    from confluent_kafka.serialization import MessageField, SerializationContext

    guid = uuid.UUID("89791762-2336-4186-9674-299b90a802e2")
    context = SerializationContext("t", MessageField.VALUE, [])
    value = header_schema_id_serializer(b"plain", context, SchemaId("AVRO", 7, str(guid)))
    assert value == b"plain", "the value has no head"
    assert context.headers == [(HEADER, b"\1" + guid.bytes)]
    assert in_header(context.headers)
    assert not in_header(None)
    assert not in_header([("__key_schema_id", b"\1" + guid.bytes)])


@pytest.mark.kafka
def test_a_topic_with_ids_in_headers_is_refused(kafka: dict[str, str]) -> None:
    body = contract_body("framed", kafka) | {"schema_registry": {"url": "mock://framed"}}
    body["sources"]["orders"]["format"] = "avro"
    contract = parse(yaml.safe_dump(body))
    create_topics(kafka, {source.topic: 2 for source in contract.sources.values()})
    produce(kafka, [Record("framed.orders", b"k", b"\0\0\0\0\7rest", 1, partition=1)])
    produce(kafka, [Record("framed.payments", b"k", b"{}", 1, [(HEADER, b"\1" + b"g" * 16)])])
    refuse_header_ids(kafka, contract)
    produce(kafka, [Record("framed.orders", b"k", b"plain", 1, [(HEADER, b"\1" + b"g" * 16)], 1)])
    with pytest.raises(SetupError, match=rf"framed\.orders has the schema ids .* {HEADER} .*partition 1, offset 1"):
        refuse_header_ids(kafka, contract)
