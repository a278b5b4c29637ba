"""Whatever a transaction of PyIceberg's changes: what is remembered of it is what PyIceberg would stage anew, at each
of its own looks too."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table, Transaction
from pyiceberg.table.statistics import BlobMetadata, StatisticsFile
from pyiceberg.table.update import update_table_metadata
from pyiceberg.table.update.snapshot import ExpireSnapshots, ManageSnapshots
from pyiceberg.transforms import BucketTransform, IdentityTransform
from pyiceberg.types import LongType, StringType

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.staged_metadata import stage_once

T = "here.rows"
SCHEMA = pa.schema([("id", pa.int64()), ("n", pa.int32()), ("name", pa.string())])
Change = Callable[[Transaction, random.Random, int], object]


def rows(tx: Transaction, number: int) -> pa.Table:
    schema = tx.table_metadata.schema().as_arrow()
    return pa.Table.from_pylist([{"id": number}, {"id": number + 1}], schema=schema)


def add_column(tx: Transaction, _: random.Random, number: int) -> None:
    with tx.update_schema() as change:
        change.add_column(f"c{number}", StringType())


def move_and_rename(tx: Transaction, dice: random.Random, number: int) -> None:
    names = tx.table_metadata.schema().column_names
    with tx.update_schema() as change:
        change.move_first(dice.choice(names))
        renamed = dice.choice([name for name in names if name != "id"])
        change.rename_column(renamed, f"r{number}")


def widen(tx: Transaction, _: random.Random, __: int) -> None:
    if "n" in tx.table_metadata.schema().column_names:
        with tx.update_schema() as change:
            change.update_column("n", LongType())


def partition_anew(tx: Transaction, dice: random.Random, number: int) -> None:
    fields = [field.name for field in tx.table_metadata.spec().fields]
    with tx.update_spec() as change:
        if fields and dice.random() < 0.5:
            change.remove_field(dice.choice(fields))
        else:
            change.add_field("id", BucketTransform(2 + number), f"bucket_{number}")


def sort_anew(tx: Transaction, dice: random.Random, _: int) -> None:
    with tx.update_sort_order() as change:
        getattr(change, dice.choice(("asc", "desc")))("id", IdentityTransform())


def name_snapshot(tx: Transaction, dice: random.Random, number: int) -> None:
    if snapshots := tx.table_metadata.snapshots:
        with ManageSnapshots(tx) as change:
            named = dice.choice((change.create_tag, change.create_branch))
            named(dice.choice(snapshots).snapshot_id, f"ref{number}")


def expire(tx: Transaction, dice: random.Random, _: int) -> None:
    if snapshots := tx.table_metadata.snapshots:
        with ExpireSnapshots(tx) as change:
            change.by_id(dice.choice(snapshots).snapshot_id)


def tell_statistics(tx: Transaction, dice: random.Random, _: int) -> None:
    if snapshots := tx.table_metadata.snapshots:
        of = dice.choice(snapshots).snapshot_id
        blob = BlobMetadata(**{"type": "apache-datasketches-theta-v1", "snapshot-id": of, "sequence-number": 1,
                               "fields": [1], "properties": {}})  # fmt: skip
        told = {"snapshot-id": of, "statistics-path": "file:///nowhere.puffin", "file-size-in-bytes": 1,
                "file-footer-size-in-bytes": 1, "blob-metadata": [blob]}  # fmt: skip
        with tx.update_statistics() as change:
            change.set_statistics(StatisticsFile(**told))


def remove_note(tx: Transaction, _: random.Random, __: int) -> None:
    if "note" in tx.table_metadata.properties:
        tx.remove_properties("note")


CHANGES: tuple[Change, ...] = (
    lambda tx, _, number: tx.append(rows(tx, number)),
    lambda tx, _, number: tx.append(rows(tx, number)),
    lambda tx, _, number: tx.overwrite(rows(tx, number), f"id > {number}"),
    lambda tx, dice, number: tx.delete(f"id = {dice.randrange(number + 1)}"),
    lambda tx, _, number: tx.set_properties(note=str(number)),
    remove_note,
    add_column,
    move_and_rename,
    widen,
    partition_anew,
    sort_anew,
    name_snapshot,
    expire,
    tell_statistics,
)


def told(metadata: Any) -> dict[str, Any]:
    body: dict[str, Any] = metadata.model_dump()
    body.pop("last-updated-ms")  # of a change that is no snapshot: the time of the look
    return body


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many updates each look of a transaction was at; each is compared with what is staged anew."""
    stage_once()
    remembered, found = Transaction.table_metadata.fget, list[int]()
    assert remembered is not None

    def compared(tx: Transaction) -> Any:
        known = remembered(tx)
        assert told(known) == told(update_table_metadata(tx._table.metadata, tx._updates))
        found.append(len(tx._updates))
        return known

    monkeypatch.setattr(Transaction, "table_metadata", property(compared))
    return found


def table(home: Home, version: int) -> Table:
    lake = Lake.open(home)
    lake.ensure_table(T, SCHEMA)
    lake.catalog().drop_table(T)
    return lake.catalog().create_table(T, SCHEMA, properties={"format-version": str(version)})


@pytest.mark.parametrize("seed", range(10))
def test_what_is_remembered_is_what_would_be_staged(home: Home, looks: list[int], seed: int) -> None:
    dice, held, changed = random.Random(seed), table(home, 1 + seed % 2), 0
    for _ in range(3):
        with held.transaction() as tx:
            for change in dice.choices(CHANGES, k=5):
                with suppress(ValueError):  # a name or field that is taken
                    change(tx, dice, changed)
                changed += 1
                assert tx.table_metadata is tx.table_metadata
    assert max(looks) >= 5
    held.scan().to_arrow()


@pytest.mark.parametrize("seed", range(4))
def test_a_commit_in_between_is_seen(home: Home, looks: list[int], seed: int) -> None:
    """PyIceberg brings the rows onto the newer state, and refuses what is no snapshot."""
    dice, held = random.Random(seed), table(home, 2)
    for number in range(3):
        tx = held.transaction()
        tx.append(rows(tx, 10 * number))
        Lake.open(home).append(T, pa.Table.from_pylist([{"id": -number}], schema=SCHEMA))
        assert len(tx.table_metadata.snapshots) == 2 * number + 1
        tx.commit_transaction()
        if dice.random() < 0.5:
            held.refresh()
    assert len(held.refresh().scan().to_arrow()) == 9
    late = held.transaction()
    assert len(late.table_metadata.snapshots) == 6
    Lake.open(home).append(T, pa.Table.from_pylist([{"id": 0}], schema=SCHEMA))
    held.refresh()
    assert len(late.table_metadata.snapshots) == 7
    add_column(late, dice, 1)
    with Lake.open(home).load(T).update_schema() as change:
        change.add_column("theirs", StringType())
    with pytest.raises(CommitFailedException):
        late.commit_transaction()
