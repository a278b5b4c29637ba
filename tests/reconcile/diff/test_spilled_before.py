"""A connection that has spilled already is compared in again: DuckDB lets nobody set its folder then."""

from __future__ import annotations

from pathlib import Path

from plumbline.connect.pinned import connection
from plumbline.reconcile.diff.engine.compare import compare


def test_a_connection_that_has_spilled_compares_again(tmp_path: Path) -> None:
    con = connection("60MB", tmp_path)
    con.execute("CREATE TEMP TABLE wide AS SELECT i, repeat('x', 100) || i AS word FROM range(1_500_000) t(i)")
    [(spilled,)] = con.execute("SELECT sum(temporary_storage_bytes) FROM duckdb_memory()").fetchall()
    assert spilled > 0
    con.execute("CREATE VIEW few AS SELECT i, word FROM wide WHERE i < 1000")
    found = compare(con, "few", "few", ("i",), memory="512MB", temp_dir=tmp_path)
    assert found.counts["match"] == 1000
