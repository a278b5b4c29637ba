"""Avro events as Confluent's serializers frame them, and a registry in memory that holds their schemas."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from confluent_kafka.schema_registry import Schema, header_schema_id_serializer
from confluent_kafka.schema_registry.serde import SchemaId
from confluent_kafka.serialization import MessageField, SerializationContext

from plumbline.connect import registry


def record(**fields: Any) -> str:
    """A record schema of these fields; a field whose type is a list is a union."""
    named = [{"name": name, "type": kind} for name, kind in fields.items()]
    return json.dumps({"type": "record", "name": "event", "fields": named})


def register(url: str, subject: str, schema: str) -> int:
    """Register a schema at the registry of `url`; returns its id."""
    return int(registry.client({"url": url}).register_schema(subject, Schema(schema, "AVRO")))


def register_guid(url: str, subject: str, schema: str) -> str:
    """Register a schema; returns its GUID."""
    return str(registry.client({"url": url}).register_schema_full_response(subject, Schema(schema, "AVRO")).guid)


def header(guid: str) -> tuple[str, bytes]:
    """The header in which Confluent's serializer puts the GUID of the value's schema."""
    context = SerializationContext("any", MessageField.VALUE, [])
    assert header_schema_id_serializer(b"value", context, SchemaId("AVRO", guid=guid)) == b"value"
    [made] = context.headers
    return made


def encoded(id: int, schema: str, values: Mapping[str, Any]) -> bytes:
    """The values as a framed event."""
    fields = json.loads(schema)["fields"]
    return b"\0" + struct.pack(">I", id) + b"".join(_value(f["type"], values.get(f["name"])) for f in fields)


def _value(kind: Any, value: Any) -> bytes:
    if isinstance(kind, list):
        branch = next(i for i, one in enumerate(kind) if (one == "null") == (value is None))
        return _long(branch) + _value(kind[branch], value)
    if isinstance(kind, dict):
        kind = kind["type"]
    if kind == "null":
        return b""
    if kind in ("int", "long"):
        return _long(int(value))
    if kind in ("float", "double"):
        return struct.pack("<f" if kind == "float" else "<d", value)
    if kind == "boolean":
        return b"\1" if value else b"\0"
    data = value.encode() if isinstance(value, str) else value
    return _long(len(data)) + data


def _long(number: int) -> bytes:
    """Avro's zigzag varint."""
    rest, found = (number << 1) ^ (number >> 63), bytearray()
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*found, rest])
