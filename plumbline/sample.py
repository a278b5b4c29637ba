"""Events for a contract: lines of JSON as a file has them, or made up so that both sides fit together. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from plumbline.connect.kafka import Record
from plumbline.contract import formats
from plumbline.contract.errors import UsageError
from plumbline.contract.fields import decimal_digits, value_type
from plumbline.contract.json_value import PLAIN, Document
from plumbline.contract.ranges import micros

if TYPE_CHECKING:
    from plumbline.contract.model import Contract, Source

UNMATCHED = 5
"""Every fifth left event has no partner."""


def from_lines(contract: Contract, name: str, lines: Iterable[str], now: datetime, where: str) -> Iterator[Record]:
    """One record of source `name` for each non-blank line. Raises UsageError for a line that is not a JSON object."""
    source, keys = contract.sources[name], contract.key_columns(name)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except ValueError as error:
            event, why = None, f": {error}"
        else:
            why = ""
        if not isinstance(event, dict):
            step = "write one JSON object a line; what is to be quarantined can be sent by any Kafka client"
            raise UsageError(f"no JSON object{why}", where=f"{where}:{number}", next_step=step)
        yield _record(source, keys, _document(source).fields(event), now, line.strip().encode())


def made_up(contract: Contract, count: int, now: datetime) -> Iterator[Record]:
    """`count` events of the left side and a partner for most of them, in order of time, the last of them at `now`.

    They lie so far apart that the stream lets go of most before it reaches the end.
    """
    join = contract.join
    low, high = join.within
    slowest = max(source.watermark for source in contract.sources.values())
    step = max((high - low + slowest) / 20, timedelta(seconds=1))
    start = now - step * count - max(high, timedelta(0))
    events = []
    for i in range(1, count + 1):
        at = start + step * i
        events.append((at, join.left, i))
        if i % UNMATCHED:
            events.append((at + low + (high - low) * ((i % 7) / 7), join.right, i))
    partners = {right: left for left, right in join.pairs}
    for at, name, i in sorted(events):
        source = contract.sources[name]
        event = {field: _value(source.fields[field], field, i, at) for field in source.fields}
        if name == join.right:
            fields = contract.left.fields
            event |= {right: _value(fields[left], left, i, at) for right, left in partners.items()
                      if left in fields and right in source.fields}  # fmt: skip
        event[source.event_time] = _moment(source.fields[source.event_time], at)
        value = json.dumps(_document(source).around(event)).encode()
        yield _record(source, contract.key_columns(name), event, at, value)


def _document(source: Source) -> Document:
    return formats.of(source).document or PLAIN


def _record(source: Source, keys: tuple[str, ...], event: Mapping[str, Any], stamp: datetime, value: bytes) -> Record:
    """Events of one key lie in one partition."""
    key = "/".join(str(event.get(name)) for name in keys)
    return Record(source.topic, key.encode(), value, micros(stamp) // 1000)


def _value(kind: str, field: str, i: int, at: datetime) -> Any:
    digits = decimal_digits(value_type(kind))
    if digits and kind != value_type(kind):
        unscaled = i % 10 ** digits[0]
        return base64.b64encode(unscaled.to_bytes(unscaled.bit_length() // 8 + 1, "big")).decode()
    if digits:
        return str(Decimal(i % 10 ** digits[0]).scaleb(-digits[1]))
    if kind.startswith("timestamp"):
        return _moment(kind, at)
    made = {
        "string": f"{field}-{i}", "boolean": i % 2 == 0, "int": i, "long": i, "float": i / 4, "double": i / 4,
        "date": f"{at:%Y-%m-%d}", "date_days": micros(at) // 86_400_000_000, "binary": "cGx1bWI=",
    }  # fmt: skip
    return made[kind]


def _moment(kind: str, at: datetime) -> Any:
    per_ms = {"timestamp_millis": 1000, "timestamp_micros": 1}
    return micros(at) // per_ms[kind] if kind in per_ms else at.isoformat()
