"""Playing a tape: the very same join code as the live job, into a staging table."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.file_formats import AS_PARQUET
from plumbline.contract.errors import IncompleteError
from plumbline.contract.lineage import EVENT_TIME, REPLAY_ID
from plumbline.contract.model import Contract
from plumbline.replay import fidelity, staging
from plumbline.replay.opened import Replay, Say, equipped, silent
from plumbline.replay.plan import Plan
from plumbline.replay.recorded import read_recorded
from plumbline.replay.store import ReplayFolder
from plumbline.replay.tape import cut, epoch_file, tape_stream, whole_tape
from plumbline.stream_job.aggregate import aggregated
from plumbline.stream_job.join import join
from plumbline.stream_job.queries import configure, ensure_output, write_stream

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming import StreamingQuery

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.replay.document_types import Fidelity, Outcome, RunDocument, Seconds

LARGE = 500_000
"""Events from which on the JVM takes the time to compile well. On two cores a complete replay took 7 s of CPU to begin
and 30 s for each million of events with the quick compiler, 14 s and 13 s with the patient one
(benchmarks/replay/speed.py)."""


def run(
    contract: Contract,
    home: Home,
    plan: Plan,
    folder: ReplayFolder | None = None,
    *,
    say: Say = silent,
    spark: SparkSession | None = None,
    among: Sequence[Plan] = (),
) -> RunDocument:
    """Cut the tape of `plan` and play it into its staging table. Resumes where a killed run stopped.

    `folder`: the replay's own below the home, unless another one is given.
    `among`: the plans that this process runs one after the other, where it is not this one alone.
    Returns `{"replay_id", "staging", "rows", "tape", "late", "epochs", "seconds", "fidelity"}`.
    Raises IncompleteError when the two sides of a faithful tape ran apart, UnreachableError while another process
    runs this replay, SetupError for a table of somebody else's under the staging table's name.
    """
    return cut_and_play(Replay.of(contract, home, plan, folder, say), spark=spark, among=among)


def cut_and_play(replay: Replay, *, spark: SparkSession | None = None, among: Sequence[Plan] = ()) -> RunDocument:
    """Cut the tape of a replay and play it into its staging table; see `run`."""
    folder = replay.folder
    with folder.owned():
        done: RunDocument | None = folder.read("run")
        staging.refuse_other(replay)
        if done and replay.lake.exists(replay.plan.staging_table):
            return done
        # What was played and audited once is gone, by `replay gc` or a publish: neither says anything of this run.
        folder.forget("run", "audit")
        spark = spark or session_for(replay.home, replay.lake, among or [replay.plan])
        document = _run(spark, equipped(replay))
        folder.write("run", document)
    return document


def _run(spark: SparkSession, replay: Replay) -> RunDocument:
    began = time.monotonic()
    manifest = cut(spark, replay)
    ready = time.monotonic()
    configure(spark, replay.contract)
    play = _play if replay.plan.faithful else _join_whole
    late = play(spark, replay)
    seconds: Seconds = {"cut": round(ready - began, 1), "play": round(time.monotonic() - ready, 1)}
    outcome = _outcome(replay, manifest)
    return {**outcome, "late": late, "seconds": seconds}


def session_for(home: Home, lake: Lake, plans: Sequence[Plan]) -> SparkSession:
    """The Spark session in which these plans are run, one after the other."""
    from plumbline.connect.spark import session

    large = sum(plan.estimate["rows"] for plan in plans) >= LARGE
    return session(home, lake, app=f"plumbline-replay-{plans[0].replay_id}", long_lived=large)


def _outcome(replay: Replay, manifest: dict[str, Any]) -> Outcome:
    """What a run has to show once its tape is played."""
    staged = replay.plan.staging_table
    return {
        "replay_id": replay.id,
        "staging": staged,
        "rows": replay.lake.load(staged).scan().count(),
        "tape": {name: sum(file["rows"] for file in files) for name, files in manifest["sources"].items()},
        "epochs": manifest["epochs"],
        "fidelity": _fidelity(replay),
    }


def _fidelity(replay: Replay) -> Fidelity:
    """How like the original the run was: `order` is the share of record pairs in their live order; of a faithful run
    also the watermarks, and the rows of the range that were dropped, here and by the ledger's watermarks."""
    plan, folder = replay.plan, replay.folder
    names = list(plan.sources)
    found: Fidelity = {"order": fidelity.order_kept(folder.tape, read_recorded(replay.lake, replay.contract), names)}
    if plan.faithful:
        since = fidelity.since_us(replay.contract, plan)
        live, played = fidelity.recorded_watermarks(plan.epochs), fidelity.played_watermarks(folder.checkpoint)
        found["watermarks"] = fidelity.watermarks(live, played, since)
        found["dropped"] = fidelity.dropped(folder.tape, names, played, since)
        found["dropped_live"] = fidelity.dropped(folder.tape, names, live, since)
    return found


def segments(plan: Plan) -> list[int]:
    """How many epochs of the tape have been played at the end of each run of the query: the live job's restarts.

    A restart makes Spark forget the newest event time of each source (only the watermark is kept), which can change
    what is dropped later.
    """
    starts = [number for number, epoch in enumerate(plan.epochs) if epoch["restart"]]
    return [*starts, len(plan.epochs)]


