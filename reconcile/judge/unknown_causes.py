"""Which causes cannot be decided at all, because what would prove them is missing: unknown is not absent."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, cast

from plumbline.contract.archive_columns import archives_of_theirs
from plumbline.reconcile.causes import Cause, registry
from plumbline.reconcile.evidence.archive_whole import is_whole
from plumbline.reconcile.evidence.implied_candidates import can_tell
from plumbline.reconcile.evidence.implied_lineage import names_all
from plumbline.reconcile.inputs.batch_runs import BatchRun, in_force
from plumbline.reconcile.inputs.epoch_spans import Progress
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.judge.foreign_ledger import unseen
from plumbline.reconcile.relations.implied import RECOMPUTED

if TYPE_CHECKING:
    from plumbline.contract.findings import Cause as Name
    from plumbline.reconcile.judge.document_types import Unknown

SOURCES = {
    "lineage": "the coordinates of the records that each row was made from",
    "archive": "an archive of both sources",
    "verdicts": "archives of ours, which say of each record whether it could enter the join",
    "ledger": "the epoch ledger of the stream job, with every epoch that read records of the range",
    "rule": "a stream on a Spark whose rule of lateness is proven, with its join before other stateful operators, and "
    "a ledger that its rows do not contradict",
    "closing": "how far the job has closed its windows (closed_until in job.progress, of left events only; of a Spark "
    "query where its join is not the last stateful operator: job.held_back)",
    "own_job": "a stream job of ours, which joins as the contract says",
    "reports": "a table of the records that the job dropped (job.dropped), or the ledger",
    "batch_runs": "batch commits that name the archive snapshots they read",
}
"""What a cause may need, and what that is."""
INSTEAD = {
    "archive": "archives in JSON with every offset that the stream may have read, in which only one choice of records "
    "can have made each differing row",
    "recomputation": "an epoch ledger by which the batch's rows, computed again without the records that were dropped, "
    "are the stream's rows of each differing event",
}
"""What may stand for the lineage that rows of a team's own job lack."""


def lacking(pins: Pins, progress: Progress) -> list[str]:
    """Those of SOURCES that this comparison does not have; lineage is there when every row of both tables has it."""
    archives = (pins.snapshots[source.archive] for source in (pins.contract.left, pins.contract.right))
    known = {
        "lineage": pins.batch_has_lineage and pins.stream_has_lineage,
        "archive": None not in archives,
        "verdicts": not archives_of_theirs(pins.contract),
        "ledger": progress.last_epoch is not None and not unseen(pins),
        "rule": not pins.unproven_spark and not pins.contradicted,
        "closing": progress.last_epoch is None or bool(pins.unproven_spark) or progress.tells_closing(pins),
        "own_job": pins.contract.job is None,
        "reports": pins.contract.job is None
        or (not pins.contradicted and (pins.contract.job.dropped is not None or progress.last_epoch is not None)),
        "batch_runs": bool(pins.runs) and not any(_blind(pins, run) for run in in_force(pins.runs, pins.time_range)),
    }
    return [source for source in SOURCES if not known[source]]


def standing_in(pins: Pins) -> tuple[str, ...]:
    """Those of INSTEAD that this comparison has. The differences must have been found."""
    if pins.contract.job is None or not pins.batch_has_lineage or not names_all(pins):
        return ()
    by_archive, recomputed = can_tell(pins) and is_whole(pins), RECOMPUTED.any(pins.con)
    return tuple(name for name, told in zip(INSTEAD, (by_archive, recomputed), strict=True) if told)


def unknown(lacked: Collection[str], named: Collection[str] = (), instead: Collection[str] = ()) -> Unknown:
    """`{"lacking": {source: what it is}, "causes": [...]}`: the causes that need one of them, in order of precedence.

    A row of such a cause is then `unexplained`. What lacks of some rows only may still prove a cause of others: causes
    that are `named` in the same run are known, and not listed; nor are those that something else proves `instead`.
    """
    causes = [cause.name for cause in registry() if _lacks(cause, lacked, instead) and cause.name not in named]
    return {"lacking": {source: SOURCES[source] for source in lacked}, "causes": cast("list[Name]", causes)}


def _lacks(cause: Cause, lacked: Collection[str], instead: Collection[str]) -> bool:
    """Whether something that the cause needs is lacking and nothing stands for it."""
    told = {"lineage"} if set(cause.instead) & set(instead) else set()
    return bool(set(cause.needs) & set(lacked) - told)


def _blind(pins: Pins, run: BatchRun) -> bool:
    """Whether nobody can say what the run saw: it did not note its archive snapshots, or they have expired."""
    read = ((pins.contract.left.archive, run.left_archive), (pins.contract.right.archive, run.right_archive))
    return any(not pins.has_snapshot(table, snapshot) for table, snapshot in read)
