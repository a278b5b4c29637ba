"""Which records of transactions a contract's job reads (Kafka's `isolation.level`), settled once and then kept.

A checkpoint and an archive hold what their level let through. Another level later on would leave one half of a table
with records of aborted transactions and the other without, so what exists keeps its own. The archive notes it in a
table property, the job's folder in a file; what was made before there was such a note read uncommitted records too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from plumbline.connect.kafka_config import ISOLATION, READ_COMMITTED, READ_UNCOMMITTED
from plumbline.contract.errors import UsageError
from plumbline.contract.model import Contract
from plumbline.stream_job import fingerprint
from plumbline.stream_job.job_folder import JobFolder

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake

PROPERTY = "plumbline.isolation-level"
FILE = "isolation-level"


def reading(kafka: Mapping[str, str], lake: Lake, contract: Contract, job: JobFolder) -> dict[str, str]:
    """The client properties with the level that the contract's topics are read by. Raises UsageError as `level`."""
    return {**kafka, ISOLATION: level(lake, contract, job)}


def level(lake: Lake, contract: Contract, job: JobFolder) -> str:
    """What the job's checkpoint and archives were made with; without any, the contract's word or `read_committed`.

    Raises UsageError when they differ, or when the contract asks for another one.
    """
    asked = (contract.kafka or {}).get(ISOLATION)
    made = dict(_made(lake, contract, job))
    levels = sorted(set(made.values()))
    if len(levels) > 1:
        committed, uncommitted = (next(what for what, of in made.items() if of == one) for one in levels)
        raise UsageError(
            f"{uncommitted} was made with {ISOLATION} {READ_UNCOMMITTED}, {committed} with {READ_COMMITTED}: "
            "the join and the batch reference would not see the same records",
            where=contract.place(("sources",)) or "sources",
            next_step="name new archive and output tables, and another contract name, to begin with one level",
        )
    if made and asked and asked not in levels:
        raise UsageError(
            f"{ISOLATION} {asked} is asked for, but {next(iter(made))} was made with {levels[0]}",
            where=contract.place(("kafka", ISOLATION)) or "kafka",
            next_step=f"set {levels[0]} to continue with it, or start over: another contract name, new archive and "
            "output tables",
        )
    return levels[0] if levels else asked or READ_COMMITTED


def settle(lake: Lake, contract: Contract, job: JobFolder, say: Callable[[str], None]) -> str:
    """The level as `level` finds it, noted for good in the job's folder and in archives that do not say yet.

    Says so when aborted records are read and the contract does not ask for them.
    """
    found = level(lake, contract, job)
    if found == READ_UNCOMMITTED and (contract.kafka or {}).get(ISOLATION) != found:
        say(
            f"stream: {next(iter(dict(_made(lake, contract, job))))} was made with {ISOLATION} {found} and keeps it: "
            "records of aborted transactions are joined; set it in the contract's kafka block to confirm this"
        )
    note(job, found)
    for source in contract.sources.values():
        if lake.exists(source.archive) and PROPERTY not in lake.load(source.archive).properties:
            lake.set_properties(source.archive, {PROPERTY: found})
    return found


def of_job(job: JobFolder) -> str | None:
    """The level that the job's folder was made with; None for one that holds no checkpoint yet."""
    try:
        noted = (job.root / FILE).read_text().strip()
    except FileNotFoundError:
        return READ_UNCOMMITTED if (job.join / "metadata").exists() else None
    return noted if noted in (READ_COMMITTED, READ_UNCOMMITTED) else None


def note(job: JobFolder, level: str) -> None:
    """Note the level in the job's folder, whole or not at all."""
    if of_job(job) == level and (job.root / FILE).exists():
        return
    job.root.mkdir(parents=True, exist_ok=True)
    draft = job.root / f".{FILE}.{os.getpid()}.tmp"
    draft.write_text(level)
    draft.rename(job.root / FILE)


def _made(lake: Lake, contract: Contract, job: JobFolder) -> Iterator[tuple[str, str]]:
    """What exists, in words, and the level that it was made with."""
    # The folder goes by the contract's name: another contract's says nothing of this one.
    kept = None if fingerprint.other_job(job.fingerprint, contract) else of_job(job)
    if kept is not None:
        yield "the job's checkpoint", kept
    for source in contract.sources.values():
        found = _of_archive(lake.load(source.archive)) if lake.exists(source.archive) else None
        if found is not None:
            yield source.archive, found


def _of_archive(table: Table) -> str | None:
    noted = table.properties.get(PROPERTY)
    return noted or (READ_UNCOMMITTED if table.current_snapshot() else None)
