"""Offsets as runs of consecutive ones, and how often each is there: sorted outside memory, swept once.

A file in the order of its offsets is one run for each batch that is read, whatever it holds; the worst, offsets in no
order, is a run for each row, which DuckDB sorts on disk. No two files are ever joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

I64 = npt.NDArray[np.int64]
AT_ONCE = 1 << 17


def encoded(group: I64, offset: I64) -> tuple[I64, I64, I64]:
    """The rows as (group, start, end) of runs, end not included; an offset that is there twice is in two runs."""
    if len(offset) == 0:
        return group, offset, offset
    if not _in_order(group, offset):
        order = np.lexsort((offset, group))
        group, offset = group[order], offset[order]
    cut = np.flatnonzero((group[1:] != group[:-1]) | (offset[1:] != offset[:-1] + 1)) + 1
    first = np.concatenate([[0], cut])
    last = np.concatenate([cut, [len(offset)]]) - 1
    return group[first], offset[first], offset[last] + 1


def _in_order(group: I64, offset: I64) -> bool:
    later = group[1:] > group[:-1]
    return bool(np.all(later | ((group[1:] == group[:-1]) & (offset[1:] >= offset[:-1]))))


class Runs:
    """A table of runs in a DuckDB connection: group `g`, `s` to `e` (not included), and a number `tag`."""

    def __init__(self, con: duckdb.DuckDBPyConnection, name: str) -> None:
        self.con, self.name = con, name
        con.execute(f"CREATE TABLE {name} (g INTEGER, s BIGINT, e BIGINT, tag BIGINT)")

    def add(self, group: I64, start: I64, end: I64, tag: int | I64 = 0) -> None:
        """Append runs; `tag` for all of them or for each."""
        if len(start) == 0:
            return
        tags = np.full(len(start), tag, np.int64) if isinstance(tag, int) else tag
        rows = pa.table({"g": group.astype(np.int32), "s": start, "e": end, "tag": tags})
        self.con.register("plumbline_runs", rows)
        self.con.execute(f"INSERT INTO {self.name} FROM plumbline_runs")
        self.con.unregister("plumbline_runs")

    def drop(self) -> None:
        """Give the space back."""
        self.con.execute(f"DROP TABLE {self.name}")

    def events(self) -> str:
        """SQL: `g`, `pos`, `tag` and `d`, +1 where a run begins and -1 where it ends."""
        return (
            f"SELECT g, s AS pos, tag, 1::BIGINT AS d FROM {self.name} "
            f"UNION ALL SELECT g, e AS pos, tag, -1::BIGINT AS d FROM {self.name}"
        )


def uneven(runs: Runs) -> Iterator[tuple[I64, I64, I64, I64]]:
    """(group, start, end, copies) of each stretch between a group's first and last offset that is not there once.

    Neighbours of as many copies may come as two.
    """
    sql = f"SELECT g::BIGINT AS g, pos, d FROM ({runs.events()}) ORDER BY g, pos"
    held: tuple[I64, I64, I64] | None = None
    base = 0
    with runs.con.cursor() as reading:
        for batch in reading.sql(sql).to_arrow_reader(AT_ONCE):
            read = [batch.column(name).to_numpy() for name in ("g", "pos", "d")]
            joined = read if held is None else [np.concatenate(pair) for pair in zip(held, read, strict=True)]
            group, pos, change = _summed(*joined)
            copies = np.cumsum(change) + base
            one = (group[1:] == group[:-1]) & (copies[:-1] != 1)
            yield group[:-1][one], pos[:-1][one], pos[1:][one], copies[:-1][one]
            held, base = (group[-1:], pos[-1:], change[-1:]), int(copies[-1] - change[-1])


def _summed(group: I64, pos: I64, change: I64) -> tuple[I64, I64, I64]:
    """Events of one place as one. Those that cancel out are left out, but for the last, which may go on in the next
    batch, and for the first, up to which the batch before has told."""
    first = np.concatenate([[True], (group[1:] != group[:-1]) | (pos[1:] != pos[:-1])])
    change = np.add.reduceat(change, np.flatnonzero(first))
    group, pos = group[first], pos[first]
    kept = change != 0
    kept[[0, -1]] = True
    return group[kept], pos[kept], change[kept]


def stretches(con: duckdb.DuckDBPyConnection, *events: str) -> Iterator[tuple[int, int, int, dict[int, int]]]:
    """(group, start, end, {tag: how many runs}) of each stretch over which the same runs lie, in order.

    `events` are SQL as `Runs.events` gives it; tags must be told apart by the caller. Stretches without a run between
    two of a group are given too.
    """
    together = " UNION ALL ".join(f"({one})" for one in events)
    sql = f"SELECT g, pos, tag, sum(d)::BIGINT AS d FROM ({together}) GROUP BY ALL HAVING sum(d) <> 0"
    with con.cursor() as reading:
        reader = reading.sql(f"{sql} ORDER BY g, pos").to_arrow_reader(AT_ONCE)
        yield from _swept(row for batch in reader for row in zip(*(c.to_pylist() for c in batch.columns), strict=True))


def _swept(events: Iterable[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, int, dict[int, int]]]:
    group = since = -1
    active: dict[int, int] = {}
    for g, pos, tag, change in events:
        if g == group and pos > since:
            yield g, since, pos, active
        group, since = g, pos
        left = active.get(tag, 0) + change
        if left:
            active[tag] = left
        else:
            active.pop(tag, None)
