"""A full disk, as each part of the house says it: DuckDB, SQLite, Arrow, Java and the system have their own words."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from plumbline.contract.errors import SetupError

FULL = re.compile(r"no space left on device|disk quota exceeded|database or disk is full|disk is full", re.IGNORECASE)
NAMED = re.compile(r"[\"'](/[^\"']+)[\"']|(?<![\w.:/])(/[^\s\"':,;()]+)")
LITTLE = 1_000_000
"""Bytes. SQLite says of a full disk too that it is an I/O error; with less free than this it is believed to be one."""


def full_disk(error: BaseException) -> SetupError | None:
    """The error as a full disk, with the path that it names; None when it, and what caused it, is something else."""
    for one in _chain(error):
        told = isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT)
        if told or FULL.search(str(one)):
            named = getattr(one, "filename", None) or _path_in(str(one)) or _path_in(str(error))
            return no_space(str(named) if named else None)
    return None


def no_space(where: str | None) -> SetupError:
    """The one error for a full disk."""
    return SetupError(
        "the disk is full",
        where=where,
        next_step="free space there, or name another --home, and repeat the command; what was committed stays",
    )


def is_full(path: Path) -> bool:
    """Whether next to nothing is free where `path` lies."""
    try:
        return shutil.disk_usage(path).free < LITTLE
    except OSError:
        return False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _path_in(text: str) -> str | None:
    found = NAMED.search(text)
    return (found[1] or found[2]) if found else None
