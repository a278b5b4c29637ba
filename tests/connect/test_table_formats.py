"""Tables of format version 3, and those taken over from elsewhere, are read as the spec says or refused by name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BinaryType,
    DateType,
    DecimalType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

from plumbline.connect import pinned
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError
from tests.support.edited_tables import Metadata, edited, fields


@pytest.fixture
def lake(home: Home) -> Lake:
    lake = Lake.open(home)
    lake.catalog().create_namespace("joined")
    return lake


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return pinned.connection()


def create(lake: Lake, name: str, *columns: tuple[str, IcebergType], **options: Any) -> Table:
    schema = Schema(*(NestedField(n, column, kind) for n, (column, kind) in enumerate(columns, 1)))
    return lake.catalog().create_table(f"joined.{name}", schema, **options)


def read(
    con: duckdb.DuckDBPyConnection, lake: Lake, table: str, where: str = "true", **how: Any
) -> list[dict[str, Any]]:
    pinned.scan(con, lake, table, view="v", schema=None, **how)
    found = con.sql(f"FROM v WHERE {where} ORDER BY id").to_arrow_table().to_pylist()
    return [dict(row) for row in found]


def with_default(lake: Lake, kind: IcebergType, default: Any, *beside: tuple[str, IcebergType]) -> str:
    """A table with one file from before column `w` came with a default, and one from after."""
    table = create(lake, "plain", ("id", LongType()), *beside)
    table.append(pa.table({"id": [1]}))
    with table.update_schema() as change:
        change.add_column("w", kind)
    table.append(pa.table({"id": [2], "w": pa.nulls(1, table.schema().as_arrow().field("w").type)}))

    def defaulted(metadata: Metadata) -> None:
        for field in fields(metadata, "w"):
            field["initial-default"] = field["write-default"] = default

    return edited(lake, table, "defaulted", defaulted)


MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, 6)
UUID = "f79c3e09-677c-4bbd-a479-3f349cb785e7"
DEFAULTS: dict[str, tuple[Any, Any]] = {
    "int": (7, 7), "long": (2**62, 2**62), "boolean": (True, True), "string": ("it's", "it's"), "double": (0.1, 0.1),
    "decimal(38, 10)": ("12345678901234567890.1234567891", Decimal("12345678901234567890.1234567891")),
    "date": ("2026-01-02", dt.date(2026, 1, 2)), "time": ("03:04:05.000006", MOMENT.time()),
    "timestamp": ("2026-01-02T03:04:05.000006", MOMENT),
    "timestamptz": ("2026-01-02T03:04:05.000006+00:00", MOMENT.replace(tzinfo=dt.UTC)),
    "binary": ("00ff27", b"\x00\xff'"), "uuid": (UUID, UUID),
}  # fmt: skip
NESTED = ("l", ListType(99, LongType()))


@pytest.mark.parametrize("beside", [(), (NESTED,)], ids=["by field ids", "through arrow"])
@pytest.mark.parametrize(("kind", "default"), DEFAULTS.items(), ids=DEFAULTS)
def test_a_file_older_than_a_column_has_its_default(
    con: duckdb.DuckDBPyConnection, lake: Lake, kind: str, default: tuple[Any, Any], beside: tuple[Any, ...]
) -> None:
    spelled, value = default
    table = with_default(lake, NestedField(1, "w", kind).field_type, spelled, *beside)
    assert [row["w"] for row in read(con, lake, table)] == [value, None]
    assert [row["id"] for row in read(con, lake, table, "w IS NOT NULL")] == [1]


def test_a_default_inside_a_struct(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    table = create(lake, "plain", ("id", LongType()), ("s", StructType(NestedField(9, "a", LongType()))))
    table.append(pa.table({"id": [1], "s": [{"a": 1}]}))
    with table.update_schema() as change:
        change.add_column(("s", "b"), LongType())

    def defaulted(metadata: Metadata) -> None:
        for field in fields(metadata, "s"):
            for inner in field["type"]["fields"]:
                if inner["name"] == "b":
                    inner["initial-default"] = 7

    assert read(con, lake, edited(lake, table, "defaulted", defaulted))[0]["s"] == {"a": 1, "b": 7}


def test_a_default_that_pyiceberg_does_not_know_is_refused_by_name(lake: Lake) -> None:
    from pyiceberg.types import TimestampType

    table = create(lake, "plain", ("id", LongType()), ("w", TimestampType()))

    def nanoseconds(metadata: Metadata) -> None:
        for field in fields(metadata, "w"):
            field |= {"type": "timestamp_ns", "initial-default": "2026-01-02T03:04:05.000000007"}

    with pytest.raises(SetupError, match="column 'w' of type timestamp_ns with a default"):
        lake.load(edited(lake, table, "defaulted", nanoseconds)) if _registers(lake, table, nanoseconds) else None


def _registers(lake: Lake, table: Table, change: Callable[[Metadata], None]) -> bool:
    """Registering loads the table, and so fails like any other use; it is registered all the same."""
    try:
        edited(lake, table, "foreign", change)
    except Exception:
        lake.load("joined.foreign")
    return True


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("variant", "column 'v' of type variant"),
        ({"type": "list", "element-id": 9, "element": "variant", "element-required": False}, "column 'v' of a type"),
        (
            {"type": "struct", "fields": [{"id": 9, "name": "x", "type": "variant", "required": False}]},
            "column 'x' of type variant",
        ),
    ],
    ids=["variant", "a list of them", "a struct with one"],
)
def test_a_type_that_pyiceberg_does_not_know_is_refused_by_name(lake: Lake, kind: Any, named: str) -> None:
    table = create(lake, "plain", ("id", LongType()), ("v", BinaryType()))

    def foreign(metadata: Metadata) -> None:
        for field in fields(metadata, "v"):
            field["type"] = kind

    with pytest.raises(SetupError, match=named):
        _registers(lake, table, foreign)
    with pytest.raises(SetupError, match=named):
        lake.exists("joined.foreign")


@pytest.mark.parametrize("state", ["empty", "written", "added", "beside a nested column"])
@pytest.mark.parametrize(("kind", "held"), [("geometry", b"\x01\x02"), ("geography", b"\x01\x02"), ("unknown", None)])
def test_shapes_are_wkb_and_the_unknown_is_null(
    con: duckdb.DuckDBPyConnection, lake: Lake, kind: str, held: bytes | None, state: str
) -> None:
    beside = [NESTED] if state.endswith("nested column") else []
    table = create(
        lake, "plain", ("id", LongType()), *beside, *([("v", BinaryType())] if state in ("empty", "written") else [])
    )
    if state != "empty":
        table.append(pa.table({"id": [1], **({"v": [held]} if state == "written" and held else {})}))
    if state not in ("empty", "written"):
        with table.update_schema() as change:
            change.add_column("v", BinaryType())
    if state not in ("empty", "written") and held:
        table.append(pa.table({"id": [2], "v": [held]}))

    def typed(metadata: Metadata) -> None:
        for field in fields(metadata, "v"):
            field["type"] = kind

    found = read(con, lake, edited(lake, table, "typed", typed))
    expected = {"empty": [], "written": [held]}.get(state, [None, held] if held else [None])
    assert [row["v"] for row in found] == expected


def test_a_shape_that_parquet_knows_as_one_is_wkb_too(
    con: duckdb.DuckDBPyConnection, lake: Lake, tmp_path: Path
) -> None:
    table = create(lake, "plain", ("id", LongType()), ("v", BinaryType()))
    table.append(pa.table({"id": [1], "v": [b"x"]}))
    [task] = table.scan().plan_files()
    file = task.file.file_path.removeprefix("file://")
    rows = "SELECT 1::BIGINT AS id, 'POINT (1 2)'::GEOMETRY AS v"
    con.execute(f"COPY ({rows}) TO '{file}' (FORMAT parquet, FIELD_IDS {{id: 1, v: 2}})")

    def typed(metadata: Metadata) -> None:
        for field in fields(metadata, "v"):
            field["type"] = "geometry"

    [found] = read(con, lake, edited(lake, table, "typed", typed))
    assert found["v"][:5] == b"\x01\x01\x00\x00\x00"


def test_the_current_table_is_read_in_the_schema_of_now(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """A change of the schema makes no snapshot."""
    table = create(lake, "changed", ("id", IntegerType()), ("a", LongType()), ("gone", LongType()))
    table.append(pa.table({"id": pa.array([1], pa.int32()), "a": [5], "gone": [6]}))
    snapshot = table.current_snapshot()
    assert snapshot is not None
    with table.update_schema() as change:
        change.rename_column("a", "b")
        change.delete_column("gone")
        change.add_column("new", StringType())
        change.update_column("id", LongType())
    now = [{"id": 1, "b": 5, "new": None}]
    assert read(con, lake, "joined.changed") == now
    assert read(con, lake, "joined.changed", snapshot_id=snapshot.snapshot_id) == now
    then = read(con, lake, "joined.changed", snapshot_id=snapshot.snapshot_id, as_then=True)
    assert then == [{"id": 1, "a": 5, "gone": 6}]


def test_old_schemas_may_have_been_removed(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Expiring snapshots takes the schemas with it that only they had; the files stay as they were written."""
    table = create(lake, "plain", ("id", LongType()), ("a", LongType()))
    table.append(pa.table({"id": [1], "a": [5]}))
    with table.update_schema() as change:
        change.rename_column("a", "b")
    with table.update_schema() as change:
        change.add_column("a", LongType())

    def cleaned(metadata: Metadata) -> None:
        metadata["schemas"] = [s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"]]
        for snapshot in metadata["snapshots"]:
            snapshot["schema-id"] = metadata["current-schema-id"]

    assert read(con, lake, edited(lake, table, "cleaned", cleaned, version=2)) == [{"id": 1, "b": 5, "a": None}]


PARTITIONS: dict[str, tuple[IcebergType, str, Any]] = {
    "text": (StringType(), "it's", "it's"), "int": (IntegerType(), "7", 7), "long": (LongType(), "7", 7),
    "date": (DateType(), "2026-01-02", dt.date(2026, 1, 2)),
}  # fmt: skip


@pytest.mark.parametrize("altered", [False, True], ids=["one schema", "two schemas"])
@pytest.mark.parametrize(("kind", "folder", "value"), PARTITIONS.values(), ids=PARTITIONS)
def test_a_file_without_its_partition_column_has_the_partitions_value(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    tmp_path: Path,
    kind: IcebergType,
    folder: str,
    value: Any,
    altered: bool,
) -> None:
    """As `add_files` takes over a table of Hive, whose files have not the columns of its folders."""
    spec = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="p"))
    table = create(lake, "hive", ("id", LongType()), ("p", kind), partition_spec=spec)
    file = tmp_path / f"p={folder}" / "rows.parquet"
    file.parent.mkdir()
    pq.write_table(pa.table({"id": [1]}, schema=table.schema().select("id").as_arrow()), file)
    taken_over(table, file, value)
    if altered:
        with lake.load("joined.hive").update_schema() as change:
            change.add_column("later", LongType())
    [found] = read(con, lake, "joined.hive")
    assert found["p"] == value


