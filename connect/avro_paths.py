"""Paths in Avro files exchanged: an object container is copied value by value, with other text where a path begins.

Iceberg's manifests name files by absolute paths. Reading them as objects and writing them again would lose what a
library does not know; here every byte outside of a path stays what it was (Avro specification, "Binary encoding").
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from plumbline.connect.delete_files import PATH_ID

MAGIC = b"Obj\x01"
SIZES = {"manifest_length": "manifest_path", "file_size_in_bytes": "file_path"}
"""Fields that hold a file's size, and the field of its path beside them."""
Exchange = Callable[[str], str]


@dataclass
class Exchanged:
    """The new file, and of each record of it what was asked for: the values of these fields, by name."""

    content: bytes
    seen: list[dict[str, Any]] = field(default_factory=list)


def exchange_paths(
    content: bytes, exchange: Exchange, watched: tuple[str, ...] = (), lengths: Mapping[str, int] | None = None
) -> Exchanged:
    """Copy a container file with every string put through `exchange`.

    `watched` are fields whose values are returned per record. `lengths`: path (as it becomes) to what the field
    `manifest_length` or `file_size_in_bytes` beside it says in the copy. Raises ValueError for what is not a
    container, or not deflated.
    """
    work = _Copy(content, exchange, watched, lengths or {})
    return Exchanged(work.container(), work.seen)


class _Copy:
    def __init__(self, content: bytes, exchange: Exchange, watched: tuple[str, ...], lengths: Mapping[str, int]):
        self.data, self.at, self.out = content, 0, bytearray()
        self.exchange, self.watched, self.lengths = exchange, watched, lengths
        self.names: dict[str, Any] = {}
        self.seen: list[dict[str, Any]] = []

    def container(self) -> bytes:
        if self.data[:4] != MAGIC:
            raise ValueError("no Avro file")
        self.at = 4
        meta: dict[str, bytes] = {}
        while (count := self._long()) != 0:
            if count < 0:
                count = -count
                self._long()
            for _ in range(count):
                key = self._bytes().decode()
                meta[key] = self._bytes()
        sync = self._take(16)
        codec = meta.get("avro.codec", b"null").decode()
        if codec not in ("null", "deflate"):
            raise ValueError(f"codec {codec} cannot be rewritten")
        head, schema = self.data[: self.at], json.loads(meta["avro.schema"])
        self._learn(schema, "")
        return bytes(head) + self._blocks(schema, sync, codec)

    def _blocks(self, schema: Any, sync: bytes, codec: str) -> bytes:
        whole, made = self.data, bytearray()
        while self.at < len(whole):
            count, size = self._long(), self._long()
            block = self._take(size)
            if self._take(16) != sync:
                raise ValueError("a block is damaged")
            after = self.at
            self.data, self.at, self.out = zlib.decompress(block, -15) if codec == "deflate" else block, 0, bytearray()
            for _ in range(count):
                self.seen.append({})
                self._value(schema)
            body = bytes(self.out)
            if codec == "deflate":
                squeeze = zlib.compressobj(wbits=-15)
                body = squeeze.compress(body) + squeeze.flush()
            made += _varint(count) + _varint(len(body)) + body + sync
            self.data, self.at = whole, after
        return bytes(made)

    def _learn(self, schema: Any, space: str) -> None:
        """Take in named types: a later use gives the name only."""
        if isinstance(schema, list):
            for one in schema:
                self._learn(one, space)
        elif isinstance(schema, dict):
            if "name" in schema:
                space = schema.get("namespace", space)
                self.names[schema["name"]] = schema
                self.names[f"{space}.{schema['name']}" if space else schema["name"]] = schema
            for part in ("items", "values", "type"):
                self._learn(schema.get(part), space)
            for one in schema.get("fields", ()):
                self._learn(one["type"], space)

    def _value(self, schema: Any, name: str = "", record: dict[str, Any] | None = None) -> None:
        if isinstance(schema, list):
            number = self._long()
            self.out += _varint(number)
            return self._value(schema[number], name, record)
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, (dict, list)):
            return self._value(kind, name, record)
        if kind in self.names and kind not in ("record", "fixed", "enum"):
            return self._value(self.names[kind], name, record)
        if kind == "record":
            inner: dict[str, Any] = {}
            for one in schema["fields"]:
                self._value(one["type"], one["name"], inner)
            return None
        if kind in ("array", "map"):
            return self._many(schema, kind)
        return self._plain(schema, kind, name, record if record is not None else {})

    def _many(self, schema: Any, kind: str) -> None:
        while True:
            count = self._long()
            if count < 0:
                count = -count
                self._long()
            self.out += _varint(count)
            if count == 0:
                return
            for _ in range(count):
                if kind == "map":
                    key = self._bytes()
                    self.out += _varint(len(key)) + key
                self._value(schema["items" if kind == "array" else "values"])

    def _plain(self, schema: Any, kind: str, name: str, record: dict[str, Any]) -> None:
        value: Any = None
        if kind == "string":
            value = self._bytes().decode()
            record[name] = value
            text = self.exchange(value).encode()
            self.out += _varint(len(text)) + text
        elif kind == "bytes":
            body = self._bytes()
            if record.get("key") == PATH_ID:  # a bound of the paths in a file of position deletes
                body = self.exchange(body.decode(errors="surrogateescape")).encode(errors="surrogateescape")
            self.out += _varint(len(body)) + body
        elif kind in ("int", "long", "enum"):
            value = record[name] = self._long()
            if name in SIZES:
                value = self.lengths.get(self.exchange(record.get(SIZES[name], "")), value)
            self.out += _varint(value)
        elif kind != "null":
            size = {"boolean": 1, "float": 4, "double": 8}.get(kind) or int(schema["size"])
            self.out += self._take(size)
        if name in self.watched:
            self.seen[-1][name] = value

    def _take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise ValueError("it is cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def _bytes(self) -> bytes:
        return self._take(self._long())

    def _long(self) -> int:
        shift = number = 0
        while True:
            byte = self._take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return (number >> 1) ^ -(number & 1)


def _varint(number: int) -> bytes:
    zigzag = (number << 1) ^ (number >> 63)
    made = bytearray()
    while zigzag > 0x7F:
        made.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    made.append(zigzag)
    return bytes(made)