def _join_whole(spark: SparkSession, replay: Replay) -> int:
    """Join a complete tape at once, in one commit; returns 0, since none of it can be late.

    So no watermark and no state is needed. The plan is the live job's. What a killed run has staged is not of this one.
    """
    contract, plan = replay.contract, replay.plan
    replay.say(f"replay: joining the tape into {plan.staging_table}")
    staging.drop(replay)
    left, right = (whole_tape(spark, replay.folder.tape / name) for name in (contract.join.left, contract.join.right))
    rows = _made(replay, left, right)
    made = {staging.MADE_BY: plan.replay_id}
    fitted = ensure_output(replay.lake, contract, plan.staging_table, rows, made)
    with _set(spark, _of_joining(contract)):
        writer = fitted.writeTo(f"lake.{plan.staging_table}").option("fanout-enabled", "true")
        writer.options(**AS_PARQUET).append()
    return 0


def _made(replay: Replay, left: DataFrame, right: DataFrame) -> DataFrame:
    """The range's rows, or the lines of its windows, as the live job makes them from these records."""
    from pyspark.sql import functions as F

    contract, plan = replay.contract, replay.plan
    rows = join(contract.rows, left, right, plan.replay_id)
    # By event time only: Spark pushes any other condition below the watermark, which what it drops then does not move.
    kept = rows.where(plan.time_range.sql(EVENT_TIME))
    if contract.output.aggregate is None:
        return kept
    return aggregated(contract, kept).withColumn(REPLAY_ID, F.lit(plan.replay_id))


def _play(spark: SparkSession, replay: Replay) -> int:
    """Play a faithful tape to its end; returns how many rows the join dropped in this process."""
    plan, folder = replay.plan, replay.folder
    replay.say(f"replay: playing {plan.tape_epochs} epochs into {plan.staging_table}")
    _forget_earlier_run(replay)
    late, ends = 0, segments(plan)
    planned, played = (reached(folder.checkpoint / log) for log in ("offsets", "commits"))
    if planned != played or played not in (0, *ends):
        # A kill between two restarts of the live job is a restart that the live job did not have: begin again.
        folder.forget("checkpoint", "playing")
        _forget_earlier_run(replay)
        played = 0
    with _set(spark, _of_playing(plan)):
        for end in ends:
            if played < end or end == ends[-1]:
                _show(replay, end)
                late += _play_shown(spark, replay)
                replay.say(f"replay: {end:,} of {plan.tape_epochs:,} epochs played")
    return late


def _play_shown(spark: SparkSession, replay: Replay) -> int:
    """Play the epochs that are shown to the query, in one run of it."""
    contract, plan, folder = replay.contract, replay.plan, replay.folder
    left, right = (tape_stream(spark, folder.playing / name) for name in (contract.join.left, contract.join.right))
    kept = _made(replay, left, right)
    ensure_output(replay.lake, contract, plan.staging_table, kept, {staging.MADE_BY: plan.replay_id})
    forget_unplanned(folder.checkpoint)
    query = write_stream(kept, plan.staging_table, str(folder.checkpoint), {"availableNow": True})
    _await(query)
    apart = sides_apart(folder.checkpoint)
    if apart:
        raise IncompleteError(
            f"the two sides of the tape diverged in batch {apart[0]}",
            where=str(folder.checkpoint),
            next_step=f"remove {folder.root} and plan again",
        )
    return sum(
        int(state["numRowsDroppedByWatermark"])
        for progress in query.recentProgress
        for state in progress["stateOperators"]
    )


def _of_playing(plan: Plan) -> dict[str, str]:
    """What playing sets: no epochs of Spark's own among recorded ones, and logs that keep all of its epochs."""
    kept = str(max(100, plan.tape_epochs + 10))
    return {
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        "spark.sql.streaming.minBatchesToRetain": kept,
        "spark.sql.streaming.numRecentProgressUpdates": kept,
    }


def _of_joining(contract: Contract) -> dict[str, str]:
    """What joining at once sets where events have ids: each file in one piece.

    Of an event's copies Spark then takes the first by partition and offset, as the batch reference does.
    """
    named = any(source.event_id for source in contract.sources.values())
    whole = str(2**50)
    return {f"spark.sql.files.{name}": whole for name in ("maxPartitionBytes", "openCostInBytes")} if named else {}


@contextmanager
def _set(spark: SparkSession, wanted: dict[str, str]) -> Iterator[None]:
    """Spark's settings as wanted, and as they were afterwards."""
    before = {name: spark.conf.get(name) for name in wanted}
    for name, wish in wanted.items():
        spark.conf.set(name, wish)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, str(value))


def _show(replay: Replay, end: int) -> None:
    """Let the query see the first `end` epochs of the tape: links to its files, with their times."""
    folder = replay.folder
    for name in replay.plan.sources:
        shown = folder.playing / name
        shown.mkdir(parents=True, exist_ok=True)
        for number in range(end):
            link = epoch_file(shown, number)
            if not link.exists():
                os.link(epoch_file(folder.tape / name, number), link)


def _forget_earlier_run(replay: Replay) -> None:
    """Start again where staging table and checkpoint are not from one run: either may have been removed alone.

    The same plan has the same id, and rows would add up, or be missing.
    """
    begun = (replay.folder.checkpoint / "metadata").exists()
    staged = replay.lake.exists(replay.plan.staging_table)
    if staged and not begun:
        staging.drop(replay)
    if begun and not staged:
        replay.folder.forget("checkpoint", "playing")


def _await(query: StreamingQuery) -> None:
    from pyspark.errors import StreamingQueryException

    try:
        query.awaitTermination()
    except StreamingQueryException as error:
        first = str(error).strip().splitlines()[0]
        raise IncompleteError(f"the replay failed: {first}", next_step="run it again; it resumes") from None
    finally:
        query.stop()


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


def reached(log: Path) -> int:
    """How many epochs a log of the checkpoint has come to."""
    return max((int(path.name) + 1 for path in log.glob("[0-9]*")), default=0)