def taken_over(table: Table, file: Path, partition: Any) -> None:
    days = (partition - dt.date(1970, 1, 1)).days if isinstance(partition, dt.date) else partition
    added = DataFile.from_args(
        content=DataFileContent.DATA, file_path=f"file://{file}", file_format=FileFormat.PARQUET,
        partition=Record(days), record_count=1, file_size_in_bytes=file.stat().st_size, value_counts={1: 1}, spec_id=0,
    )  # fmt: skip
    with table.transaction() as change, change.update_snapshot().fast_append() as appended:
        appended.append_data_file(added)


def test_a_changed_table_with_a_file_without_field_ids_is_refused(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    table = create(lake, "foreign", ("id", LongType()), ("a", LongType()))
    table.append(pa.table({"id": [1], "a": [5]}))
    [task] = table.scan().plan_files()
    pq.write_table(pa.table({"id": [1], "a": [5]}), task.file.file_path.removeprefix("file://"))
    assert read(con, lake, "joined.foreign") == [{"id": 1, "a": 5}]
    with lake.load("joined.foreign").update_schema() as change:
        change.rename_column("a", "b")
    with pytest.raises(SetupError, match="has no field ids"):
        pinned.scan(con, lake, "joined.foreign", view="v", schema=None)


def test_nanoseconds_keep_their_zone(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    table = create(lake, "plain", ("id", LongType()), ("t", TimestamptzType()), ("d", DecimalType(9, 2)))

    def nanoseconds(metadata: Metadata) -> None:
        for field in fields(metadata, "t"):
            field["type"] = "timestamptz_ns"

    pinned.scan(con, lake, edited(lake, table, "ns", nanoseconds), view="v", schema=None)
    assert str(con.sql("FROM v").types[1]) == "TIMESTAMPTZ_NS"
