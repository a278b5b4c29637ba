"""A home knows its own place: copies are refused and made whole, and any legal path is a place."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyiceberg.expressions import EqualTo

from plumbline.connect import broker, place
from plumbline.connect.adopt import adopt
from plumbline.connect.avro_paths import exchange_paths
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = pa.table({"id": [1, 2, 3], "name": ["a", "b", None]})


def filled(folder: Path) -> Home:
    """A home whose lake has a table with a history: appends, an overwrite, a tag."""
    home = Home.resolve(folder)
    lake = Lake.open(home)
    lake.ensure_table("raw.t", ROWS.schema, ("identity", "name"))
    for _ in range(2):
        lake.append("raw.t", ROWS)
    lake.load("raw.t").overwrite(ROWS.slice(0, 1), EqualTo("id", 1))
    table = lake.load("raw.t")
    table.manage_snapshots().create_tag(table.metadata.snapshots[0].snapshot_id, "first").commit()
    lake.dispose()
    return home


def contents(home: Home, snapshot_id: int | None = None) -> list[tuple[int, str | None]]:
    rows = Lake.open(home).load("raw.t").scan(snapshot_id=snapshot_id).to_arrow()
    return sorted(zip(rows["id"].to_pylist(), rows["name"].to_pylist(), strict=True))


def copied(home: Home, to: Path) -> Home:
    shutil.copytree(home.root, to)
    return Home.resolve(to)


def test_a_copy_is_refused_and_then_made_whole(tmp_path: Path) -> None:
    original = filled(tmp_path / "home")
    copy = copied(original, tmp_path / "copy")
    with pytest.raises(SetupError, match=rf"a copy of {original.root}.*plumbline home adopt.*--execute"):
        Lake.open(copy)
    before = {path: path.read_bytes() for path in original.root.rglob("*") if path.is_file()}
    shown = adopt(copy, execute=False)
    assert shown is not None
    assert (shown.tables, shown.elsewhere) == (("raw.t",), ())
    with pytest.raises(SetupError, match="a copy of"):
        Lake.open(copy)
    assert adopt(copy, execute=True) == shown
    assert adopt(copy, execute=True) is None, "it is a home of its own"
    assert before == {path: path.read_bytes() for path in original.root.rglob("*") if path.is_file()}
    wanted = contents(original)
    shutil.rmtree(original.root)
    assert contents(copy) == wanted
    table = Lake.open(copy).load("raw.t")
    assert contents(copy, table.metadata.refs["first"].snapshot_id) == [(1, "a"), (2, "b"), (3, None)]
    table.append(ROWS)
    assert len(contents(copy)) == len(wanted) + 3
    assert not [path for path in copy.root.rglob("*.json") if str(original.root) + "/" in path.read_text()]


@pytest.mark.spark
def test_rows_that_deletion_vectors_delete_stay_deleted(tmp_path: Path, spark: SparkSession) -> None:
    """Made by Spark, format version 3: the vectors name their data files by absolute paths, in their own footers."""
    from plumbline.connect.spark import session

    original = Home.resolve(tmp_path / "home")
    Lake.open(original).dispose()
    sql = session(original, Lake.open(original), app="vectors").sql
    sql("CREATE NAMESPACE lake.raw")
    sql(
        "CREATE TABLE lake.raw.t (id BIGINT, name STRING) USING iceberg "
        "TBLPROPERTIES ('format-version'='3', 'write.delete.mode'='merge-on-read')"
    )
    sql("INSERT INTO lake.raw.t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')")
    sql("DELETE FROM lake.raw.t WHERE id IN (2, 3)")
    assert list(original.lake.rglob("*.puffin"))
    copy = copied(original, tmp_path / "a longer way" / "to the copy")
    for _ in range(2):
        adopt(copy, execute=True)
    shutil.rmtree(original.root)
    assert contents(copy) == [(1, "a"), (4, "d")]
    again = session(copy, Lake.open(copy), app="vectors")
    assert sorted(row["id"] for row in again.sql("SELECT id FROM lake.raw.t").collect()) == [1, 4]
    files = Lake.open(copy).load("raw.t").inspect.delete_files().to_pylist()
    assert [file["file_size_in_bytes"] for file in files] == [
        Path(place.plain(file["file_path"])).stat().st_size for file in files
    ]


@pytest.mark.parametrize("killed_after", [0, 1, 3, 5, 8])
def test_a_killed_adoption_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int) -> None:
    original = filled(tmp_path / "home")
    copy, wanted, left = copied(original, tmp_path / "elsewhere" / "copy"), contents(original), [killed_after]
    replace = Path.replace

    def dies(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            adopt(copy, execute=True)
    with pytest.raises(SetupError, match="a copy of"):
        Lake.open(copy)
    adopt(copy, execute=True)
    shutil.rmtree(original.root)
    assert contents(copy) == wanted


def test_a_moved_home_is_made_whole_too(tmp_path: Path) -> None:
    original = filled(tmp_path / "home")
    wanted = contents(original)
    moved = Home.resolve(original.root.rename(tmp_path / "moved"))
    with pytest.raises(SetupError, match=r"the moved .*/home"):
        Lake.open(moved)
    adopt(moved, execute=True)
    assert contents(moved) == wanted


def test_a_copy_of_a_home_of_an_earlier_version_is_known_by_its_tables(tmp_path: Path) -> None:
    original = filled(tmp_path / "home")
    (original.root / place.MARKER).unlink()
    copy = copied(original, tmp_path / "copy")
    with pytest.raises(SetupError, match="a copy of"):
        Lake.open(copy)
    assert len(contents(original)) > 0
    assert json.loads((original.root / place.MARKER).read_text()) == {"place": str(original.root)}


def test_a_link_to_a_home_is_the_home(tmp_path: Path) -> None:
    original = filled(tmp_path / "home")
    (tmp_path / "link").symlink_to(original.root)
    assert contents(Home.resolve(tmp_path / "link")) == contents(original)


def test_the_brokers_of_a_copy_are_not_the_originals(tmp_path: Path) -> None:
    """`kafka stop` of the copy would end the original's broker: its record was copied too."""
    original = filled(tmp_path / "home")
    original.broker.mkdir()
    (original.broker / "running.json").write_text("{}")
    copy = copied(original, tmp_path / "copy")
    for ask in (broker.status, broker.stop):
        with pytest.raises(SetupError, match="a copy of"):
            ask(copy)
    adopt(copy, execute=True)
    assert not (copy.broker / "running.json").exists()


