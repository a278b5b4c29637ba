"""Tables as other writers make them: where the coordinates are, what has no place, which snapshot is meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import DoubleType, IcebergType, IntegerType, LongType, NestedField, StringType, StructType

from plumbline.cli import run
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError, UsageError
from plumbline.reconcile.audit.columns import coordinates
from tests.support.coordinate_tables import SCHEMA, append, audited, told
from tests.support.written_tables import FLAT, WrittenTable


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path / "home")


@pytest.fixture
def lake(home: Home) -> Lake:
    return Lake.open(home)


def schema(**columns: IcebergType | dict[str, IcebergType]) -> Schema:
    """Columns, or structs of columns."""
    fields = []
    for n, (name, kind) in enumerate(columns.items(), 1):
        inner = (
            [NestedField(100 * n + m, k, t) for m, (k, t) in enumerate(kind.items())] if isinstance(kind, dict) else []
        )
        fields.append(NestedField(n, name, StructType(*inner) if isinstance(kind, dict) else kind))
    return Schema(*fields)


USUAL = {
    "an archive": (
        schema(topic=StringType(), partition=IntegerType(), offset=LongType()), ("topic", "partition", "offset"),
    ),
    "a sink's metadata": (
        schema(id=LongType(), _kafka_metadata_topic=StringType(), _kafka_metadata_partition=IntegerType(),
               _kafka_metadata_offset=LongType()),
        ("_kafka_metadata_topic", "_kafka_metadata_partition", "_kafka_metadata_offset"),
    ),
    "a struct": (
        schema(id=LongType(), _kafka={"partition": IntegerType(), "offset": LongType(), "key": StringType()}),
        (None, "_kafka.partition", "_kafka.offset"),
    ),
    "camel case": (
        schema(kafkaPartition=IntegerType(), kafkaOffset=LongType(), offset=DoubleType()),
        (None, "kafkaPartition", "kafkaOffset"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("held", "expected"), USUAL.values(), ids=USUAL)
def test_usual_names_are_found(held: Schema, expected: tuple[str | None, ...]) -> None:
    assert tuple(coordinates(held, "ns.t").document().values()) == expected


TWO = schema(a_partition=IntegerType(), a_offset=LongType(), b_partition=IntegerType(), b_offset=LongType())
REFUSED: dict[str, tuple[Schema, dict[str, str], str]] = {
    "several pairs": (TWO, {}, "several pairs of columns may hold them: a_partition and a_offset, b_partition and"),
    "no pair": (schema(id=LongType(), offset=LongType()), {}, "no two columns have the usual names"),
    "offsets as floats": (
        schema(partition=IntegerType(), offset=DoubleType()), {}, "column offset of ns.t is double; .* whole numbers",
    ),
    "offsets as text": (
        schema(partition=IntegerType(), offset=StringType()), {"partition": "partition", "offset": "offset"},
        "column offset of ns.t is string",
    ),
    "half a pair": (TWO, {"partition": "a_partition"}, "--partition-column is given without --offset-column"),
    "an unknown name": (TWO, {"partition": "x", "offset": "a_offset"}, "has no column x"),
    "a topic that is a number": (
        TWO, {"partition": "a_partition", "offset": "a_offset", "topic": "b_offset"},
        "b_offset of ns.t is long; .* text",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("held", "named", "message"), REFUSED.values(), ids=REFUSED)
def test_columns_that_cannot_be_used_are_refused_by_name(held: Schema, named: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        coordinates(held, "ns.t", **named)


def test_rows_without_a_place_are_counted(lake: Lake) -> None:
    append(lake, "a.t", {0: [0, 1, None, 2, -1]})
    lake.append(
        "a.t", pa.Table.from_pylist([{"kafka_offset": 3}, {"kafka_offset": 2**63 - 1, "kafka_partition": 0}], SCHEMA)
    )
    found = audited(lake, "a.t")
    assert (found["not_placed"], found["rows"], found["findings"]) == ({"null": 2, "impossible": 2}, 7, [])
    assert found["verdict"] == "incomplete"


def test_each_topic_of_a_table_has_offsets_of_its_own(lake: Lake) -> None:
    schema = pa.schema([("topic", pa.string()), ("partition", pa.int32()), ("offset", pa.int64())])
    rows = [("a", 0, 0), ("a", 0, 2), ("b", 0, 0), ("b", 0, 1), ("b", 0, 1), (None, 0, 5)]
    lake.ensure_table("a.t", schema)
    lake.append("a.t", pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema))
    found = audited(lake, "a.t")
    assert [(one["kind"], one["topic"], one["start"]) for one in found["findings"]] == [
        ("doubled", "b", 1),
        ("unasked", "a", 1),
    ]
    assert found["not_placed"]["null"] == 1
    only = audited(lake, "a.t", "a")
    assert (only["other_topics"], [one["topic"] for one in only["partitions"]]) == ({"b": 3}, ["a"])
    append(lake, "a.plain", {0: [0]})
    with pytest.raises(UsageError, match="2 topics are given"):
        audited(lake, "a.plain", "a", "b")


def test_a_file_that_is_listed_twice_is_read_twice(lake: Lake) -> None:
    """As a sink leaves it whose coordinator committed the same file again."""
    table = WrittenTable(lake, "a.t", FLAT)
    file = table.file([(0, 0), (0, 1)])
    first, second = table.commit("append", [file]), table.commit("append", [file])
    table.publish()
    [finding] = audited(lake, "a.t")["findings"]
    assert (finding["start"], finding["end"], finding["copies"]) == (0, 2, 2)
    assert finding["written_by"] == [str(first), str(second)]
    assert audited(lake, "a.t")["files_listed_twice"] == [f"file://{file.path}"]


@pytest.mark.parametrize("version", [2, 3])
def test_a_delete_does_not_reach_a_file_that_was_listed_after_it(lake: Lake, version: int) -> None:
    """Iceberg spec, "Scan Planning": it applies to files that are not newer."""
    table = WrittenTable(lake, "a.t", FLAT, version)
    file = table.file([(0, 0), (0, 1), (0, 2)])
    table.commit("append", [file])
    table.commit("delete", delete=table.position_deletes({file.path: [0, 1]}))
    again = table.commit("append", [file])
    table.publish()
    found = audited(lake, "a.t")
    assert found["rows"] == 4
    assert [(one["start"], one["copies"], one["sure"]) for one in found["findings"]] == [(2, 2, True)]
    assert str(again) in found["findings"][0]["written_by"]


def test_rows_of_a_rewrite_are_those_of_the_append_before(lake: Lake) -> None:
    table = WrittenTable(lake, "a.t", FLAT)
    one, two = table.file([(0, 0), (0, 1)]), table.file([(0, 1), (0, 2)])
    appends = [table.commit("append", [one]), table.commit("append", [two])]
    table.commit("replace", [table.file([(0, 2), (0, 0), (0, 1), (0, 1)])], table.live[table.current or 0])
    table.publish()
    [finding] = audited(lake, "a.t")["findings"]
    assert (finding["written_by"], finding["sure"]) == (list(map(str, appends)), True)
    table.publish(expired=2)
    [finding] = audited(lake, "a.t")["findings"]
    assert (finding["kind"], finding["start"], finding["sure"]) == ("doubled", 1, False)


def test_what_a_rolled_back_snapshot_wrote_does_not_count(lake: Lake) -> None:
    table = WrittenTable(lake, "a.t", FLAT)
    first = table.commit("append", [table.file([(0, 0), (0, 1)])])
    table.commit("append", [table.file([(0, 1), (0, 2)])])
    table.current = first
    third = table.commit("append", [table.file([(0, 3)])])
    table.publish()
    [finding] = audited(lake, "a.t")["findings"]
    assert (finding["kind"], finding["start"], finding["passed_by"]) == ("unasked", 2, [str(third)])


def test_a_file_of_an_earlier_commit_that_is_gone_leaves_doubt(lake: Lake) -> None:
    table = WrittenTable(lake, "a.t", FLAT)
    old = table.file([(0, 0), (0, 1), (0, 2)])
    table.commit("append", [old])
    table.commit("overwrite", [table.file([(0, 0), (0, 2)])], table.live[table.current or 0])
    table.publish()
    [finding] = audited(lake, "a.t")["findings"]
    assert (finding["kind"], finding["sure"]) == ("deleted", True)
    Path(old.path).unlink()
    found = audited(lake, "a.t")
    assert [(one["kind"], one["sure"]) for one in found["findings"]] == [("unasked", False)]
    assert found["files_gone"] == 1


def test_a_live_file_that_is_gone_stops_the_audit(lake: Lake) -> None:
    table = WrittenTable(lake, "a.t", FLAT)
    file = table.file([(0, 0)])
    table.commit("append", [file])
    table.publish()
    Path(file.path).unlink()
    with pytest.raises(SetupError, match=r"a data file of a\.t is unreadable"):
        audited(lake, "a.t")


def test_deletes_by_value_are_refused(lake: Lake) -> None:
    table = WrittenTable(lake, "a.t", FLAT)
    table.commit("append", [table.file([(0, 0)])])
    deletes = table.file([(0, 0)])
    deletes.data_file[0] = DataFileContent.EQUALITY_DELETES
    table.commit("delete", delete=[deletes])
    table.publish()
    with pytest.raises(SetupError, match="equality deletes"):
        audited(lake, "a.t")


def test_a_column_that_a_file_has_not_is_its_partitions(lake: Lake, tmp_path: Path) -> None:
    """As `add_files` takes over folders named partition=3."""
    spec = PartitionSpec(PartitionField(source_id=1, field_id=1000, transform=IdentityTransform(), name="p"))
    lake.catalog().create_namespace("a")
    columns = Schema(NestedField(1, "partition", LongType()), NestedField(2, "offset", LongType()))
    table = lake.catalog().create_table("a.t", columns, partition_spec=spec)
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"offset": pa.array([4, 6])}), file)
    added = DataFile.from_args(
        content=DataFileContent.DATA, file_path=f"file://{file}", file_format=FileFormat.PARQUET,
        partition=Record(3), record_count=2, file_size_in_bytes=file.stat().st_size, spec_id=0,
    )  # fmt: skip
    with table.transaction() as change, change.update_snapshot().fast_append() as appended:
        appended.append_data_file(added)
    assert told(lake, "a.t") == ["unasked 3: 5-5"]


def test_a_column_that_was_renamed_is_the_same(lake: Lake) -> None:
    append(lake, "a.t", {0: [0, 1]})
    with lake.load("a.t").update_schema() as change:
        change.rename_column("kafka_offset", "k_offset")
        change.rename_column("kafka_partition", "k_partition")
    renamed = pa.Table.from_pylist(
        [{"k_partition": 0, "k_offset": 1, "value": "v"}], SCHEMA.remove(0).remove(0).insert(
            0, pa.field("k_offset", pa.int64())).insert(0, pa.field("k_partition", pa.int32()))
    )  # fmt: skip
    lake.append("a.t", renamed)
    assert told(lake, "a.t") == ["doubled 0: 1-1"]


def test_the_command_takes_snapshots_by_id_tag_and_time(
    lake: Lake, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    append(lake, "a.t", {0: [0, 1]}, {0: [1, 2]})
    first, second = lake.load("a.t").metadata.snapshots
    lake.load("a.t").manage_snapshots().create_tag(first.snapshot_id, "before").commit()
    base = ["audit", "a.t", "--home", str(home.root)]

    def code(*options: str) -> int:
        found = run([*base, *options])
        capsys.readouterr()
        return found

    assert [code(), code("--snapshot", "before"), code("--snapshot", str(first.snapshot_id))] == [1, 0, 0]
    assert code("--since", "before") == 1
    assert code("--since", str(second.snapshot_id)) == 2
    assert code("--at", "2001-01-01T00:00Z") == 2
    assert code("--snapshot", "nothing") == 2
    assert code("--snapshot", "12345") == 2
    assert code("--at", "2999-01-01T00:00Z") == 1


def test_the_command_shows_the_commits(
    lake: Lake, home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    append(lake, "a.t", {0: [0, 1]}, {0: [1, 2]}, {0: [4]})
    out = tmp_path / "all.parquet"
    assert run(["audit", "a.t", "--home", str(home.root), "--out", str(out)]) == 1
    printed = capsys.readouterr().out
    ids = [str(one.snapshot_id) for one in lake.load("a.t").metadata.snapshots]
    assert f"partition 0, 1, 2 times: written by {ids[0]} (append" in printed
    assert f"partition 0, 3: never written; {ids[2]} (append" in printed
    assert {row["kind"] for row in pq.read_table(out).to_pylist()} == {"doubled", "unasked"}
    assert run(["audit", "a.t", "--home", str(home.root), "--json", "--samples", "0"]) == 1
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (document["findings"], document["counts"]["doubled"]["offsets"]) == ([], 1)


def test_properties_come_from_the_environment(
    lake: Lake, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    append(lake, "a.t", {0: [0]})
    block = lake.block
    monkeypatch.setenv("AUDITED_LAKE", block["uri"])
    line = ["audit", "a.t", "--home", str(tmp_path / "other"), "--catalog", "type=sql"]
    where = ["--catalog", "uri=${AUDITED_LAKE}", "--catalog", f"warehouse={block['warehouse']}"]
    assert run([*line, *where]) == 0
    monkeypatch.delenv("AUDITED_LAKE")
    assert run([*line, *where]) == 2
    assert "environment variable AUDITED_LAKE is not set" in capsys.readouterr().err
