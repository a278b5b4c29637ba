"""Holes of an archive filled from its topic: the records that it lacks and the topic still holds, in one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from plumbline.connect.file_formats import AS_PARQUET
from plumbline.contract.archive_columns import refuse_archive_of_theirs
from plumbline.contract.errors import IncompleteError
from plumbline.contract.generations import in_topic
from plumbline.contract.model import Contract
from plumbline.replay import looking
from plumbline.replay.pieces import KAFKA, Piece
from plumbline.replay.tape_rows import topic_rows
from plumbline.stream_job import fingerprint
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.late.rows import look_again

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.replay.document_types import FillDocument, FilledArchive
    from plumbline.replay.looking import Look

Say = Callable[[str], None]
FILL = "plumbline.archive-fill"
"""In the summary of the snapshot that filled holes: how many offsets."""


def fill(
    contract: Contract,
    home: Home,
    *,
    execute: bool,
    say: Say = lambda message: None,
    spark: SparkSession | None = None,
) -> FillDocument:
    """Archive what the archives lack before their newest offset and the topics still hold; without `execute` say what.

    Holds the job's folder, so that no archiver runs meanwhile. What lies behind the newest offset the archiver takes by
    itself. Returns `{"contract", "executed", "sources": {name: {"archive", "topic", "holes", "gone", "doubled",
    "filled"}}}`: stretches of offsets as [partition, start, end), and the records that were archived. Raises SetupError
    while the job runs, IncompleteError for a topic that was recreated, UsageError for an archive of another tool.
    """
    from plumbline.connect.lake import Lake
    from plumbline.connect.pinned import connection
    from plumbline.connect.registry import equipped, kept_by

    found: dict[str, FilledArchive] = {}
    with _job(contract, home).owned(), connection(temp_dir=home.replays / "scratch") as con:
        lake = Lake.open(home, contract.catalog)
        contract = equipped(contract, kept_by(contract, home))
        for name, source in contract.sources.items():
            seen = looking.look(con, lake, home, contract, name, "auto")
            holes = list(_holes(seen))
            found[name] = {
                "archive": source.archive,
                "topic": source.topic,
                "holes": [[hole.partition, hole.start, hole.end] for hole in holes],
                "gone": [list(stretch) for stretch in _gone(seen)],
                "doubled": [list(stretch) for stretch in _doubled(seen)],
                "filled": None,
            }
            if execute and holes:
                if spark is None:
                    from plumbline.connect.spark import session

                    spark = session(home, lake, app=f"plumbline-fill-{contract.contract}")
                say(f"archive: filling {sum(hole.end - hole.start for hole in holes):,} offsets of {source.archive}")
                # Before and after: an observer may look between the two, or this may be killed there.
                look_again(lake, contract)
                found[name]["filled"] = _filled(spark, lake, contract, name, seen, holes)
                look_again(lake, contract)
    return {"contract": contract.contract, "executed": execute, "sources": found}


def _job(contract: Contract, home: Home) -> JobFolder:
    """The job's folder. Raises UsageError for one of another contract, or an archive of another tool."""
    refuse_archive_of_theirs(contract, "archive fill", "let that tool archive them again; `plumbline audit` names them")
    job = JobFolder.of(contract, home)
    fingerprint.refuse_other_job(job.fingerprint, contract)
    return job


def _holes(seen: Look) -> Iterator[Piece]:
    """What the archive lacks and the topic may still hold, before the archive's newest offset."""
    for partition, (first, _) in sorted(seen.archived.items()):
        if in_topic(partition, max(0, len(seen.ids) - 1)) is None:
            continue
        earliest = (seen.topic or {}).get(partition, (first, first))[0]
        if earliest < first:
            yield Piece(KAFKA, partition, earliest, first)
        for fault in seen.faults.get(partition, ()):
            if not fault.run.copies and fault.run.end > earliest:
                yield Piece(KAFKA, partition, max(fault.run.start, earliest), fault.run.end)


def _gone(seen: Look) -> Iterator[tuple[int, int, int]]:
    """What the archive lacks and the topic no longer holds."""
    for partition, faults in sorted(seen.faults.items()):
        for fault in faults:
            earliest = (seen.topic or {}).get(partition, (fault.run.end, 0))[0]
            if not fault.run.copies and fault.run.start < earliest:
                yield partition, fault.run.start, min(fault.run.end, earliest)


def _doubled(seen: Look) -> Iterator[tuple[int, int, int]]:
    for partition, faults in sorted(seen.faults.items()):
        for fault in faults:
            if fault.run.copies:
                yield partition, fault.run.start, fault.run.end


def _filled(spark: SparkSession, lake: Lake, contract: Contract, name: str, seen: Look, holes: list[Piece]) -> int:
    """Append the records of these holes in one commit; how many there were."""
    from plumbline.connect.frames import fitted

    table = lake.load(contract.sources[name].archive)
    if seen.snapshot_id != (table.metadata.current_snapshot_id):
        raise IncompleteError(
            f"{contract.sources[name].archive} was written meanwhile",
            where=contract.sources[name].archive,
            next_step="stop what writes it, then repeat the command",
        )
    rows = topic_rows(spark, contract, seen.kafka, name, holes, seen.ids)
    writer = fitted(rows, table).writeTo(f"lake.{contract.sources[name].archive}")
    offsets = sum(hole.end - hole.start for hole in holes)
    noted = {"fanout-enabled": "true", f"snapshot-property.{FILL}": str(offsets)}
    writer.options(**AS_PARQUET, **noted).append()
    after = lake.load(contract.sources[name].archive).current_snapshot()
    summary = after.summary.additional_properties if after and after.summary else {}
    return int(summary.get("added-records", 0))