def test_what_cannot_be_rewritten_is_named_before_anything_is_changed(tmp_path: Path) -> None:
    original = filled(tmp_path / "home")
    copy = copied(original, tmp_path / "copy")
    broken = min((copy.lake / "warehouse").rglob("*-m0.avro"))
    broken.write_bytes(broken.read_bytes()[:-9])
    before = {path: path.read_bytes() for path in copy.root.rglob("*") if path.is_file()}
    with pytest.raises(SetupError, match=rf"cannot be rewritten: .*{broken.name}.*move it away"):
        adopt(copy, execute=True)
    assert before == {path: path.read_bytes() for path in copy.root.rglob("*") if path.is_file()}


def test_a_container_without_such_paths_stays_byte_by_byte_the_same_values(tmp_path: Path) -> None:
    home = filled(tmp_path / "home")
    for file in (home.lake / "warehouse").rglob("*.avro"):
        content = file.read_bytes()
        again = exchange_paths(content, lambda text: text).content
        assert exchange_paths(again, lambda text: text).content == again
        there_and_back = exchange_paths(content, lambda text: text + "+").content
        assert exchange_paths(there_and_back, lambda text: text.removesuffix("+")).content == again


def test_a_container_of_every_kind_of_value() -> None:
    """Maps, fixed, enums, nested unions and named types used twice: what Iceberg's writers may put in."""
    schema = {
        "type": "record", "name": "r", "fields": [
            {"name": "e", "type": {"type": "enum", "name": "k", "symbols": ["A", "B"]}},
            {"name": "f", "type": {"type": "fixed", "name": "h", "size": 2}},
            {"name": "m", "type": {"type": "map", "values": ["null", "string"]}},
            {"name": "g", "type": ["null", "h"]},
            {"name": "d", "type": "double"},
            {"name": "b", "type": "boolean"},
        ],
    }  # fmt: skip
    meta = json.dumps(schema).encode()
    head = b"Obj\x01" + b"\x02" + bytes([22]) + b"avro.schema" + _long(len(meta)) + meta + b"\x00" + b"S" * 16
    body = (
        b"\x02" + b"xy" + b"\x02" + b"\x02k" + b"\x02" + b"\x08path" + b"\x00" + b"\x02" + b"zz" + b"8bytes.." + b"\x01"
    )
    made = exchange_paths(head + b"\x02" + _long(len(body)) + body + b"S" * 16, lambda text: text.upper(), ("e",))
    assert made.seen == [{"e": 1}]
    assert made.content == head + b"\x02" + _long(len(body)) + body.replace(b"path", b"PATH") + b"S" * 16


def _long(number: int) -> bytes:
    made = bytearray()
    number *= 2
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


ODD = (
    "repo_feature%2Flogin", "a%20b", "a b", "team #1", "who?", "50%", "[1]", "a*b", "{x,y}", "it's", 'a"b',
    "ünïcödé 日本", "semi;colon", "comma,", "colon:", "plus+", "amp&", "back\\slash", "-dash", "~tilde", "$HOME",
)  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_any_legal_path_is_a_home_of_its_own(tmp_path: Path, name: str) -> None:
    """Beside homes of the decoded names, and found again through PyIceberg and DuckDB."""
    from plumbline.connect.pinned import connection, scan

    filled(tmp_path / "a b")
    filled(tmp_path / "axb")
    home = Home.resolve(tmp_path / name)
    if name not in ("a b",):
        assert Lake.open(home).tables() == []
    assert len(contents(filled(home.root) if name != "a b" else home)) == len(contents(Home.resolve(tmp_path / "axb")))
    con = connection()
    try:
        scan(con, Lake.open(home), "raw.t", view="t", schema=None)
        found = con.sql("SELECT id, name FROM t ORDER BY ALL").fetchall()
        assert sorted(found, key=str) == sorted(contents(home), key=str)
    finally:
        con.close()
    assert sorted(os.listdir(tmp_path)) == sorted({"a b", "axb", name}), "nothing lies beside the homes"
