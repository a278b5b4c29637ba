"""Of the files that no snapshot knows only those go that a writer of this very table left."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plumbline.stream_job.orphans import all_younger, removable

UUID = "3f1c9a2e-0b7d-4c55-9f1e-2a6b8c7d9e0f"
HERE = "file:///srv/lake/warehouse/joined/orders"


@pytest.mark.parametrize(
    "name",
    [
        f"data/day=2024-03-01/00000-12-{UUID}-00001.parquet",
        f"data/00000-0-{UUID}.parquet",
        f"data/00000-12-{UUID}-0-00001-deletes.parquet",
        "data/left-by-a-kill.parquet",
        f"metadata/00007-{UUID}.metadata.json",
        f"metadata/00007-{UUID}.gz.metadata.json",
        f"metadata/{UUID}-m0.avro",
        f"metadata/snap-123-1-{UUID}.avro",
    ],
)
def test_what_a_writer_left_goes(name: str) -> None:
    for spelled in (f"{HERE}/{name}", f"file:/srv/lake/warehouse/joined/orders/{name}"):
        assert removable([spelled], "joined.orders", {"joined.orders": HERE}) == [f"{HERE}/{name}"]


@pytest.mark.parametrize(
    "name", ["NOTES.md", "backup/orders.csv", "metadata/catalog.json", "data/keep.txt", "a.parquet"]
)
def test_what_somebody_put_there_stays(name: str) -> None:
    assert removable([f"{HERE}/{name}"], "joined.orders", {"joined.orders": HERE}) == []


@pytest.mark.parametrize(
    ("other", "gone"),
    [
        pytest.param(
            f"{HERE}/data/eu", ["data/00000-0-{}.parquet"], id="another table below it: its files are its own"
        ),
        pytest.param(
            "file:/srv/lake/warehouse/joined/orders/", [], id="another table in the same folder, spelled else"
        ),
        pytest.param("file:///srv/lake/warehouse", [], id="a table around it"),
        pytest.param(
            f"{HERE}_eu", ["data/00000-0-{}.parquet", "data/eu/00000-1-{}.parquet"], id="a name that begins the same"
        ),
    ],
)
def test_another_tables_files_stay(other: str, gone: list[str]) -> None:
    files = [f"{HERE}/{name}".format(UUID) for name in ("data/00000-0-{}.parquet", "data/eu/00000-1-{}.parquet")]
    places = {"joined.orders": HERE, "joined.other": other}
    assert removable(files, "joined.orders", places) == [f"{HERE}/{name}".format(UUID) for name in gone]


def test_object_stores_and_unknown_tables() -> None:
    file = f"s3a://bucket/t/data/00000-0-{UUID}.parquet"
    assert removable([file], "j.t", {"j.t": "s3://bucket/t"}) == [file.replace("s3a", "s3")]
    assert removable([file], "j.t", {"j.t": "s3://bucket/other"}) == []
    assert removable([file], "j.t", {}) == []


@pytest.mark.parametrize("spelled", ["{}", "file:{}", "file://{}/"])
def test_a_folder_of_young_files_needs_no_search(tmp_path: Path, spelled: str) -> None:
    location, before = spelled.format(tmp_path / "t"), datetime.now(UTC) - timedelta(days=3)
    assert not all_younger(location, before), "a folder that is not there"
    (tmp_path / "t" / "data" / "day=1").mkdir(parents=True)
    young, old = tmp_path / "t" / "young.parquet", tmp_path / "t" / "data" / "day=1" / "old.parquet"
    young.write_bytes(b"")
    assert all_younger(location, before)
    old.write_bytes(b"")
    os.utime(old, (before.timestamp() - 1,) * 2)
    assert not all_younger(location, before)


@pytest.mark.parametrize("location", ["s3://bucket/t", "t", "hdfs:///t"])
def test_of_other_places_a_look_tells_nothing(location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not all_younger(location, datetime.now(UTC))


def test_behind_a_link_a_look_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "data").symlink_to(tmp_path)
    assert not all_younger(str(tmp_path / "t"), datetime.now(UTC) - timedelta(days=3))
