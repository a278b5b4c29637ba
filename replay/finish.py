"""A series taken to its end: each plan is run, audited and published by itself, its tape gone before the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from plumbline.contract.model import Contract
from plumbline.replay import staging
from plumbline.replay.plan import Plan
from plumbline.replay.steps import open_replay
from plumbline.replay.store import ReplayFolder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.home import Home
    from plumbline.replay.document_types import CommitDocument, FinishDocument, Published


def finish(
    home: Home, ids: Sequence[str], *, say: Callable[[str], None], spark: SparkSession | None = None
) -> FinishDocument:
    """Take each replay through run, audit and publish, then drop what it no longer needs; repeat it after a kill.

    Returns `{"replays": [{"replay_id", "changed", "rows"}]}`. Raises AuditFailed at the first audit that fails: what
    was published before it stays, and nothing after it is begun.
    """
    done: list[Published] = []
    opened = [open_replay(home, replay_id) for replay_id in ids]
    plans = [plan for _, plan, _ in opened]
    for number, (contract, plan, folder) in enumerate(opened, 1):
        say(f"replay: {number} of {len(ids)}: {plan.replay_id}")
        published = _one(contract, home, plan, folder, plans, say, spark)
        done.append({"replay_id": plan.replay_id, "changed": published["changed"], "rows": published["rows"]})
    return {"replays": done}


def _one(
    contract: Contract,
    home: Home,
    plan: Plan,
    folder: ReplayFolder,
    among: Sequence[Plan],
    say: Callable[[str], None],
    spark: SparkSession | None,
) -> CommitDocument:
    from plumbline.connect.lake import Lake
    from plumbline.replay.audit import audit
    from plumbline.replay.history import PUBLISHED, last_action
    from plumbline.replay.play import run
    from plumbline.replay.publish import publish

    lake = Lake.open(home, contract.catalog)
    if last_action(lake, lake.load(contract.output.stream_table), plan.replay_id) != PUBLISHED:
        run(contract, home, plan, folder, say=say, spark=spark, among=among)
        audit(contract, home, plan, folder)
    published = publish(contract, home, plan, folder)
    drop_bulk(lake, plan, folder)
    return published


def drop_bulk(lake: Any, plan: Plan, folder: ReplayFolder) -> None:
    """Remove tape, checkpoint and staging table. Plan and tag stay: a rollback needs no more than these."""
    if staging.ours(lake, plan, folder):
        staging.drop(lake, plan, folder)
    folder.forget(*folder.bulky)
