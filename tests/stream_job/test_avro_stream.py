"""Avro over real topics: events of several schemas, one that turns up in the middle, and what no schema reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from plumbline.contract.errors import SetupError
from plumbline.contract.ranges import TimeRange
from plumbline.replay import play
from plumbline.replay.plan import make_plan
from plumbline.replay.steps import open_replay
from tests.support.avro_events import encoded, header, record, register, register_guid
from tests.support.model import START, Event, Row
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

MICROS = {"type": "long", "logicalType": "timestamp-micros"}
ORDER = {"id": "string", "shop": "string", "at": MICROS, "amount": "double"}
FIRST = record(**ORDER, label="string", pieces="int", weight="float", note="string")
SECOND = record(**ORDER, title="string", pieces=["null", "long"], weight="double", coupon=["null", "string"])
FIELDS = {"id": "string", "shop": "string", "at": "timestamp", "amount": "double"}
BEFORE = {**FIELDS, "label": "string", "pieces": "int", "weight": "float", "note": "string"}
AFTER = {**FIELDS, "title": "string", "pieces": "long", "weight": "double", "coupon": "string"}
COMMON = ["orders.amount", "payments.payment", "payments.paid", "orders.pieces", "orders.weight"]
BEYOND_INT = 3_000_000_000
UNREGISTERED = 4040


def order(id: int, schema: str, key: str, minute: float, **values: Any) -> Event:
    plain = Event(key, minute)
    fields = {
        "id": key,
        "shop": "s1",
        "at": plain.us,
        "amount": 1.0,
        "label": key,
        "title": key,
        "weight": 0.5,
        **values,
    }
    return Event(key, minute, raw=encoded(id, schema, fields))


def columns(job: Scenario, table: str) -> dict[str, tuple[Any, ...]]:
    rows = job.lake.load(table).scan().to_arrow().to_pylist()
    return {row["id"]: tuple(row[name] for name in ("label", "pieces", "weight", "coupon")) for row in rows}


def replayed(job: Scenario) -> list[Row]:
    """The first hour's rows, from a tape that is cut from the archive."""
    hour = TimeRange(START, START + timedelta(minutes=60))
    made = make_plan(job.contract, job.contract_path, job.home, hour, source="iceberg", late="complete")
    play.cut_and_play(open_replay(job.home, made.replay_id), spark=job.spark)
    return job.rows(made.staging_table)


def test_five_changes_of_the_writers_schema_in_the_middle_of_a_run(new_scenario: Callable[..., Scenario]) -> None:
    url = "mock://five-changes"
    job = new_scenario(
        schema_registry={"url": url},
        sources={"orders": {"format": "avro"}},
        output={"columns": [{"label": "orders.id"}, "payments.payment"]},
    )
    job.rewrite_source("orders", fields=BEFORE)
    job.change_contract(output={"columns": ["orders.label", *COMMON, "orders.note"]})
    one = register(url, f"{job.contract.left.topic}-value", FIRST)
    job.feed(
        [
            order(one, FIRST, key, minute, pieces=1, note="n")
            for key, minute in (("done", 0), ("waits", 20), ("alone", 21))
        ],
        [Event("done", 5, "p1"), Event("later", 30, "p2")],
    )
    job.epoch()
    job.expect(rows=["done+p1"])
    job.rewrite_source("orders", fields=AFTER, aliases={"title": ["label"]})
    job.change_contract(output={"columns": [{"label": "orders.title"}, *COMMON, "orders.coupon"]})
    # Under a subject of another name: the job meets the id in an event before it knows of it.
    two = register(url, "named-otherwise", SECOND)
    poison = [
        Event("p", 22, raw=b'{"id": "p"}', poison="not_avro"),
        Event("q", 22, raw=order(UNREGISTERED, SECOND, "q", 22, pieces=1).raw, poison="unknown_schema", partition=1),
    ]
    new = [
        order(two, SECOND, "later", 25, pieces=BEYOND_INT, coupon="c"),
        order(two, SECOND, "sparse", 26, pieces=None),
    ]
    job.feed([*new, order(one, FIRST, "old", 27, pieces=2, note="n"), *poison], [Event("waits", 31, "p3")])
    job.epoch()
    job.feed([order(two, SECOND, "end", 400, pieces=None)], [Event("far", 400, "pend")])
    job.epoch()
    job.expect(rows=["done+p1", "waits+p3", "later+p2", "alone", "sparse", "old"], late=[])
    assert columns(job, "joined.stream") == {
        "done": ("done", 1, 0.5, None),
        "waits": ("waits", 1, 0.5, None),
        "alone": ("alone", 1, 0.5, None),
        "later": ("later", BEYOND_INT, 0.5, "c"),
        "sparse": ("sparse", None, 0.5, None),
        "old": ("old", 2, 0.5, None),
    }
    assert job.archived() == job.delivered()
    assert job.quarantined() == job.poisoned()
    archive = job.lake.load(job.contract.left.archive).scan(selected_fields=("schema_id",)).to_arrow()
    assert set(archive["schema_id"].to_pylist()) == {one, two, UNREGISTERED, None}
    job.batch()
    assert job.reconcile()["verdict"] == "clean"
    assert replayed(job) == [row for row in job.rows() if row.label != "end"]


