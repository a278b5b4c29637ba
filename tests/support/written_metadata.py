"""Flink's `_metadata` written byte by byte, as its serializers do."""

from __future__ import annotations

import struct

from plumbline.stream_job.observe.flink_metadata import MAGIC


def text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()


def split(topic: str, partition: int, offset: int, version: int = 0, stop: int = -(2**63)) -> bytes:
    body = text(topic) + struct.pack(">iqq", partition, offset, stop)
    framed = struct.pack(">ii", version, len(body)) + body
    return struct.pack(">i", len(framed)) + framed


def reader_state(*splits: bytes, file: str | None = None) -> bytes:
    """A source's operator state, its bytes inside the handle or in a file of their own."""
    offsets = [sum(map(len, splits[:n])) for n in range(len(splits))]
    listed = struct.pack(">i", len(splits)) + b"".join(struct.pack(">q", at) for at in offsets)
    held = b"".join(splits)
    handle = (
        struct.pack(">b", 1) + text("h") + struct.pack(">i", len(held)) + held
        if file is None
        else struct.pack(">bq", 2, len(held)) + text(file)
    )
    return struct.pack(">bi", 4, 1) + text("SourceReaderState") + struct.pack(">b", 0) + listed + handle


def subtask(index: int, state: bytes, keyed: bytes = b"\0\0", channels: int = 0) -> bytes:
    managed = struct.pack(">i", 1) + state if state else struct.pack(">i", 0)
    return struct.pack(">i", index) + managed + struct.pack(">i", 0) + keyed + struct.pack(">ii", channels, 0)


def operator(name: str, *subtasks: bytes, version: int = 6) -> bytes:
    named = text(name) + text("uid") if version >= 5 else b""
    counts = struct.pack(">qqii", 1, 2, len(subtasks), 128)
    return named + counts + struct.pack(">b", 0) + struct.pack(">i", len(subtasks)) + b"".join(subtasks)


def metadata(*operators: bytes, version: int = 6, checkpoint: int = 7) -> bytes:
    head = struct.pack(">Iiqi", MAGIC, version, checkpoint, 0)
    properties = b"\xac\xed\x00\x05p" if version >= 4 else b""
    return head + struct.pack(">i", len(operators)) + b"".join(operators) + properties
