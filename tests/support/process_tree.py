"""The processes below one, as /proc has them, and which of them is Spark's JVM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def below(pid: int) -> Iterator[int]:
    """The processes started by `pid` and by those, parents first."""
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, tasks.read_text().split()):
                yield child
                yield from below(child)


def spark_jvm(pid: int) -> int | None:
    """Spark's JVM below `pid`, None while there is none: a broker has one too, and some are only asked something."""
    return next(filter(_is_spark, below(pid)), None)


def _is_spark(pid: int) -> bool:
    try:
        return b"SparkSubmit" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
