"""A series taken to its end: each plan is run, audited and published by itself, its tape gone before the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plumbline.replay import staging
from plumbline.replay.opened import Replay, Say
from plumbline.replay.steps import open_replay

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.home import Home
    from plumbline.replay.document_types import CommitDocument, FinishDocument, Published


def finish(home: Home, ids: Sequence[str], *, say: Say, spark: SparkSession | None = None) -> FinishDocument:
    """Take each replay through run, audit and publish, then drop what it no longer needs; repeat it after a kill.

    Returns `{"replays": [{"replay_id", "changed", "rows"}]}`. Raises AuditFailed at the first audit that fails: what
    was published before it stays, and nothing after it is begun.
    """
    done: list[Published] = []
    replays = [open_replay(home, replay_id, say) for replay_id in ids]
    for number, replay in enumerate(replays, 1):
        say(f"replay: {number} of {len(ids)}: {replay.id}")
        published = _one(replay, replays, spark)
        done.append({"replay_id": replay.id, "changed": published["changed"], "rows": published["rows"]})
    return {"replays": done}


def _one(replay: Replay, among: Sequence[Replay], spark: SparkSession | None) -> CommitDocument:
    from plumbline.contract.commit_properties import PUBLISHED
    from plumbline.replay.audit import check
    from plumbline.replay.history import last_action
    from plumbline.replay.play import cut_and_play
    from plumbline.replay.publish import replace_range

    if last_action(replay.lake, replay.lake.load(replay.contract.output.stream_table), replay.id) != PUBLISHED:
        cut_and_play(replay, spark=spark, among=[other.plan for other in among])
        check(replay)
    published = replace_range(replay)
    drop_bulk(replay)
    return published


def drop_bulk(replay: Replay) -> None:
    """Remove tape, checkpoint and staging table. Plan and tag stay: a rollback needs no more than these."""
    if staging.ours(replay):
        staging.drop(replay)
    replay.folder.forget(*replay.folder.bulky)
