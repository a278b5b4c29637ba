"""What the archive lacks of a topic that was recreated since is a gap, though no later offset of it is archived."""

from __future__ import annotations

import duckdb
import pytest

from plumbline.reconcile.evidence.archive_gaps import _between_neighbours

OLD, NEW = 0, 1_000_000


def gaps(
    archived: list[tuple[int, int]], sought: list[tuple[int, int]], *, ledger: bool = True
) -> list[tuple[int, int, int | None, int | None]]:
    con = duckdb.connect()
    con.execute('CREATE TABLE left_coordinates (topic VARCHAR, partition INTEGER, "offset" BIGINT)')
    con.execute('CREATE TABLE left_sought (id BIGINT, partition INTEGER, "offset" BIGINT)')
    con.execute(f"CREATE TABLE read_until AS SELECT 'left' AS side WHERE {ledger}")
    con.executemany("INSERT INTO left_coordinates VALUES ('t', ?, ?)", archived)
    con.executemany("INSERT INTO left_sought VALUES (?, ?, ?)", [(n, *place) for n, place in enumerate(sought)])
    found = con.execute(
        f'SELECT partition, "offset", after, "before" FROM ({_between_neighbours("left", "t")}) ORDER BY ALL'
    ).fetchall()
    return [(p, o, after, before) for p, o, after, before in found]


@pytest.mark.parametrize(
    ("archived", "sought", "found"),
    [
        ([(OLD, 0), (OLD, 2)], [(OLD, 1), (OLD, 3)], [(OLD, 1, 0, 2), (OLD, 3, 2, None)]),
        ([(OLD, 0), (NEW, 0)], [(OLD, 1), (NEW, 1)], [(OLD, 1, 0, None), (NEW, 1, 0, None)]),
        ([(NEW, 0)], [(OLD, 5)], [(OLD, 5, None, None)]),
        ([(OLD, 5), (NEW, 0), (NEW, 2)], [(OLD, 5), (NEW, 1)], [(NEW, 1, 0, 2)]),
        ([(OLD, 0)], [(NEW, 0)], [(NEW, 0, None, None)]),
    ],
)
def test_what_the_archive_does_not_hold_is_a_gap_also_behind_its_newest_offset(
    archived: list[tuple[int, int]], sought: list[tuple[int, int]], found: list[tuple[int, int, int | None, int | None]]
) -> None:
    assert gaps(archived, sought) == found


def test_behind_the_newest_archived_offset_nobody_knows_a_record_without_a_ledger() -> None:
    archived, sought = [(OLD, 0), (OLD, 2)], [(OLD, 1), (OLD, 3), (NEW, 0)]
    assert gaps(archived, sought, ledger=False) == [(OLD, 1, 0, 2)]
