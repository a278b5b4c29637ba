"""A commit stages the table's metadata once for each change, however often PyIceberg looks at it."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyiceberg.table

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake

ROWS = pa.table({"a": [1, 2]})


def test_an_append_stages_what_it_changes_once(tmp_path: Path) -> None:
    lake = Lake.open(Home.resolve(tmp_path))
    table = lake.ensure_table("here.rows", ROWS.schema)
    with patch.object(pyiceberg.table, "update_table_metadata", wraps=pyiceberg.table.update_table_metadata) as staged:
        table.append(ROWS)
    assert staged.call_count == 2, "before its snapshot and with it"
    lake.append("here.rows", ROWS)
    assert lake.load("here.rows").scan().to_arrow()["a"].to_pylist() == [1, 2, 1, 2]


def test_each_change_of_a_transaction_sees_those_before_it(tmp_path: Path) -> None:
    lake = Lake.open(Home.resolve(tmp_path))
    with lake.ensure_table("here.rows", ROWS.schema).transaction() as change:
        change.append(ROWS)
        first = change.table_metadata
        change.set_properties(note="said")
        change.append(ROWS)
        assert change.table_metadata.properties["note"] == "said"
        assert len(change.table_metadata.snapshots) == 2
        assert len(first.snapshots) == 1, "what was looked at stays as it was"
    assert lake.load("here.rows").scan().to_arrow()["a"].to_pylist() == [1, 2, 1, 2]
