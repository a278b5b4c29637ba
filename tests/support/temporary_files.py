"""Temporary files of the tests in memory, where there is enough of it: there no commit waits for a disk.

A commit of the local catalog waits for the disk three times, and the tests make some hundred thousand of them. All
else about a file in memory is as on a disk. $TMPDIR, when set, is used instead; so is the disk where $TMPDIR is not set
and memory is short.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")
PREFIX = "plumbline-tests-"
ENOUGH_BYTES = 12 << 30
"""What must be free: the tests leave about 2 GiB of files, and their processes take 8 GiB."""


def in_memory() -> Path | None:
    """From now on temporary files of this process and its children are made in a folder in memory; None: on disk."""
    if "TMPDIR" in os.environ or not _enough():
        return None
    for old in MEMORY.glob(f"{PREFIX}*"):
        if not psutil.pid_exists(int(old.name.removeprefix(PREFIX))):
            shutil.rmtree(old, ignore_errors=True)
    made = MEMORY / f"{PREFIX}{os.getpid()}"
    made.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = str(made)
    tempfile.tempdir = None  # what it found before
    return made


def _enough() -> bool:
    """Whether there is memory, as a file system that runs programs."""
    with suppress(OSError):
        there = os.statvfs(MEMORY)
        free = min(there.f_bavail * there.f_frsize, psutil.virtual_memory().available)
        return free >= ENOUGH_BYTES and not there.f_flag & os.ST_NOEXEC
    return False
