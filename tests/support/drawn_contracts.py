"""Contracts drawn at random, as a mapping for YAML: mostly right ones, with names and values that invite trouble."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

WORDS = [
    "id", "key", "day", "value", "order", "select", "from", "count", "time", "left", "right", "source", "table", "row",
    "topic", "partition", "offset", "cause", "class", "kind", "n", "a", "b", "Id", "user_id", "_x", "null", "true",
]  # fmt: skip
NAMES = st.sampled_from(WORDS)
MOMENTS = ["timestamp", "timestamp_millis", "timestamp_micros"]
PLAIN = ["string", "long", "int", "date", "boolean", "decimal(10,2)", "double", "timestamp"]
ENCODED = ["date_days", "decimal_base64(9,3)"]
TYPES = st.sampled_from([*PLAIN, *MOMENTS, "float", "binary", "decimal(38, 18)", "decimal(1,1)", *ENCODED])
KEY_TYPES = st.sampled_from(["string", *PLAIN])
DURATIONS = st.sampled_from(["0 minutes", "10 minutes", "1 hour", "90 s", "31 days", "2 weeks", "1 ms", "1.5 h"])
ODD_DURATIONS = st.sampled_from(["-5 minutes", "1 month", "9999999 days", "1000000000 days", "0.1 ms", "1", 5, None])
WITHIN = st.sampled_from([["0 minutes", "1 hour"], ["-1 hour", "1 day"], ["0 s", "0 s"], ["1 ms", "31 days"]])
ODD_WITHIN = st.lists(st.one_of(DURATIONS, ODD_DURATIONS), min_size=1, max_size=3)
SCALARS = st.sampled_from([0, 1, -1, 0.5, 1e308, float("nan"), float("inf"), True, False, None, "", "a", "NO", 2**63])
LIMITS = st.sampled_from(["> 0", "> 1%", ">= 0", "> 0.5 %", "> 100%"])
CONDITIONS = st.sampled_from(["true", "1 = 1", "false", "null", "true -- all", "1 = (2"])


ODD_LIMITS = st.sampled_from(["< 3", "", "> 0 0", "0", "> -1"])
BETWEEN = st.sampled_from([[0, 10], [None, 5], [1, None], [0.5, 0.5], [-1, 2**70]])
ODD_BETWEEN = st.sampled_from([[None, None], [5, 1], [1], ["a", "b"], [float("nan"), 1], [True, 2]])


def rarely(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Left out three times of four."""
    return st.one_of(st.none(), st.none(), st.none(), part)


@st.composite
def sources(draw: st.DrawFn, name: str, key: str, key_type: str, odd: bool) -> dict[str, Any]:
    fields = {key: key_type, **draw(st.dictionaries(NAMES, TYPES, max_size=4))}
    taken = {field.lower() for field in fields}
    fields = {
        field: kind for field, kind in fields.items() if odd or field == field.lower() or field.lower() not in taken
    }
    moment = draw(st.sampled_from(["at", "event_time", "Time", "_at"]))
    fields[moment] = draw(st.sampled_from(MOMENTS))
    body: dict[str, Any] = {
        "topic": draw(st.sampled_from([f"t.{name}", "one", "t-1"])),
        "format": draw(st.sampled_from(["json"] * 6 + ["debezium"] * 2 + ["avro"] * odd)),
        "fields": fields,
        "event_time": moment,
        "watermark": draw(st.one_of(DURATIONS, ODD_DURATIONS) if odd else DURATIONS),
        "archive": draw(st.sampled_from([f"raw.{name}"] * 6 + ["raw.a", "a.b.c"] * odd)),
    }
    body |= {
        part: found
        for part, found in {
            "event_id": draw(rarely(st.sampled_from(list(fields)))),
            "where": draw(rarely(CONDITIONS)),
            "compute": draw(rarely(st.dictionaries(NAMES if odd else st.just("made"), CONDITIONS, max_size=2))),
            "aliases": draw(rarely(st.dictionaries(st.sampled_from(list(fields)), st.lists(NAMES, max_size=2))))
            if odd
            else None,
            "max_bytes": draw(rarely(st.sampled_from([1, 1_000, *([0] * odd)]))),
            "event_time_within": draw(rarely(ODD_WITHIN if odd else WITHIN)),
        }.items()
        if found is not None
    }
    return body


