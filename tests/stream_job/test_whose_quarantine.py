"""A copy in quarantine belongs to the contract that writes the table, not to its name; rows of before stay readable."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import QUARANTINE
from plumbline.connect.tables import ARCHIVE_SCHEMA, QUARANTINE_SCHEMA
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.stream_job import lag, quarantine

TEXT = """
contract: shop
sources:
  orders: {topic: t.orders, fields: {id: string, at: timestamp}, event_time: at, watermark: 1 hour, archive: raw.orders}
  pays: {topic: t.pays, fields: {id: string, at: timestamp}, event_time: at, watermark: 1 hour, archive: raw.pays}
join: {left: orders, right: pays, on: [id], within: [0 minutes, 1 hour]}
output: {key: [id], columns: [orders.at], stream_table: joined.stream, batch_table: joined.batch}
"""
MOMENT = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(Home.resolve(tmp_path))


def archived(lake: Lake, contract: Contract, *offsets: int) -> None:
    source = contract.sources["orders"]
    lake.ensure_table(source.archive, ARCHIVE_SCHEMA)
    whole = {"topic": source.topic, "partition": 0, "kafka_timestamp": MOMENT, "quarantine_reason": "not_json"}
    rows = [{**whole, "offset": offset} for offset in offsets]
    lake.append(source.archive, pa.Table.from_pylist(rows, schema=ARCHIVE_SCHEMA))


def seen(lake: Lake, contract: Contract) -> tuple[int, int, list[int]]:
    counted = quarantine.counts(lake, contract)["orders"].get("not_json", 0)
    newest = sorted(row["offset"] for row in quarantine.newest(lake, contract, 9))
    return counted, lag.quarantined(lake, contract).get("not_json", 0), newest


def test_two_contracts_of_one_name(lake: Lake) -> None:
    shop, other = parse(TEXT), parse(TEXT.replace("raw.", "other.").replace("joined.", "other."))
    archived(lake, shop, 0, 1)
    archived(lake, other, 1, 2, 3)
    assert quarantine.publish(lake, shop) == 2
    assert quarantine.publish(lake, other) == 3, "offset 1 of the other archive is another record"
    assert seen(lake, shop) == (2, 2, [0, 1])
    assert seen(lake, other) == (3, 3, [1, 2, 3])
    assert (quarantine.publish(lake, shop), quarantine.publish(lake, other)) == (0, 0)


def test_copies_of_an_earlier_version_stay_and_are_not_made_again(lake: Lake) -> None:
    shop, elsewhere = parse(TEXT), parse(TEXT.replace("t.", "u.").replace("joined.", "other."))
    old = pa.schema([field for field in QUARANTINE_SCHEMA if field.name != "stream_table"])
    lake.ensure_table(QUARANTINE, old)
    copy = {"contract": "shop", "source": "orders", "topic": "t.orders", "partition": 0, "offset": 0}
    copy |= {"kafka_timestamp": MOMENT, "noted_at": MOMENT, "reason": "not_json"}
    lake.append(QUARANTINE, pa.Table.from_pylist([copy], schema=old))
    assert (seen(lake, shop), seen(lake, elsewhere)) == ((1, 1, [0]), (0, 0, []))
    archived(lake, shop, 0, 1)
    assert quarantine.publish(lake, shop) == 1
    assert (seen(lake, shop), seen(lake, elsewhere)) == ((2, 2, [0, 1]), (0, 0, []))
