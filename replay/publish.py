"""Publishing a replay: one atomic commit that replaces exactly its range, and the way back."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from plumbline.connect.mapped_files import keep_far_times
from plumbline.connect.table_plan import refuse_equality_deletes, refuse_float_partitions
from plumbline.contract.aggregate import moment_column
from plumbline.contract.commit_properties import PUBLISHED, ROLLED_BACK
from plumbline.contract.errors import IncompleteError, PlumblineError, UnreachableError, UsageError
from plumbline.contract.lineage import COORDINATES, REPLAY_ID
from plumbline.contract.model import Contract
from plumbline.replay.history import UNKNOWN, begin, done, last_action
from plumbline.replay.opened import Replay
from plumbline.replay.plan import Plan
from plumbline.replay.range_rows import refuse_without_event_time
from plumbline.replay.store import ReplayFolder

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.replay.document_types import Action, CommitDocument

RETRY_SECONDS = 60
COMMIT = "to publish a replay, or to roll it back,"


class AuditFailed(PlumblineError):
    """The audit found something; nothing was published."""

    exit_code = 1


def publish(
    contract: Contract, home: Home, plan: Plan, folder: ReplayFolder | None = None, *, accept: Collection[str] = ()
) -> CommitDocument:
    """Replace the plan's range of the stream table by the staging rows, in one commit that names the replay.

    `folder`: the replay's own below the home, unless another one is given.
    Returns `{"replay_id", "table", "changed", "rows", "replaced", "snapshot_id"}`; publishing twice changes nothing.
    Rows outside the range, also those appended meanwhile, stay as they are. `accept` names checks that may have failed.
    Raises AuditFailed, UsageError before the audit or for a perturbed order, IncompleteError when the range holds other
    rows than at the audit: what nobody looked at is not replaced.
    """
    return replace_range(Replay.of(contract, home, plan, folder), accept=accept)


def replace_range(replay: Replay, *, accept: Collection[str] = ()) -> CommitDocument:
    """Replace the replay's range of the stream table by the staging rows, in one commit; see `publish`."""
    plan, name = replay.plan, replay.contract.output.stream_table
    refuse_other_names(replay.contract)
    audited, lake = _require_audit(replay, accept), replay.lake
    table = lake.load(name)
    refuse_without_event_time(lake, replay.contract)
    if _last(lake, table, plan) == PUBLISHED:
        return _result(replay, table, PUBLISHED, changed=False)
    if not lake.exists(plan.staging_table):
        raise UsageError(
            f"the staging table of replay {plan.replay_id} is gone",
            where=plan.staging_table,
            next_step=f"`plumbline replay run {plan.replay_id} --execute`, then audit it",
        )
    rows = lake.load(plan.staging_table).scan().to_arrow()
    # The contract may have got a column since the stream job last started.
    lake.evolve(name, rows.schema)

    def replacement(table: Table) -> pa.Table:
        _refuse_changed(table, replay, audited)
        _tag_before(lake.load(name), plan, table.current_snapshot())
        return rows

    return _replace(replay, replacement, PUBLISHED)


def refuse_other_names(contract: Contract) -> None:
    """Raise UsageError for the table of a team's own job that keeps its rows' coordinates under names of its own."""
    if contract.job is not None and contract.job.columns:
        raise UsageError(
            f"a replay's rows cannot be published into {contract.output.stream_table}: the job that writes it names "
            f"their coordinates {', '.join(sorted(contract.job.columns.values()))}",
            where=contract.place(("job",)) or "job",
            next_step="merge the rows of the replay's staging table into it by a statement of your own",
        )


def rollback(replay: Replay) -> CommitDocument:
    """Bring back what the range held before the replay was published; rows appended since stay.

    Returns as `publish`. Raises UsageError when the replay is not published or a later replay replaced part of it.
    """
    lake, plan = replay.lake, replay.plan
    table = lake.load(replay.contract.output.stream_table)
    refuse_without_event_time(lake, replay.contract)
    if not is_published(lake, table, plan):
        return _result(replay, table, ROLLED_BACK, changed=False)

    def replacement(table: Table) -> pa.Table:
        import pyarrow as pa

        before = table.scan(row_filter=_in_range(replay), snapshot_id=_tagged(table, plan)).to_arrow()
        # Text may come as string or as large_string, after which engine wrote the file.
        return pa.concat_tables([before, _appended_since(table, replay)], promote_options="permissive")

    return _replace(replay, replacement, ROLLED_BACK)


