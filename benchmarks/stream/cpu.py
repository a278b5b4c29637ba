"""CPU seconds and memory of this process and of its JVM, as /proc tells them: whole, and by what their threads do."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from tests.support.process_tree import spark_jvm

THREADS = {
    "compiler": r"C[12] Compiler",
    "garbage collector": r"VM Thread|GC Thread|G1 ",
    "tasks": r"Executor task",
    "planning and commits": r"stream executi",
    "RocksDB": r"rocksdb",
    "state snapshots": r"state-store",
}
"""What the threads of Spark's JVM do, and how their names begin; Linux keeps 15 letters of a name."""

PYTHON, FORKED, OTHER = "Python", "forked programs", "other threads"


@cache
def jvm() -> int:
    """The JVM of Spark below this process, once it is there."""
    found = spark_jvm(os.getpid())
    if found is None:
        raise LookupError("this process has not started a JVM")
    return found


def _read(path: str | Path) -> str:
    """A file of /proc; empty when the process or thread has ended meanwhile."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


class Threads:
    """What the threads of Spark's JVM took so far, those that have ended too if they were looked at before."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}

    def look(self) -> dict[str, float]:
        """CPU seconds so far by what was done: all keys of THREADS and the three names below it."""
        for task in Path(f"/proc/{jvm()}/task").iterdir():
            name, spent = _read(task / "comm"), _read(task / "stat")
            if spent:
                work = next((work for work, begins in THREADS.items() if re.match(begins, name)), OTHER)
                self._seen[task.name] = work, _spent(spent)[0]
        found = dict.fromkeys([*THREADS, OTHER, FORKED, PYTHON], 0.0)
        for work, seconds in self._seen.values():
            found[work] += seconds
        own, found[FORKED] = _spent(_read(f"/proc/{jvm()}/stat"))
        found[OTHER] = own - sum(found[work] for work in THREADS)
        found[PYTHON] = _spent(_read("/proc/self/stat"))[0]
        return found


def _spent(stat: str) -> tuple[float, float]:
    """CPU seconds by a `stat` of /proc, user and system: its own, and those of children that have ended."""
    parts = [int(part) / os.sysconf("SC_CLK_TCK") for part in stat.rsplit(")", 1)[1].split()[11:15]]
    return parts[0] + parts[1], parts[2] + parts[3]


def total() -> float:
    """CPU seconds so far of this process and the JVM, with what the JVM forked."""
    return sum(Threads().look().values())


def peak_mb(pid: int) -> int:
    """The largest resident size that a process ever had."""
    lines = _read(f"/proc/{pid}/status").splitlines()
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def peak_of_both_mb() -> int:
    """The largest resident sizes of this process and of the JVM, together."""
    return peak_mb(os.getpid()) + peak_mb(jvm())
