"""Records that cannot enter the join, one per thing that can be wrong with it, for either side of a scenario."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.model import Event

LONGEST = 20_000
"""`max_bytes` of the scenario's sources, bytes."""


def poisons(side: str) -> list[Event]:
    """Poison for side `left` or `right`; a good field stands around each wrong one."""
    time, number = ("at", "amount") if side == "left" else ("paid_at", "paid")
    good = f'"id": "p", "shop": "s1", "{time}": "2024-03-01T00:20:00Z"'.encode()
    given = [
        *((value, "not_json") for value in _not_one_document(b"{" + good + b"}")),
        *((b'{"id": "p", "%s": %s}' % (time.encode(), moment), reason) for moment, reason in _times()),
        *((b"{" + good + b', "%s": %s}' % (number.encode(), value), reason) for value, reason in _numbers()),
        (b"", "tombstone"),
        (b"{" + good + b', "x": "' + b"x" * LONGEST + b'"}', "oversize"),
        (b"\xff\xfe" + good, "not_utf8"),
        (b"{" + good + b', "x": "\xed\xa0\x80"}', "not_utf8"),
        (b'{"id": "p"}', "null_event_time"),
        (b'{"%s": "2024-03-01T00:20:00Z"}' % time.encode(), "null_key"),
        (b'{"id": null, "%s": "2024-03-01T00:20:00Z"}' % time.encode(), "null_key"),
    ]
    return [Event(f"p{n}", 20, raw=value, poison=reason, partition=n % 2) for n, (value, reason) in enumerate(given)]


def _not_one_document(event: bytes) -> Sequence[bytes]:
    return (
        b"not JSON",
        b"\x00\x00\x00\x00\x07" + event,
        b"\xef\xbb\xbf" + event,
        b"null",
        b"[]",
        b'"p"',
        b"12",
        b" ",
        b"[" + event + b"]",
        event[:-1],
        event[:-9],
        event + b"}",
        event + b"garbage",
        event + event,
        event + b"\n" + event,
        event.replace(b'"', b"'"),
        event.replace(b'"p"', b'"p\x00"'),
        event[:-1] + b', "x": ' + b"[" * 9_000 + b"]" * 9_000 + b"}",
        event[:-1] + b', "x": ' + b"1" * 5_000 + b"}",
    )


def _times() -> Sequence[tuple[bytes, str]]:
    return (
        (b"null", "null_event_time"),
        (b'"yesterday"', "unreadable_event_time"),
        (b'""', "unreadable_event_time"),
        (b'"10:30:00"', "unreadable_event_time"),
        (b"1709251200", "unreadable_event_time"),
        (b'"+294247-01-01T00:00:00Z"', "unreadable_event_time"),
        (b'"2024-02-30T00:00:00Z"', "unreadable_event_time"),
        (b'"0001-01-01T00:00:00Z"', "impossible_event_time"),
        (b'"9999-12-31T23:59:59Z"', "impossible_event_time"),
        (b'"2024-03-02T00:20:01Z"', "impossible_event_time"),
        (b'"1923-01-01T00:00:00Z"', "impossible_event_time"),
    )


def _numbers() -> Sequence[tuple[bytes, str]]:
    return (
        (b'"many"', "wrong_type"),
        (b'"1"', "wrong_type"),
        (b"[1]", "wrong_type"),
        (b"true", "wrong_type"),
        (b"1e400", "huge_number"),
        (b"-Infinity", "huge_number"),
    )
