"""Tables that are not on this machine, read in place: by a team's own FileIO, whose locations DuckDB cannot open."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow.fs import LocalFileSystem
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from plumbline.connect import far_files, pinned
from plumbline.connect.far_files import FarFile
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError

T = "far.numbers"
ROWS, COLUMNS = 400_000, 6
SCHEMA = pa.schema([pa.field(f"c{n}", pa.int64()) for n in range(COLUMNS)])


class VaultIO(PyArrowFileIO):
    """`vault:/a/b` is the file /a/b: a location that is of no machine's file system."""

    def new_input(self, location: str) -> InputFile:
        return PyArrowFile(location, location.removeprefix("vault:"), fs=LocalFileSystem())

    def new_output(self, location: str) -> OutputFile:
        path = Path(location.removeprefix("vault:"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return PyArrowFile(location, str(path), fs=LocalFileSystem())

    def delete(self, location: Any) -> None:
        Path(str(getattr(location, "location", location)).removeprefix("vault:")).unlink()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """One table of one file with many row groups, and a warehouse in the vault."""
    place = tmp_path_factory.mktemp("vault")
    block = {
        "type": "sql",
        "uri": f"sqlite:///{place}/catalog.db",
        "warehouse": f"vault:{place}/warehouse",
        "py-io-impl": f"{__name__}.VaultIO",
    }
    lake = Lake.open(Home.resolve(place / "home"), block)
    lake.ensure_table(T, SCHEMA, None)
    lake.set_properties(
        T, {"write.parquet.row-group-limit": "10000", "write.parquet.compression-codec": "uncompressed"}
    )
    lake.append(T, numbers(0))
    return lake


def numbers(first: int) -> pa.Table:
    whole = range(first, first + ROWS)
    return pa.table({f"c{n}": pa.array(whole, pa.int64()) for n in range(COLUMNS)}, schema=SCHEMA)


def sums(con: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    listed = ", ".join(f"sum(c{n})" for n in range(COLUMNS))
    [found] = con.execute(f"SELECT count(*), {listed} FROM v").fetchall()
    return tuple(found)


def test_threads_that_read_one_file_never_get_each_others_bytes(lake: Lake, tmp_path: Path) -> None:
    """DuckDB moves one file object and reads from it, in four threads: with one position the sums are wrong."""
    con = pinned.connection("2GB", tmp_path, threads=4)
    pinned.scan(con, lake, T, view="v", schema=None)
    assert {sums(con) for _ in range(10)} == {(ROWS, *[ROWS * (ROWS - 1) // 2] * COLUMNS)}


def test_nothing_of_the_table_is_copied(lake: Lake, tmp_path: Path) -> None:
    con = pinned.connection(temp_dir=tmp_path)
    assert pinned.scan(con, lake, T, view="v", schema=None, columns=["c1"]).files == 1
    assert con.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]
    assert con.execute("SELECT count(*), max(c1) FROM v WHERE c1 >= 399998").fetchall() == [(2, 399_999)]


def test_a_file_is_opened_once_for_all_queries_and_few_stay_open(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, open_ = list[str](), PyArrowFile.open

    def noted(file: PyArrowFile, seekable: bool = True) -> InputStream:
        opened.append(file.location)
        return open_(file, seekable)

    con, held = pinned.connection(temp_dir=tmp_path), lake.held()
    held.load(T)
    monkeypatch.setattr(PyArrowFile, "open", noted)
    for _ in range(3):
        pinned.scan(con, held, T, view="v", schema=None)
        con.execute("SELECT sum(c0), max(c1) FROM v").fetchall()
    assert len([location for location in opened if location.endswith(".parquet")]) == 1
    monkeypatch.setattr(far_files, "_MOST_STREAMS", 2)
    monkeypatch.setattr(far_files.FILES, "_streams", {})
    held.ensure_table("far.many", SCHEMA, None)
    for first in range(4):
        held.append("far.many", numbers(first).slice(0, 10))
    pinned.scan(con, lake, "far.many", view="many", schema=None)
    assert con.execute("SELECT count(*) FROM many").fetchall() == [(40,)]
    assert len(far_files.FILES._streams) == 2


def test_a_file_that_is_gone_is_named(lake: Lake, tmp_path: Path) -> None:
    con = pinned.connection(temp_dir=tmp_path)
    lake.ensure_table("far.gone", SCHEMA, None)
    lake.append("far.gone", numbers(0).slice(0, 10))
    [file] = lake.load("far.gone").inspect.files()["file_path"].to_pylist()
    VaultIO().delete(file)
    with pytest.raises(SetupError, match=r"far\.gone is unreadable"):
        pinned.scan(con, lake, "far.gone", view="v", schema=None)


class Plain:
    """A stream with one position, as fsspec's are; it says how often it was moved."""

    def __init__(self, held: bytes) -> None:
        self.held, self.at, self.closed = held, 0, False

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        found = self.held[self.at : self.at + size]
        self.at += len(found)
        return found

    def close(self) -> None:
        self.closed = True


def test_a_stream_with_one_position_is_read_from_where_each_thread_is() -> None:
    stream: Any = Plain(bytes(range(100)))
    file = FarFile(stream, "store:x", 100)
    file.seek(10)
    other = threading.Thread(target=lambda: (file.seek(50), file.read(3)))
    other.start()
    other.join()
    assert (file.read(2), file.read(2), file.tell()) == (bytes([10, 11]), bytes([12, 13]), 14)
    file.close()
    assert stream.closed


def test_vault_is_a_file_io_and_its_streams_are_arrows(lake: Lake) -> None:
    """What the tests above rest on."""
    io: FileIO = lake.load(T).io
    stream: InputStream = io.new_input(lake.load(T).metadata_location).open()
    assert isinstance(io, VaultIO)
    assert hasattr(stream, "read_at")
