"""How much memory a comparison may take, and what each stage gets of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from resource import getpagesize
from typing import TYPE_CHECKING

from plumbline.connect.machine import parse_bytes
from plumbline.contract.errors import UsageError

if TYPE_CHECKING:
    import duckdb

_SMALLEST = 256 * 10**6
_BARE, _MORE = 110 * 10**6, 40 * 10**6
"""What Python, DuckDB and Arrow take before anything is read, and what they take more while they work."""


@dataclass(frozen=True)
class Budget:
    """Sizes derived from one figure, the memory of the whole process.

    `duckdb_bytes` is DuckDB's own limit; `group_rows` rows (both sides) are sorted at once in numpy at some 60 bytes
    each; `batch_rows` candidate rows (both sides) are compared at once; `block_rows` rows are partitioned at once.
    """

    duckdb_bytes: int
    group_rows: int
    batch_rows: int
    block_rows: int

    @classmethod
    def of(cls, memory: str, held: int = _BARE) -> Budget:
        """The budget of a process of `memory`, such as '512MB' or '2GiB', of which `held` bytes are taken already.

        Where those leave next to nothing, as with frames in memory, they are not counted in full. Raises UsageError
        below 256 MB.
        """
        total = parse_bytes(memory)
        if total < _SMALLEST:
            raise UsageError(
                f"memory {memory!r} is too little: Python, DuckDB and Arrow alone take 150 MB",
                next_step="give at least 256MB",
            )
        spare = total - max(_BARE + _MORE, min(held + _MORE, total * 6 // 10))
        return cls(
            duckdb_bytes=int(spare * 0.7),
            group_rows=max(100_000, min(500_000, spare // 240)),
            batch_rows=max(20_000, spare // 2_400),
            block_rows=max(50_000, min(122_880, spare // 700)),
        )


def held_beside(con: duckdb.DuckDBPyConnection) -> int:
    """Bytes that this process holds in memory beside what DuckDB does; 0 where the system does not tell."""
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        [(own,)] = con.execute("SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory()").fetchall()
        return pages * getpagesize() - int(own)
    return 0
