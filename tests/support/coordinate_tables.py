"""Small tables of Kafka coordinates, and the findings of an audit as lines that a test can read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from plumbline.connect.lake import Lake
from plumbline.reconcile.audit.audit import Request, audit
from plumbline.reconcile.audit.document_types import AuditDocument

SCHEMA = pa.schema([("kafka_partition", pa.int32()), ("kafka_offset", pa.int64()), ("value", pa.string())])


def append(lake: Lake, name: str, *parts: Mapping[int, Iterable[int | None]]) -> None:
    """Append rows, one commit for each of `parts`: Kafka partition to offsets."""
    lake.ensure_table(name, SCHEMA)
    for offsets in parts:
        rows = [{"kafka_partition": p, "kafka_offset": n, "value": "v"} for p, mine in offsets.items() for n in mine]
        lake.append(name, pa.Table.from_pylist(rows, SCHEMA))


def told(lake: Lake, name: str, *topics: str, **options: Any) -> list[str]:
    """What an audit finds: `held 0: 3-5`, in order; the document is as its type says."""
    found = audited(lake, name, *topics, **options)
    return [
        f"{one['kind']} {one['partition']}: {one['start']}-{one['end'] - 1}"
        for one in sorted(found["findings"], key=lambda one: (one["partition"], one["start"], one["kind"]))
    ]


def audited(lake: Lake, name: str, *topics: str, **options: Any) -> AuditDocument:
    """The document of an audit, checked against its type."""
    found = audit(lake, Request(name, topics, **options)).document
    assert found.keys() == AuditDocument.__annotations__.keys()
    return TypeAdapter(AuditDocument).validate_python(found, strict=True)
