"""Files that a table took over, as Iceberg's `add_files` does: without field ids, in the types that they had."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.table.name_mapping import create_mapping_from_schema
from pyiceberg.typedef import Record

from plumbline.connect import mapped_files, pinned
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError

FAR = [dt.datetime(9999, 12, 31, tzinfo=dt.UTC), dt.datetime(1, 1, 1, tzinfo=dt.UTC), None]
UTC = pa.timestamp("us", "UTC")


@pytest.fixture
def lake(home: Home) -> Lake:
    lake = Lake.open(home)
    lake.catalog().create_namespace("joined")
    return lake


def taking_over(lake: Lake, first: pa.Table) -> Table:
    """A table with a name mapping and one file of its own."""
    table = lake.catalog().create_table("joined.old", first.schema)
    with table.transaction() as change:
        change.set_properties(
            {"schema.name-mapping.default": create_mapping_from_schema(table.schema()).model_dump_json()}
        )
    table.append(first)
    return table


def take_over(table: Table, rows: pa.Table, file: Path, **options: Any) -> None:
    pq.write_table(rows, file, **options)
    counts = {one: len(rows) for one in table.schema().field_ids}
    added = DataFile.from_args(
        content=DataFileContent.DATA, file_path=f"file://{file}", file_format=FileFormat.PARQUET, partition=Record(),
        record_count=len(rows), file_size_in_bytes=file.stat().st_size, value_counts=counts, spec_id=0,
    )  # fmt: skip
    with table.transaction() as change, change.update_snapshot().fast_append() as appended:
        appended.append_data_file(added)


def seen(lake: Lake) -> list[dict[str, Any]]:
    con = pinned.connection()
    pinned.scan(con, lake, "joined.old", view="v", schema=None)
    return con.sql("FROM v ORDER BY id").to_arrow_table().to_pylist()  # type: ignore[no-any-return]


NARROW_AND_WIDE = {
    "double": (pa.array([1.5], pa.float32()), pa.array([0.1])),
    "long": (pa.array([7], pa.int32()), pa.array([2**40])),
    "decimal": (pa.array([1], pa.decimal128(3, 1)), pa.array([123456], pa.decimal128(9, 1))),
    "struct": (
        pa.array([{"x": 1.5}], pa.struct([("x", pa.float32())])),
        pa.array([{"x": 0.1}], pa.struct([("x", pa.float64())])),
    ),
    "list": (pa.array([[1.5, None]], pa.list_(pa.float32())), pa.array([[0.1]], pa.list_(pa.float64()))),
    "map": (
        pa.array([[("a", 1.5)]], pa.map_(pa.string(), pa.float32())),
        pa.array([[("a", 0.1)]], pa.map_(pa.string(), pa.float64())),
    ),
}


@pytest.mark.parametrize("changed", [False, True], ids=["one schema", "two schemas"])
@pytest.mark.parametrize("kind", NARROW_AND_WIDE)
def test_a_narrow_file_first_does_not_narrow_the_others(kind: str, changed: bool, lake: Lake, tmp_path: Path) -> None:
    narrow, wide = NARROW_AND_WIDE[kind]
    table = taking_over(lake, pa.table({"id": [1], "v": wide}))
    take_over(table, pa.table({"id": pa.array([2], pa.int32()), "v": narrow}), tmp_path / "old.parquet")
    [first, _] = table.scan().plan_files()
    assert first.file.file_path.endswith("old.parquet")
    if changed:
        table.update_schema().add_column("later", table.schema().find_type("id")).commit()
    con = pinned.connection()
    pinned.scan(con, lake, "joined.old", view="v", schema=None)
    asked = con.sql("SELECT v FROM v ORDER BY id").to_arrow_table()["v"]
    assert asked.to_pylist() == [*wide.to_pylist(), *narrow.to_pylist()]
    assert str(con.sql("SELECT id FROM v").types[0]) == "BIGINT"


@pytest.mark.parametrize("changed", [False, True], ids=["one schema", "two schemas"])
@pytest.mark.parametrize("nested", [False, True])
def test_times_in_int96_are_read_to_the_year_9999(changed: bool, nested: bool, lake: Lake, tmp_path: Path) -> None:
    def rows(start: int, kind: pa.DataType) -> pa.Table:
        at = pa.array(FAR, UTC).cast(kind)
        column = pa.StructArray.from_arrays([at], ["at"]) if nested else at
        return pa.table({"id": range(start, start + 3), "at": column})

    table = taking_over(lake, rows(0, UTC))
    take_over(table, rows(3, pa.timestamp("us")), tmp_path / "old.parquet", use_deprecated_int96_timestamps=True)
    if changed:
        table.update_schema().add_column("later", table.schema().find_type("id")).commit()
    found = [row["at"]["at"] if nested else row["at"] for row in seen(lake)]
    assert found == FAR * 2


def test_a_file_that_calls_a_column_otherwise_is_read_by_the_mapping(lake: Lake, tmp_path: Path) -> None:
    table = taking_over(lake, pa.table({"id": [1], "v": [5]}))
    mapping = '[{"field-id": 1, "names": ["id"]}, {"field-id": 2, "names": ["v", "amount"]}]'
    with table.transaction() as change:
        change.set_properties({"schema.name-mapping.default": mapping})
    take_over(table, pa.table({"id": [2], "amount": [6]}), tmp_path / "old.parquet")
    assert seen(lake) == [{"id": 1, "v": 5}, {"id": 2, "v": 6}]


def test_the_names_in_a_file_are_read_once(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = taking_over(lake, pa.table({"id": [1]}))
    take_over(table, pa.table({"id": [2]}), tmp_path / "old.parquet")
    asked: list[str] = []
    monkeypatch.setattr(mapped_files, "_paths", lambda table, file: asked.append(file.file_path) or {"id": None})
    assert seen(lake) == seen(lake) == [{"id": 1}, {"id": 2}]
    assert len(asked) == len(set(asked)) == 2


def test_a_file_that_is_gone_is_told(lake: Lake, tmp_path: Path) -> None:
    table = taking_over(lake, pa.table({"id": [1]}))
    take_over(table, pa.table({"id": [2]}), tmp_path / "old.parquet")
    (tmp_path / "old.parquet").unlink()
    with pytest.raises(SetupError, match=r"joined\.old is unreadable: .*old\.parquet"):
        seen(lake)