def test_schemas_named_in_headers_are_read_by_stream_batch_and_replay_alike(
    new_scenario: Callable[..., Scenario],
) -> None:
    """A producer that changes from ids in front of the value to GUIDs in headers, both in one topic.

    The plain record of `BAIT` begins with a zero byte and the id of FIRST, which could read what follows.
    """
    url = "mock://guids-in-headers"
    job = new_scenario(schema_registry={"url": url}, sources={"orders": {"format": "avro"}})
    job.rewrite_source("orders", fields=BEFORE)
    job.change_contract(output={"columns": ["orders.label", *COMMON, "orders.note"]})
    subject = f"{job.contract.left.topic}-value"
    one = register(url, subject, FIRST)
    assert one == 1, "BAIT's fifth field is minus one, written as a byte 1"
    bait = record(**dict.fromkeys(("none", "a", "b", "c"), "string"), code="int", **ORDER, note="string", pieces="int",
                  weight="float", label="string")  # fmt: skip
    first, second = header(register_guid(url, subject, FIRST)), header(register_guid(url, "named-otherwise", bait))
    stranger = header("ffffffff-0000-4000-8000-000000000001")

    def sly(key: str, minute: float, *headers: tuple[str, bytes], poison: str | None = None) -> Event:
        empty = {"none": "", "a": "", "b": "", "c": "", "code": -1, "note": "n", "pieces": 3}
        whole = order(0, bait, key, minute, **empty).raw
        assert whole is not None
        assert whole[5:10] == b"\0\0\0\0\1"
        return Event(key, minute, raw=whole[5:], headers=headers, poison=poison)

    def plain(key: str, minute: float, head: tuple[str, bytes]) -> Event:
        framed = order(0, FIRST, key, minute, pieces=1, note="n").raw
        assert framed is not None
        return Event(key, minute, raw=framed[5:], headers=(("trace", b"7"), head))

    read = [order(one, FIRST, "front", 0, pieces=1, note="n"), plain("head", 1, first), sly("sly", 2, second)]
    unread = [
        sly("unknown", 3, stranger, poison="unknown_schema"),
        sly("torn", 4, ("__value_schema_id", b"\1\2"), poison="not_avro"),
    ]
    job.feed([*read, *unread], [Event("sly", 5, "p1"), Event("unknown", 5, "p2"), Event("torn", 5, "p3")])
    job.epoch()
    job.feed([order(one, FIRST, "end", 400, pieces=1, note="n")], [Event("far", 400, "pend")])
    job.epoch()
    job.expect(rows=["sly+p1", "front", "head"], late=[])
    assert {row.id for row in job.rows()} == {"sly", "front", "head"}
    assert job.archived() == job.delivered()
    assert job.quarantined() == job.poisoned()
    archive = job.lake.load(job.contract.left.archive).scan(selected_fields=("schema_id",)).to_arrow()
    assert sorted(archive["schema_id"].to_pylist(), key=str) == [1, 1, None, None, None, None]
    job.batch()
    assert job.reconcile()["verdict"] == "clean"
    assert replayed(job) == job.rows()
    without_headers(job)
    for read in (job.batch, lambda: replayed(job)):
        with pytest.raises(
            SetupError, match=r"raw\.orders has no column headers, .*: partition 0 offset 1 for example"
        ):
            read()


def without_headers(job: Scenario) -> None:
    """The archive of orders as another tool keeps it."""
    table = job.contract.left.archive
    rows = job.lake.load(table).scan().to_arrow().drop_columns(["headers"])
    job.lake.catalog().drop_table(table)
    job.lake.ensure_table(table, rows.schema, ("day", "event_time"))
    job.lake.append(table, rows)
