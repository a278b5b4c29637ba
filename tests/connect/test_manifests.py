"""Manifests are read once, and a filter picks from them the files that PyIceberg's own plan has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.manifest import ManifestFile
from pyiceberg.transforms import BucketTransform

from plumbline.connect import manifests
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.table_plan import plan_files

T = "joined.t"
SCHEMA = pa.schema([("id", pa.int64()), ("at", pa.timestamp("us", tz="UTC")), ("name", pa.string())])
START = datetime(2024, 3, 1, tzinfo=UTC)
FILTERS = (
    "true",
    "false",
    "id > 4",
    "id = 3 or name is null",
    "name = 'b'",
    "name != 'b'",
    "name is null",
    "at is null",
    "at >= '2024-03-02T00:00:00+00:00' and at < '2024-03-03T12:00:00+00:00'",
    "not (at < '2024-03-03T00:00:00+00:00')",
    "id in (1, 9) or at is null",
)


@pytest.fixture
def table(home: Home) -> Any:
    """Of three commits in two partition specs: several files each, one row of no day, one deleted file."""
    lake = Lake.open(home)
    lake.ensure_table(T, SCHEMA, ("day", "at"))
    for commit in range(3):
        if commit == 2:
            with lake.load(T).update_spec() as spec:
                spec.add_field("id", BucketTransform(4))
        times = [None if commit == 1 else START, START + timedelta(days=commit), START + timedelta(days=3)]
        rows = {"id": [commit * 3 + n for n in range(3)], "at": times, "name": ["a", "b", None]}
        lake.append(T, pa.table(rows, schema=SCHEMA))
    lake.load(T).delete("id = 8")
    return lake.load(T)


@pytest.mark.parametrize("row_filter", FILTERS)
def test_a_filter_picks_the_files_of_pyicebergs_own_plan(table: Any, row_filter: str) -> None:
    for snapshot in table.metadata.snapshots:
        scan = table.scan(row_filter=row_filter, snapshot_id=snapshot.snapshot_id)
        ours = [(one.file.file_path, one.file.record_count, one.file.spec_id) for one in plan_files(scan, T)]
        theirs = [(one.file.file_path, one.file.record_count, one.file.spec_id) for one in scan.plan_files()]
        assert sorted(ours) == sorted(theirs)


def test_other_filters_and_other_snapshots_read_no_manifest_again(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read, of_pyiceberg = list[str](), ManifestFile.fetch_manifest_entry

    def noted(manifest: ManifestFile, *args: Any, **kwargs: Any) -> Any:
        read.append(manifest.manifest_path)
        return of_pyiceberg(manifest, *args, **kwargs)

    monkeypatch.setattr(ManifestFile, "fetch_manifest_entry", noted)
    for row_filter in FILTERS:
        for snapshot in table.metadata.snapshots:
            plan_files(table.scan(row_filter=row_filter, snapshot_id=snapshot.snapshot_id), T)
    assert len(read) == len(set(read)) > 3


def test_so_many_files_are_kept_and_no_more(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "_MOST_ENTRIES", 4)
    monkeypatch.setattr(manifests, "_ENTRIES", {})
    found = [one.file.file_path for one in plan_files(table.scan(row_filter="id > -1"), T)]
    assert len(found) > 4
    assert sum(map(len, manifests._ENTRIES.values())) <= 4
