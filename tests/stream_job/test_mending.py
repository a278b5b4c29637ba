"""Files of the ledger that were cut off, exchanged or lost: what else knows the record gives it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import IncompleteError
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.stream_job import epochs
from plumbline.stream_job.checkpoint_health import query_id_of
from plumbline.stream_job.ledger import Epoch, Ledger
from plumbline.stream_job.mending import mend
from tests.support.shop_contract import TEXT

LAST = 4
Damage = Callable[[Path], object]


def offsets(number: int) -> str:
    head = json.dumps({"batchWatermarkMs": 1000 * number, "batchTimestampMs": 5_000 + number, "conf": {}})
    ends = (json.dumps({f"t.{name}": {"0": 10 * number + 10}}) for name in ("orders", "payments"))
    return "\n".join(["v1", head, *ends])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(Home.resolve(tmp_path / "home"))


@pytest.fixture
def shop() -> Contract:
    return parse(TEXT)


@pytest.fixture
def ledger(tmp_path: Path, lake: Lake, shop: Contract) -> Ledger:
    """A checkpoint of five epochs, all of them recorded and published."""
    join = tmp_path / "job" / "join"
    for log in ("offsets", "commits"):
        (join / log).mkdir(parents=True)
    (join / "metadata").write_text('{"id": "q"}')
    for number in range(LAST + 1):
        (join / "offsets" / str(number)).write_text(offsets(number))
        (join / "commits" / str(number)).write_text("v1\n{}")
    made = Ledger(tmp_path / "job" / "ledger", join)
    assert made.sync() == LAST + 1
    epochs.publish(lake, shop, made)
    return made


def again(ledger: Ledger) -> Ledger:
    """As the next process opens it."""
    return Ledger(ledger.folder, ledger.checkpoint)


def record(ledger: Ledger, number: int) -> Path:
    return ledger.folder / "epochs" / f"{number:012d}.json"


DAMAGES: dict[str, Damage] = {
    "cut off": lambda path: path.write_text(path.read_text()[:40]),
    "empty": lambda path: path.write_text(""),
    "another document": lambda path: path.write_text("[]"),
    "of other fields": lambda path: path.write_text('{"start": [{}, {}], "end": [{}, {}], "x": 1}'),
    "another epoch's": lambda path: path.write_text(path.with_name("000000000000.json").read_text()),
    "lost": Path.unlink,
}


@pytest.mark.parametrize("known_by", ["table and log", "table", "log"])
@pytest.mark.parametrize("number", [2, LAST])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_record_comes_back(
    lake: Lake, shop: Contract, ledger: Ledger, damage: str, number: int, known_by: str
) -> None:
    whole = [again(ledger).read(n) for n in range(LAST + 1)]
    DAMAGES[damage](record(ledger, number))
    if known_by == "table":
        for log in ("offsets", "commits"):
            (ledger.checkpoint / log / str(number)).unlink()
    if known_by == "log":
        lake.catalog().drop_table("plumbline.epochs")
    asked = again(ledger)
    assert asked.last_epoch() == (LAST if number < LAST else LAST - 1), "asking is no defect, and changes nothing"
    with pytest.raises(IncompleteError, match=rf"record of epoch {number} is gone or damaged.*brings it back"):
        asked.read(number)
    mend(lake, shop, again(ledger))
    started = again(ledger)
    started.sync()
    assert [*started.epochs()] == whole
    assert epochs.publish(lake, shop, started) == (LAST + 1 if known_by == "log" else 0)


def test_foreign_files_are_nobodys(lake: Lake, shop: Contract, ledger: Ledger) -> None:
    folder = record(ledger, 0).parent
    (folder / "5.json").write_text(record(ledger, LAST).read_text())
    (folder / "notes.json").write_text("x")
    (folder / "7").mkdir()
    (folder / "000000000900.json").write_text(record(ledger, LAST).read_text())
    assert again(ledger).last_epoch() == LAST
    assert mend(lake, shop, again(ledger)) == 0
    assert [one.epoch for one in again(ledger).epochs()] == list(range(LAST + 1))
    assert sorted(path.name for path in folder.iterdir() if path.name[0] in "5n79" or "900" in path.name) == [
        "000000000900.json.damaged", "5.json", "7", "notes.json",
    ]  # fmt: skip


def test_a_lost_ledger_comes_back_where_the_log_was_purged(lake: Lake, shop: Contract, ledger: Ledger) -> None:
    whole = [again(ledger).read(n) for n in range(LAST + 1)]
    for number in range(LAST):
        for log in ("offsets", "commits"):
            (ledger.checkpoint / log / str(number)).unlink()
    for path in record(ledger, 0).parent.iterdir():
        path.unlink()
    assert mend(lake, shop, again(ledger)) == LAST + 1
    # The table says 0 where the first epoch had no offset before it.
    whole[0] = replace(whole[0], start=({"0": 0}, {"0": 0}))
    assert [*again(ledger).epochs()] == whole


def test_a_damaged_log_is_told_with_the_way_out(ledger: Ledger) -> None:
    record(ledger, LAST).unlink()
    (ledger.checkpoint / "offsets" / str(LAST)).write_text('v1\n{"x"')
    with pytest.raises(IncompleteError, match=r"log of epoch 4 is damaged.*stream recover"):
        again(ledger).sync()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"q"', '{"no": 1}', '{"id": null}'])
def test_a_checkpoint_that_does_not_say_its_id_has_none(ledger: Ledger, text: str) -> None:
    (ledger.checkpoint / "metadata").write_text(text)
    assert query_id_of(ledger.checkpoint) is None
    assert again(ledger).query_id() is None
    assert again(ledger).sync() == 0


def test_a_run_record_that_is_cut_off_costs_no_epoch(ledger: Ledger) -> None:
    ledger.begin_run("run-2")
    path = ledger.folder / "runs" / f"{LAST + 1:012d}.json"
    path.write_text(path.read_text()[:5])
    (ledger.checkpoint / "offsets" / str(LAST + 1)).write_text(offsets(LAST + 1))
    (ledger.checkpoint / "commits" / str(LAST + 1)).write_text("v1\n{}")
    assert again(ledger).sync() == 1
    assert again(ledger).read(LAST + 1).run_id == "unknown"


def test_what_was_restored_is_the_same_to_its_last_field(lake: Lake, shop: Contract, ledger: Ledger) -> None:
    before: Epoch = again(ledger).read(LAST)
    record(ledger, LAST).write_text("")
    mend(lake, shop, again(ledger))
    started = again(ledger)
    started.sync()
    assert started.read(LAST) == before