def is_published(lake: Lake, table: Table, plan: Plan) -> bool:
    """Whether there is something to roll back; False when that was done. Raises UsageError when never published."""
    action = _last(lake, table, plan)
    if action is None:
        name = ".".join(table.name())
        raise UsageError(f"replay {plan.replay_id} is not published in {name}", next_step="nothing to roll back")
    return action == PUBLISHED


def _last(lake: Lake, table: Table, plan: Plan) -> str | None:
    """PUBLISHED, ROLLED_BACK or None. Raises IncompleteError when that is no longer known."""
    action = last_action(lake, table, plan.replay_id)
    if action == UNKNOWN:
        raise IncompleteError(
            f"replay {plan.replay_id} was being published or rolled back when its process ended, and the snapshots "
            "that would show whether it committed have been expired",
            where=".".join(table.name()),
            next_step=f"`plumbline reconcile {shlex.quote(plan.contract_file)}` shows what the range holds; plan the "
            "range again to replace it",
        )
    return action


def rollback_shown(replay: Replay) -> str:
    """What a rollback would do, in words. Raises as `rollback`."""
    table = replay.lake.load(replay.contract.output.stream_table)
    if not is_published(replay.lake, table, replay.plan):
        return "is rolled back already: nothing to do"
    return "would bring back the rows from before the replay"


def tag_name(replay_id: str) -> str:
    """The tag that keeps the snapshot from before the replay was published."""
    return f"before-replay-{replay_id}"


def _replace(replay: Replay, replacement: Callable[[Table], pa.Table], action: Action) -> CommitDocument:
    """One overwrite of the range. A lost race is tried again from the table as it then is, unless the same command,
    started twice, has done it by then: what it brought would be taken for rows that came since.

    PyIceberg's overwrite rewrites files that the range cuts, keeps concurrent appends outside the range, and refuses
    to commit (ValidationException) when rows inside it were added: these must be looked at again, not lost. So it
    starts from the very snapshot that `replacement` looked at, and `replacement` must not bring `table` further.
    """
    from pyiceberg.exceptions import CommitFailedException, ValidationException

    lake, plan, name = replay.lake, replay.plan, replay.contract.output.stream_table
    keep_far_times()
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        table = lake.load(name)
        if _last(lake, table, plan) == action:
            return _result(replay, table, action, changed=False)
        refuse_equality_deletes(table, COMMIT)
        refuse_float_partitions(table, COMMIT)
        try:
            rows = replacement(table)
            properties: dict[str, str] = {action: plan.replay_id}
            begin(lake, table, plan.replay_id, action)
            table.overwrite(rows, overwrite_filter=_in_range(replay), snapshot_properties=properties)
            table = lake.load(name)
            # The commit stands; its own snapshot says so until the row is written, by a later command if need be.
            with suppress(UnreachableError):
                done(lake, table, plan.replay_id, action)
            return _result(replay, table, action, changed=True)
        except (CommitFailedException, ValidationException):
            pass
        if time.monotonic() > deadline:
            raise IncompleteError(
                f"{name} kept changing under the commit for {RETRY_SECONDS} s",
                next_step="nothing was changed; repeat the command once the range is quiet",
            )


def _in_range(replay: Replay) -> BooleanExpression:
    from pyiceberg.expressions import And, GreaterThanOrEqual, LessThan

    column, span = moment_column(replay.contract), replay.plan.time_range
    start, end = span.start, span.end
    assert start is not None
    assert end is not None
    # PyIceberg reads an offset such as +00:00, and no Z.
    return And(GreaterThanOrEqual(column, start.isoformat()), LessThan(column, end.isoformat()))


def _refuse_changed(table: Table, replay: Replay, audited: int | None) -> None:
    """Raise IncompleteError when the range of `table` holds other rows than at the audited snapshot."""
    snapshot = table.current_snapshot()
    if snapshot is None or snapshot.snapshot_id == audited:
        return
    known = audited is not None and table.snapshot_by_id(audited) is not None
    if not known or _differ(_content(table, replay, audited), _content(table, replay, None)):
        raise IncompleteError(
            f"the range {replay.plan.time_range} of {'.'.join(table.name())} changed since the audit",
            next_step=f"nothing was published; look again with `plumbline replay audit {replay.id}`",
        )


