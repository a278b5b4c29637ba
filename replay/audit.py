"""Checking a replay before it is published: is it complete, and does it agree with the batch reference?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from plumbline.contract.errors import UsageError
from plumbline.contract.lineage import COORDINATES
from plumbline.contract.model import Contract
from plumbline.replay.audit_lines import cut_windows, line_differences, repeated
from plumbline.replay.coverage import covered
from plumbline.replay.opened import Replay
from plumbline.replay.plan import Plan
from plumbline.replay.range_rows import range_view
from plumbline.replay.store import ReplayFolder

if TYPE_CHECKING:
    import duckdb

    from plumbline.connect.home import Home
    from plumbline.reconcile.diff.document_types import Counts
    from plumbline.replay.document_types import AuditDocument, CheckName, ComparedTable, CoveredPartition, RunDocument


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `passed`, and in words what was found."""

    name: CheckName
    passed: bool
    found: str


def audit(contract: Contract, home: Home, plan: Plan, folder: ReplayFolder | None = None) -> AuditDocument:
    """Check the staging table of a finished run and say what publish would change.

    `folder`: the replay's own below the home, unless another one is given.
    Returns `{"replay_id", "passed", "checks", "coverage", "order_kept", "against_batch", "against_live"}`; the counts
    are those of `plumbline.diff` with the staging table on the right. `coverage` has a page for each partition of each
    source, `order_kept` is the share of record pairs that were played in their live order. Raises UsageError before
    the replay has run.
    """
    return check(Replay.of(contract, home, plan, folder))


def check(replay: Replay) -> AuditDocument:
    """Check the staging table of a finished run and say what publish would change; see `audit`."""
    from plumbline.connect.pinned import connection

    contract, plan, folder = replay.contract, replay.plan, replay.folder
    ran = folder.read("run")
    if ran is None:
        raise UsageError(f"replay {replay.id} has not run yet", next_step=f"plumbline replay run {replay.id} --execute")
    con = connection(temp_dir=folder.scratch)
    range_view(con, replay.lake, contract, plan.staging_table, plan.time_range, "staging")
    coverage = {name: covered(con, source, folder.tape / name) for name, source in plan.sources.items()}
    against_batch = _differences(con, replay, contract.output.batch_table)
    against_live = _differences(con, replay, contract.output.stream_table)
    reference = _live_agrees(against_live) if plan.faithful else _batch_agrees(against_batch)
    rules = _of_rows(con, replay, ran) if contract.output.aggregate is None else _of_lines(con, replay)
    checks = [_coverage(coverage), _late(plan, ran), *rules, reference]
    document: AuditDocument = {
        "replay_id": replay.id,
        "passed": all(check.passed for check in checks),
        "checks": [{"name": check.name, "passed": check.passed, "found": check.found} for check in checks],
        "coverage": coverage,
        "order_kept": ran["fidelity"]["order"],
        "against_batch": against_batch,
        "against_live": against_live,
    }
    folder.write("audit", document)
    return document


def _coverage(coverage: Mapping[str, list[CoveredPartition]]) -> Check:
    """Each needed offset lies in one piece of the plan, and no record is on the tape twice or from elsewhere."""
    pages = [page for pages in coverage.values() for page in pages]
    wrong = [page for page in pages if page["uncovered"] or page["twice"] or page["foreign"]]
    found = []
    for name, source in coverage.items():
        rows = sum(page["on_tape"] for page in source)
        needed = sum(page["end"] - page["start"] for page in source)
        found.append(f"{name} {rows:,} rows out of {needed:,} offsets of {len(source)} partitions")
    empty, gone = sum(page["empty"] for page in pages), sum(page["gone"] for page in pages)
    found += [f"{empty:,} offsets never were a record"] if empty else []
    found += [f"{gone:,} offsets are gone, accepted"] if gone else []
    return Check("coverage", not wrong, "; ".join(found))


def _late(plan: Plan, ran: RunDocument) -> Check:
    """A complete tape is joined at once; a faithful one drops what the live job dropped, under the same watermarks."""
    if not plan.faithful:
        return Check("late-rows", True, "none can be late: all were joined at once")
    fidelity, marks = ran["fidelity"], ran["fidelity"]["watermarks"]
    alike = not marks["apart"] and fidelity["dropped"] == fidelity["dropped_live"]
    return Check(
        "late-rows",
        alike,
        f"{fidelity['dropped']:,} rows of the range dropped, {fidelity['dropped_live']:,} live; watermarks of "
        f"{marks['same']:,} of {marks['epochs']:,} epochs as live, {marks['before']:,} before the range",
    )


