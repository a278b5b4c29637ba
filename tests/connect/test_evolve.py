"""Tables that grow with what is written to them: what is added, widened, kept, and refused with both types."""

from __future__ import annotations

import datetime as dt
import json
import threading
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import FileFormat
from pyiceberg.types import StringType

from plumbline.connect.file_formats import DEFAULT_FORMAT, refuse_other_format, refuse_unread_files
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError, UsageError

TABLE = "joined.t"
HELD = pa.schema(
    [
        pa.field("id", pa.int32(), nullable=False),
        ("price", pa.float32()),
        ("fee", pa.decimal128(9, 2)),
        ("at", pa.timestamp("us", "UTC")),
        ("note", pa.string()),
    ]
)


@pytest.fixture
def lake(home: Home) -> Lake:
    made = Lake.open(home)
    made.ensure_table(TABLE, HELD, ("day", "at"))
    row = {"id": 1, "price": 0.5, "fee": Decimal("1.25"), "at": dt.datetime(2024, 3, 1, tzinfo=dt.UTC), "note": "n"}
    made.append(TABLE, pa.Table.from_pylist([row], schema=HELD))
    return made


def columns(lake: Lake) -> dict[str, str]:
    return {field.name: str(field.field_type) for field in lake.load(TABLE).schema().fields}


def test_columns_are_added_at_the_end_and_widened_in_place_and_the_others_stay(lake: Lake) -> None:
    wanted = pa.schema(
        [
            ("fee", pa.decimal128(12, 2)),
            ("colour", pa.string()),
            ("id", pa.int64()),
            ("price", pa.float64()),
            ("at", pa.timestamp("us", "UTC")),
        ]
    )
    lake.evolve(TABLE, wanted)
    grown = {"id": "long", "price": "double", "fee": "decimal(12, 2)", "at": "timestamptz", "note": "string"}
    assert list(columns(lake).items()) == [*grown.items(), ("colour", "string")]
    [row] = lake.load(TABLE).scan().to_arrow().to_pylist()
    assert (row["id"], row["price"], row["fee"], row["note"]) == (1, 0.5, Decimal("1.25"), "n")
    assert row["colour"] is None
    before = lake.load(TABLE).metadata_location
    lake.evolve(TABLE, wanted)
    lake.evolve(TABLE, HELD)
    assert lake.load(TABLE).metadata_location == before, "a table that takes the rows as it is was changed"


@pytest.mark.parametrize(
    ("column", "kind", "message"),
    [
        pytest.param("note", pa.int64(), "column note is string and cannot become long", id="text to number"),
        pytest.param("id", pa.string(), "column id is int and cannot become string", id="number to text"),
        pytest.param("id", pa.float64(), "column id is int and cannot become double", id="whole to fraction"),
        pytest.param("fee", pa.decimal128(12, 3), r"column fee is decimal\(9, 2\) and .* decimal\(12, 3\)", id="scale"),
    ],
)
def test_what_cannot_follow_is_named_and_changes_nothing(
    lake: Lake, column: str, kind: pa.DataType, message: str
) -> None:
    before = columns(lake)
    wanted = HELD.set(HELD.get_field_index(column), pa.field(column, kind)).append(pa.field("new", pa.string()))
    with pytest.raises(UsageError, match=rf"{message} \[table {TABLE}\]"):
        lake.evolve(TABLE, wanted)
    assert columns(lake) == before


def test_a_required_column_must_go_on_being_written(lake: Lake) -> None:
    with pytest.raises(UsageError, match="column id is required int and cannot become nothing"):
        lake.evolve(TABLE, HELD.remove(0))


def test_two_that_evolve_at_once_both_get_their_column(home: Home, lake: Lake) -> None:
    def add(name: str) -> None:
        Lake.open(home).evolve(TABLE, HELD.append(pa.field(name, pa.string())))

    threads = [threading.Thread(target=add, args=(f"c{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(columns(lake))[1:5] == ["c0", "c1", "c2", "c3"]


def written(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    """Columns that are written beside the one that must be."""
    return pa.schema([("id", pa.int32()), *fields])


@pytest.mark.parametrize("name", ["note", "NOTE"])
def test_a_column_that_another_tool_renamed_is_not_added_a_second_time(lake: Lake, name: str) -> None:
    with lake.load(TABLE).update_schema() as change:
        change.rename_column("note", "remark")
    with pytest.raises(UsageError, match=rf"column {name} of joined\.t was renamed to remark .*RENAME COLUMN remark"):
        lake.evolve(TABLE, written((name, pa.string())))
    assert "remark" in columns(lake)
    assert "note" not in columns(lake)


def test_nor_one_whose_name_another_column_has_now(lake: Lake) -> None:
    for old, new in (("note", "remark"), ("price", "note")):
        with lake.load(TABLE).update_schema() as change:
            change.rename_column(old, new)
    with pytest.raises(UsageError, match=r"column price of .* was renamed to note"):
        lake.evolve(TABLE, written(("price", pa.float32())))


def test_a_dropped_column_is_added_by_whoever_means_it(lake: Lake) -> None:
    with lake.load(TABLE).update_schema() as change:
        change.delete_column("note")
    wanted = written(("note", pa.string()), ("colour", pa.string()))
    with pytest.raises(UsageError, match=r"column note of .* was dropped by another tool.*ADD COLUMN note string"):
        lake.evolve(TABLE, wanted)
    with lake.load(TABLE).update_schema() as change:
        change.add_column("note", StringType())
    assert list(columns(lake.evolve(TABLE, wanted) and lake))[-2:] == ["note", "colour"]


def of_version_3(lake: Lake) -> str:
    """The table as another tool makes it: PyIceberg reads version 3 and does not write it."""
    file = Path(lake.load(TABLE).metadata_location.removeprefix("file://"))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format-version": 3, "next-row-id": 0}))
    return TABLE


def test_a_table_that_pyiceberg_cannot_write_is_refused_by_its_version(lake: Lake) -> None:
    name = of_version_3(lake)
    row = HELD.empty_table()
    for commit in (
        lambda: lake.append(name, row),
        lambda: lake.replace(name, row, AlwaysTrue()),
        lambda: lake.set_properties(name, {"a": "b"}),
        lambda: lake.evolve(name, written(("colour", pa.string()))),
    ):
        with pytest.raises(SetupError, match=r"writes format versions 1 and 2; joined\.t is of version 3"):
            commit()
    assert lake.evolve(name, HELD).metadata.format_version == 3, "what needs no change is taken as it is"


@pytest.mark.parametrize("kind", ["avro", "orc"])
def test_files_of_another_format_are_named(lake: Lake, kind: str) -> None:
    file = SimpleNamespace(file_format=FileFormat(kind.upper()), file_path=f"/w/a.{kind}")
    with pytest.raises(SetupError, match=rf"joined\.t holds files of {kind.upper()}; only Parquet is read"):
        refuse_unread_files([cast("Any", file)], TABLE)
    lake.set_properties(TABLE, {DEFAULT_FORMAT: kind})
    with pytest.raises(SetupError, match=rf"joined\.t has write\.format\.default = {kind}: a rewrite would make"):
        refuse_other_format(lake.load(TABLE), "a rewrite")
    lake.set_properties(TABLE, {DEFAULT_FORMAT: "PARQUET"})
    refuse_other_format(lake.load(TABLE), "a rewrite")