def _content(table: Table, replay: Replay, snapshot_id: int | None) -> pa.Table:
    """Of every row in the range what it was made from; of an aggregate its lines, which do not say that."""
    aggregate = replay.contract.output.aggregate
    columns = (*COORDINATES, REPLAY_ID) if aggregate is None else aggregate.columns
    rows = table.scan(row_filter=_in_range(replay), selected_fields=columns, snapshot_id=snapshot_id).to_arrow()
    return rows.select(columns)


def _differ(before: pa.Table, now: pa.Table) -> bool:
    """Whether two tables of the same columns hold other rows, in whatever order; NaN is NaN."""
    import duckdb

    if before.num_rows != now.num_rows:
        return True
    with duckdb.connect() as con:
        con.register("before", before)
        con.register("now", now)
        # fetchall, not fetchone: DuckDB 2 refuses further work while a result has not been read to its end.
        return bool(con.execute("(FROM before EXCEPT ALL FROM now) LIMIT 1").fetchall())


def _tag_before(table: Table, plan: Plan, snapshot: Snapshot | None) -> None:
    """Keep the snapshot under the replay's tag, so that expiry cannot take what a rollback needs.

    A tag brings `table` to its newest state, so it must not be the one whose rows were looked at: beside a job that
    appends every half second a publish would begin again and again.
    """
    if snapshot is None:
        return
    name = tag_name(plan.replay_id)
    if name in table.metadata.refs:
        if table.metadata.refs[name].snapshot_id == snapshot.snapshot_id:
            return
        table.manage_snapshots().remove_tag(name).commit()
    table.manage_snapshots().create_tag(snapshot.snapshot_id, name).commit()


def _tagged(table: Table, plan: Plan) -> int:
    reference = table.metadata.refs.get(tag_name(plan.replay_id))
    if reference is None:
        raise IncompleteError(
            f"the tag {tag_name(plan.replay_id)} is gone, so the rows from before the replay cannot be found",
            next_step="replay the range again instead",
        )
    return int(reference.snapshot_id)


def _appended_since(table: Table, replay: Replay) -> pa.Table:
    """Rows of the range that came after the publish. Raises UsageError when another replay made some of them."""
    import pyarrow.compute as pc

    rows = table.scan(row_filter=_in_range(replay)).to_arrow()
    others = rows.filter(pc.fill_null(pc.not_equal(rows[REPLAY_ID], replay.id), True))
    later = others[REPLAY_ID].drop_null().unique().to_pylist()
    if later:
        raise UsageError(f"replay {later[0]} was published over this range later", next_step="roll that back first")
    return others


def _require_audit(replay: Replay, accept: Collection[str]) -> int | None:
    """The snapshot of the stream table that the audit looked at; each check has passed or is accepted by name."""
    plan, audit = replay.plan, replay.folder.read("audit")
    if audit is None:
        raise UsageError(
            f"replay {plan.replay_id} has not been audited", next_step=f"plumbline replay audit {plan.replay_id}"
        )
    if plan.perturb is not None:
        raise UsageError(
            f"replay {plan.replay_id} was played in another order, to see what depends on it; it is never published",
            next_step="plan the range without --perturb",
        )
    names = [check["name"] for check in audit["checks"]]
    for name in accept:
        if name not in names:
            raise UsageError(f"no check is called {name!r}", next_step=f"--accept one of {', '.join(names)}")
    failed = [check for check in audit["checks"] if not check["passed"] and check["name"] not in accept]
    if failed:
        raise AuditFailed(
            f"the audit of replay {plan.replay_id} failed: {failed[0]['name']}: {failed[0]['found']}",
            next_step=f"nothing was published; --accept {failed[0]['name']} publishes in spite of it",
        )
    live = audit["against_live"]
    return None if live is None else live["snapshot_id"]


def _result(replay: Replay, table: Table, action: Action, *, changed: bool) -> CommitDocument:
    snapshot = table.current_snapshot()
    return {
        "replay_id": replay.id,
        "table": ".".join(table.name()),
        "range": replay.plan.range,
        "changed": changed,
        "rows": table.scan(row_filter=_in_range(replay)).count(),
        "action": action,
        "snapshot_id": snapshot.snapshot_id if snapshot else None,
    }