@st.composite
def bodies(draw: st.DrawFn, odd: bool) -> dict[str, Any]:
    """The mapping of one contract; with `odd` one that has parts that are wrong, or right by a hair."""
    left, right = draw(st.sampled_from([("shows", "plays"), ("left", "right"), ("a", "B"), ("select", "order")]))
    kind = draw(KEY_TYPES)
    keys = draw(NAMES), draw(NAMES)
    both = {left: draw(sources(left, keys[0], kind, odd)), right: draw(sources(right, keys[1], kind, odd))}
    on: Any = {keys[0]: keys[1]} if keys[0] != keys[1] or draw(st.booleans()) else [keys[0]]
    on = draw(st.sampled_from([on, on, [on] if isinstance(on, dict) else on]))
    columns: list[Any] = []
    for name in (left, right):
        for field in draw(st.lists(st.sampled_from(list(both[name]["fields"])), max_size=3, unique=True)):
            plain, renamed = f"{name}.{field}", {f"{name}_{field}": f"{name}.{field}"}
            columns.append(draw(st.sampled_from([plain, renamed])) if odd else renamed)
    moments = [{f"{name}_at": f"{name}.{both[name]['event_time']}"} for name in (left, right)]
    columns += draw(st.sampled_from([moments, moments[:1], []])) or [moments[0]]
    named = [next(iter(c)) if isinstance(c, dict) else c.partition(".")[2] for c in columns]
    key = draw(st.lists(st.sampled_from([keys[0], keys[0], *named]), min_size=1, max_size=2, unique=True))
    some = st.sampled_from(named)
    body: dict[str, Any] = {
        "contract": draw(st.sampled_from(["c", "my-contract", "select", "x_1"])),
        "sources": both,
        "join": {
            "left": left,
            "right": right,
            "kind": draw(st.sampled_from(["inner", "left_outer", "right_outer", "full_outer"])),
            "on": on,
            "within": draw(ODD_WITHIN if odd else WITHIN),
        },
        "output": {
            "key": key,
            "columns": columns,
            "stream_table": draw(st.sampled_from(["j.stream", "order.select", "j.s.t"])),
            "batch_table": draw(st.sampled_from(["j.batch", "order.batch"])),
            "partition_by": draw(st.sampled_from(["none", "hour", "day", "month"])),
        },
    }
    tolerance = st.sampled_from(
        ["ignore", {"abs": 0.5}, {"rel": 0.1}, {"round_to": "1 s"}, {"round_to": "0 s"}, {"abs": 1, "rel": 0.5}]
    )
    causes = st.sampled_from(["unexplained", "late", "mismatch", *(["x"] * odd)])
    rules = {
        "tolerances": draw(rarely(st.dictionaries(some, tolerance, max_size=2))),
        "fail_when": draw(rarely(st.dictionaries(causes, ODD_LIMITS if odd else LIMITS))),
    }
    between = st.one_of(BETWEEN, ODD_BETWEEN) if odd else BETWEEN
    expected = {
        "between": draw(rarely(st.dictionaries(some, between, max_size=2))),
        "in_set": draw(rarely(st.dictionaries(some, st.lists(SCALARS, max_size=3), max_size=2))),
        "not_null": draw(rarely(st.lists(some, max_size=2))),
        "matched_at_least": draw(rarely(st.sampled_from([0, 0.5, 1, *([2] * odd)]))),
        "min_rows": draw(rarely(st.sampled_from([0, 1, *([-1] * odd)]))),
        "stream_to_batch": draw(rarely(between)),
        "fresh_within": draw(rarely(DURATIONS)),
        "quarantined_at_most": draw(rarely(st.sampled_from([0, 0.5]))),
    }
    for block, parts in (("reconcile", rules), ("expectations", expected)):
        if held := {part: found for part, found in parts.items() if found is not None}:
            body[block] = held
    return body
