"""A file or a store that fails in the midst of a reconcile: one true line, whichever read it is, and no verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from plumbline.cli import run
from plumbline.connect import far_files, iceberg_files
from plumbline.reconcile.relations.relation import Relation
from tests.reconcile.causes.test_causes import stream_of
from tests.support.world import CONTRACT, World, play, show

AWAY = (
    "When reading key 'w/a.parquet' in bucket 'lake': AWS Error NETWORK_CONNECTION during GetObject operation: curl 7"
)
LINES = {
    "cut": r"error: (a file cannot be read|\S+ is unreadable): file:/\S+\.parquet gave \d+ of \d+ bytes at \d+",
    "away": r"error: the object store does not answer: NETWORK_CONNECTION during GetObject .*\[lake\]",
    "other bytes": r"error: (a file cannot be read|\S+ is unreadable): ",
    "gone": r"error: (a file is gone: |\S+ is unreadable: |'\S+' cannot be read: )file:/\S+\.parquet( is gone)?",
}
RECONCILE = ["reconcile", "plays.yaml", "--full"]


@dataclass
class Strikes:
    """Whether this is the fatal one of the asked times."""

    fatal: int = -1
    asked: int = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked == self.fatal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the tables of one afternoon, and its contract."""
    folder = tmp_path_factory.mktemp("failing")
    stream_of(World.at(folder / "home"), [show("x", 3), play("pc", "c", 4)]).write()
    (folder / "plays.yaml").write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    return folder


@pytest.fixture
def job(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PLUMBLINE_HOME", str(folder / "home"))
    return folder


def failing(kind: str, strikes: Strikes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files be read as those of a store, and what `strikes` picks fail."""
    read, stream = far_files.FarFile._read_at, far_files.FarFiles._stream

    def bad_read(file: far_files.FarFile, size: int, start: int) -> bytes:
        data = read(file, size, start)
        if kind == "gone" or not strikes():
            return data
        if kind == "away":
            raise OSError(AWAY)
        return data[: len(data) // 2] if kind == "cut" else bytes(byte ^ 0x55 for byte in data)

    def no_file(files: far_files.FarFiles, path: str, io: object, location: str) -> object:
        if kind == "gone" and strikes():
            files._streams.clear()
            location += ".taken-away.parquet"
        return stream(files, path, io, location)  # type: ignore[arg-type]

    monkeypatch.setattr(iceberg_files, "is_local", lambda _: False)
    monkeypatch.setattr(far_files.FarFile, "_read_at", bad_read)
    monkeypatch.setattr(far_files.FarFiles, "_stream", no_file)


@pytest.mark.parametrize("kind", LINES)
def test_a_store_that_fails_at_any_read_is_one_true_line(
    job: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    strikes = Strikes()
    failing(kind, strikes, monkeypatch)
    assert run(RECONCILE) == 1  # the drift that is there
    capsys.readouterr()
    reads = strikes.asked
    assert reads > 20
    for fatal in range(1, reads, reads // 3):
        strikes.fatal, strikes.asked = fatal, 0
        assert run(RECONCILE) == 3
        told = capsys.readouterr()
        assert told.out == ""
        [line] = [line for line in told.err.splitlines() if line.startswith("error:")]
        assert re.match(LINES[kind], line)
        assert not re.search("defect|Traceback|spilled", line)


@pytest.mark.parametrize("after", [0.3, 0.8])
def test_a_local_file_that_is_removed_meanwhile_is_named(
    job: Path, after: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    strikes, fill = Strikes(), Relation.fill
    data = job / "home" / "lake" / "warehouse" / "joined" / "plays_stream" / "data"

    def filled(relation: Relation, *asked: object) -> Relation:
        if strikes():
            data.rename(data.with_name("away"))
        return fill(relation, *asked)  # type: ignore[arg-type]

    monkeypatch.setattr(Relation, "fill", filled)
    assert run(RECONCILE) == 1
    strikes.fatal, strikes.asked = int(strikes.asked * after), 0
    try:
        code = run(RECONCILE)
    finally:
        data.with_name("away").rename(data)
    told = capsys.readouterr().err
    assert code == 3
    assert re.search(r"^error: a file is gone: /\S+plays_stream/data/\S+\.parquet\. Next: run the command again", told)
