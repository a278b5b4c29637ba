"""The ledger's rows belong to the contract that writes the table, not to its name; their numbers tell their order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from connect.home import Home
from connect.lake import Lake
from contract.loader import parse
from contract.model import Contract
from replay.recorded import read_recorded
from replay.settled import last_evict_watermark
from stream_job import epochs
from stream_job.ledger import Epoch, Ledger
from stream_job.tables import EPOCHS, EPOCHS_SCHEMA

TEXT = """
contract: shop
sources:
  orders:
    {topic: t.orders, format: json, fields: {id: string, at: timestamp}, event_time: at, watermark: 1 minute,
     archive: raw.orders}
  payments:
    {topic: t.payments, format: json, fields: {id: string, at: timestamp}, event_time: at, watermark: 1 minute,
     archive: raw.payments}
join: {left: orders, right: payments, kind: left_outer, on: [id], within: [0 minutes, 1 hour]}
output: {key: [id], columns: [paid: payments.at], stream_table: joined.stream, batch_table: joined.batch}
"""
FIRST = Epoch(0, "q-shop", "run", 1_000_000, 0, 60_000, ({}, {}), ({"0": 5}, {"0": 5}))


@pytest.fixture
def shop() -> Contract:
    return parse(TEXT)


@pytest.fixture
def other() -> Contract:
    """The same name, the same topics, another table."""
    return parse(TEXT.replace("joined.", "other."))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(Home.resolve(tmp_path))


def published(lake: Lake, contract: Contract, folder: Path, *records: Epoch) -> None:
    ledger = Ledger(folder, folder / "join")
    for record in records:
        ledger.keep(record)
    epochs.publish(lake, contract, ledger)


def seen(lake: Lake, contract: Contract) -> list[str]:
    return [record.query_id for record in read_recorded(lake, contract)]


def test_another_contract_of_the_name_has_epochs_of_its_own(
    lake: Lake, shop: Contract, other: Contract, tmp_path: Path
) -> None:
    published(lake, shop, tmp_path / "a", FIRST)
    assert (seen(lake, shop), seen(lake, other)) == (["q-shop"], [])
    published(lake, other, tmp_path / "b", replace(FIRST, query_id="q-other", evict_watermark_ms=7))
    assert (seen(lake, shop), seen(lake, other)) == (["q-shop"], ["q-other"])
    assert (last_evict_watermark(lake, shop), last_evict_watermark(lake, other)) == (60_000, 7)


@pytest.mark.parametrize("grown", [False, True])
def test_rows_of_an_earlier_version_are_told_apart_by_their_topics(
    lake: Lake, shop: Contract, tmp_path: Path, grown: bool
) -> None:
    schema = pa.schema([field for field in EPOCHS_SCHEMA if field.name != "stream_table"])
    rows = pa.Table.from_pylist(list(epochs.rows_of(shop, [FIRST])), schema=EPOCHS_SCHEMA).select(schema.names)
    lake.ensure_table(EPOCHS, schema)
    lake.append(EPOCHS, rows.cast(schema))
    if grown:
        lake.evolve(EPOCHS, EPOCHS_SCHEMA)
    elsewhere = parse(TEXT.replace("joined.", "other.").replace("t.", "u."))
    assert (seen(lake, shop), seen(lake, elsewhere)) == (["q-shop"], [])


def test_the_newest_epoch_is_that_of_the_last_number(lake: Lake, shop: Contract, tmp_path: Path) -> None:
    """The clock of the job was set back after its first epoch."""
    later = [
        replace(FIRST, epoch=number, planned_at_ms=FIRST.planned_at_ms - number, evict_watermark_ms=60_000 + number)
        for number in (1, 2)
    ]
    published(lake, shop, tmp_path / "a", FIRST, *later)
    assert [record.epoch for record in read_recorded(lake, shop)] == [0, 1, 2]
    assert last_evict_watermark(lake, shop) == 60_002
