"""Playing a tape: the very same join code as the live job, into a staging table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.errors import IncompleteError
from contract.lineage import EVENT_TIME
from contract.model import Contract
from replay.plan import Plan
from replay.store import ReplayFolder
from replay.tape import cut, tape_stream
from stream_job.join import join
from stream_job.queries import configure, ensure_output, write_stream

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.streaming import StreamingQuery

    from connect.home import Home
    from connect.lake import Lake

Say = Callable[[str], None]


def run(
    contract: Contract,
    home: Home,
    plan: Plan,
    folder: ReplayFolder,
    *,
    say: Say = lambda message: None,
    spark: SparkSession | None = None,
) -> dict[str, Any]:
    """Cut the tape of `plan` and play it into its staging table. Resumes where a killed run stopped.

    Returns `{"replay_id", "staging", "rows", "tape", "late", "epochs"}`. Raises IncompleteError when the two sides of
    the tape ran apart or the join dropped a row (a complete tape has no late rows).
    """
    from connect.lake import Lake
    from connect.registry import equipped, kept_by
    from connect.spark import session

    done = folder.read("run")
    if done:
        return done
    lake = Lake.open(home, contract.catalog)
    spark = spark or session(home, lake, app=f"plumbline-replay-{plan.replay_id}")
    contract = equipped(contract, kept_by(contract, home))
    manifest = cut(spark, contract, home, plan, folder, say)
    say(f"replay: playing {manifest['epochs']} epochs into {plan.staging_table}")
    late = _play(spark, lake, contract, plan, folder)
    if late:
        raise IncompleteError(f"the join dropped {late} rows of a complete tape", where=str(folder.tape))
    rows = lake.load(plan.staging_table).scan().count()
    document = {
        "replay_id": plan.replay_id,
        "staging": plan.staging_table,
        "rows": rows,
        "tape": {name: sum(file["rows"] for file in files) for name, files in manifest["sources"].items()},
        "late": late,
        "epochs": manifest["epochs"],
    }
    folder.write("run", document)
    return document


def forget_unplanned(checkpoint: Path) -> list[Path]:
    """Remove what the file sources noted beyond the last planned batch; returns the removed files.

    Spark writes `sources/N/k` before `offsets/k`. A crash between the two would let the resumed batch take two epochs
    of one side (seen in an experiment; watermarks do not show it).
    """
    offsets = checkpoint / "offsets"
    planned = max((int(p.name) for p in offsets.glob("[0-9]*")), default=-1) if offsets.is_dir() else -1
    last = [_log_offsets(offsets / str(planned))] if planned >= 0 else []
    removed = []
    for folder in sorted((checkpoint / "sources").glob("*")):
        limit = last[0][int(folder.name)] if last else -1
        for note in folder.glob("[0-9]*"):
            if int(note.name.removesuffix(".compact")) > limit:
                note.unlink()
                removed.append(note)
    return removed


def sides_apart(checkpoint: Path) -> list[int]:
    """Batches in which the two sources stood at different epochs of the tape: must be none."""
    planned = sorted((int(p.name), _log_offsets(p)) for p in (checkpoint / "offsets").glob("[0-9]*"))
    return [number for number, offsets in planned if len(set(offsets)) > 1]


def _log_offsets(path: Path) -> list[int]:
    """The file source's `logOffset` of each source in one offsets file; -1 for a source that had nothing."""
    return [-1 if line == "-" else int(json.loads(line)["logOffset"]) for line in path.read_text().splitlines()[2:]]


def _play(spark: SparkSession, lake: Lake, contract: Contract, plan: Plan, folder: ReplayFolder) -> int:
    """Play the tape to its end; returns how many rows the join dropped in this process."""
    configure(spark, contract)
    left, right = (tape_stream(spark, folder.tape / name) for name in (contract.join.left, contract.join.right))
    rows = join(contract, left, right, plan.replay_id)
    # By event time only: Spark pushes any other condition below the watermark, which the sentinel would then not lift.
    kept = rows.where(plan.time_range.sql(EVENT_TIME))
    _forget_earlier_run(lake, plan, folder.checkpoint)
    ensure_output(lake, contract, plan.staging_table, kept)
    forget_unplanned(folder.checkpoint)
    query = write_stream(kept, plan.staging_table, str(folder.checkpoint), {"availableNow": True})
    _await(query)
    apart = sides_apart(folder.checkpoint)
    if apart:
        raise IncompleteError(
            f"the two sides of the tape ran apart in batch {apart[0]}",
            where=str(folder.checkpoint),
            next_step=f"remove {folder.root} and plan again",
        )
    return sum(
        int(state["numRowsDroppedByWatermark"])
        for progress in query.recentProgress
        for state in progress["stateOperators"]
    )


def _forget_earlier_run(lake: Lake, plan: Plan, checkpoint: Path) -> None:
    """Drop the staging table of a run whose folder is gone: the same plan has the same id, and rows would add up."""
    if not (checkpoint / "metadata").exists() and lake.exists(plan.staging_table):
        lake.catalog().drop_table(plan.staging_table)


def _await(query: StreamingQuery) -> None:
    from pyspark.errors import StreamingQueryException

    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        first = str(error).strip().splitlines()[0]
        raise IncompleteError(f"the replay failed: {first}", next_step="run it again; it resumes") from None
    finally:
        query.stop()
