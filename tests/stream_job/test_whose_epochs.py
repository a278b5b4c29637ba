"""The ledger's rows belong to the contract that writes the table, not to its name; their numbers tell their order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import EPOCHS
from plumbline.connect.tables import EPOCHS_SCHEMA
from plumbline.contract.errors import UsageError
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.replay.fill import fill
from plumbline.replay.recorded import read_recorded
from plumbline.replay.recover.run import Wanted, recover
from plumbline.stream_job import epochs, fingerprint
from plumbline.stream_job.adopt import adopt
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.ledger import Epoch, Ledger
from plumbline.stream_job.status import look
from tests.support.shop_contract import TEXT

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


def last_evict_watermark(lake: Lake, contract: Contract) -> int | None:
    last = epochs.newest(lake, contract)
    return None if last is None else int(last["evict_watermark_ms"])


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


@pytest.mark.parametrize("command", ["status", "recover", "adopt-topic", "archive fill"])
def test_the_folder_of_another_contract_of_the_name_is_refused(
    command: str, shop: Contract, other: Contract, tmp_path: Path
) -> None:
    home = Home.resolve(tmp_path)
    job = JobFolder.of(shop, home)
    fingerprint.note(job.fingerprint, shop)
    asked = {
        "status": lambda contract: look(contract, home),
        "recover": lambda contract: recover(contract, home, Wanted(force=True)),
        "adopt-topic": lambda contract: adopt(contract, home, execute=False),
        "archive fill": lambda contract: fill(contract, home, execute=False),
    }[command]
    with pytest.raises(UsageError, match=r"is another contract's: its job writes joined\.stream and reads .*raw\.pay"):
        asked(other)
    archives = parse(TEXT.replace("raw.orders", "raw.other"))
    with pytest.raises(UsageError, match="the job folder of the name shop is another contract's"):
        asked(archives)


def test_a_folder_is_the_contracts_own_after_changes_that_it_takes(shop: Contract, tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    fingerprint.refuse_other_job(file, shop)
    fingerprint.note(file, shop)
    fingerprint.refuse_other_job(file, parse(TEXT.replace("joined.batch", "other.batch").replace("1 hour", "2 hours")))
    file.write_text("{")
    fingerprint.refuse_other_job(file, shop)


def test_the_newest_epoch_is_that_of_the_last_number(lake: Lake, shop: Contract, tmp_path: Path) -> None:
    """The clock of the job was set back after its first epoch."""
    later = [
        replace(FIRST, epoch=number, planned_at_ms=FIRST.planned_at_ms - number, evict_watermark_ms=60_000 + number)
        for number in (1, 2)
    ]
    published(lake, shop, tmp_path / "a", FIRST, *later)
    assert [record.epoch for record in read_recorded(lake, shop)] == [0, 1, 2]
    assert last_evict_watermark(lake, shop) == 60_002
