"""How much of the machine one process of ours takes: memory as asked, threads as far as that goes."""

from __future__ import annotations

import re

from plumbline.contract.errors import UsageError

MEMORY = "512MB"
"""What a command takes unless told otherwise."""

_UNITS = {"": 1, "B": 1, "K": 10**3, "KB": 10**3, "M": 10**6, "MB": 10**6, "G": 10**9, "GB": 10**9}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_BYTES_PER_THREAD = 110 * 10**6  # to read a row group of wide Parquet and write one; less made reads fail


def parse_bytes(memory: str) -> int:
    """Bytes in '512MB', '2 GiB' or '1000000'. Raises UsageError that shows the right form."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", memory)
    unit = _UNITS.get(match.group(2).upper()) if match else None
    if match is None or unit is None:
        raise UsageError(f"{memory!r} is not an amount of memory", next_step="write for example 512MB or 2GB")
    return int(float(match.group(1)) * unit)


def threads_within(duckdb_bytes: int, threads: int) -> int:
    """How many of these threads DuckDB can use in so much memory; one at least."""
    return max(1, min(threads, duckdb_bytes // _BYTES_PER_THREAD))