def _of_rows(con: duckdb.DuckDBPyConnection, replay: Replay, ran: RunDocument) -> list[Check]:
    return [_lineage(con), _left_rows(con, replay, ran), _expected(replay)]


def _of_lines(con: duckdb.DuckDBPyConnection, replay: Replay) -> list[Check]:
    """The checks of an aggregate's lines: each window and group once, and no part of a window."""
    aggregate = replay.contract.output.aggregate
    assert aggregate is not None
    (lines, keys), (cut, staged) = repeated(con, aggregate), cut_windows(con, replay, aggregate)
    return [
        Check("no-row-twice", lines == keys, f"{lines:,} lines, {keys:,} windows and groups"),
        Check("whole-windows", cut == 0, f"{staged - cut:,} of {staged:,} lines are of whole windows in the range"),
    ]


def _lineage(con: duckdb.DuckDBPyConnection) -> Check:
    """No output row was made twice from the same input rows."""
    coordinates = ", ".join(f'"{name}"' for name in COORDINATES)
    rows, distinct = con.execute(
        f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT {coordinates} FROM staging)) FROM staging"
    ).fetchall()[0]
    return Check("no-row-twice", rows == distinct, f"{rows:,} rows, {distinct:,} distinct lineages")


def _left_rows(con: duckdb.DuckDBPyConnection, replay: Replay, ran: RunDocument) -> Check:
    """A left outer join gives at least one row for each left row of the tape; no join gives more left rows."""
    found = con.execute(
        'SELECT count(*) FROM (SELECT DISTINCT "_left_partition", "_left_offset" FROM staging)'
    ).fetchall()[0][0]
    contract, left = replay.contract, replay.contract.left
    wanted = ran["tape"][contract.join.left]
    exact = not replay.plan.faithful and contract.join.kind == "left_outer" and not (left.where or left.event_id)
    passed = found == wanted if exact else found <= wanted
    return Check("left-rows", passed, f"{found:,} of {wanted:,} left rows gave output")


def _expected(replay: Replay) -> Check:
    """The rows keep what the contract promises of each row."""
    from plumbline.expectations import check_staging

    plan = replay.plan
    count, failed = check_staging(replay.contract, replay.home, plan.staging_table, plan.time_range)
    return Check("expectations", not failed, "; ".join(failed) or f"all {count} hold")


def _batch_agrees(against: ComparedTable | None) -> Check:
    if against is None:
        return Check("agrees-with-batch", True, "no batch table to compare with")
    return _agreement("agrees-with-batch", against)


def _live_agrees(against: ComparedTable | None) -> Check:
    """A faithful replay gives what the live job gave; else an engine or code fault made the live rows."""
    if against is None:
        return Check("agrees-with-live", False, "no stream table to compare with")
    return _agreement("agrees-with-live", against)


def _agreement(name: CheckName, against: ComparedTable) -> Check:
    counts = against["counts"]
    differing = sum(counts[kind] for kind in ("mismatch", "missing", "extra", "duplicate"))
    return Check(name, differing == 0, ", ".join(f"{kind} {n:,}" for kind, n in counts.items()))


def _differences(con: duckdb.DuckDBPyConnection, replay: Replay, table: str) -> ComparedTable | None:
    """Counts of the staging rows against another table's rows of the range; None when that table does not exist."""
    from plumbline.reconcile.diff.engine.compare import compare
    from plumbline.reconcile.diff.engine.rules import Rules

    contract = replay.contract
    if contract.output.aggregate is not None:
        return line_differences(con, replay, contract.output.aggregate, table)
    if not replay.lake.exists(table):
        return None
    snapshot_id = range_view(con, replay.lake, contract, table, replay.plan.time_range, "other")
    rules = Rules(contract.value_columns, tolerances=contract.reconcile.as_tolerances())
    found = compare(con, "other", "staging", contract.output.key, rules)
    return {"table": table, "snapshot_id": snapshot_id, "counts": cast("Counts", dict(found.counts))}
