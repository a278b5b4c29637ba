"""Checking a replay before it is published: is it complete, and does it agree with the batch reference?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from contract.errors import UsageError
from contract.lineage import COORDINATES, EVENT_TIME, REPLAY_ID
from contract.model import Contract
from replay.plan import Plan
from replay.store import ReplayFolder

if TYPE_CHECKING:
    import duckdb

    from connect.home import Home
    from connect.lake import Lake


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `passed`, and in words what was found."""

    name: str
    passed: bool
    found: str


def audit(contract: Contract, home: Home, plan: Plan, folder: ReplayFolder) -> dict[str, Any]:
    """Check the staging table of a finished run and say what publish would change.

    Returns `{"replay_id", "passed", "checks", "against_batch", "against_live"}`; the counts are those of
    `reconcile.diff` with the staging table on the right. Raises UsageError before the replay has run.
    """
    from connect.lake import Lake
    from connect.pinned import connection

    ran = folder.read("run")
    if ran is None:
        raise UsageError(
            f"replay {plan.replay_id} has not run yet", next_step=f"plumbline replay run {plan.replay_id} --execute"
        )
    lake, con = Lake.open(home, contract.catalog), connection(temp_dir=folder.root / "scratch")
    _range_view(con, lake, plan, plan.staging_table, "staging")
    checks = [_coverage(plan, ran), _lineage(con), _left_rows(con, contract, plan, ran)]
    against_batch = _differences(con, lake, contract, plan, contract.output.batch_table)
    checks.append(_agreement(against_batch))
    document = {
        "replay_id": plan.replay_id,
        "passed": all(check.passed for check in checks),
        "checks": [asdict(check) for check in checks],
        "against_batch": against_batch,
        "against_live": _differences(con, lake, contract, plan, contract.output.stream_table),
    }
    folder.write("audit", document)
    return document


def _coverage(plan: Plan, ran: dict[str, Any]) -> Check:
    """Every needed row of the plan is on the tape, once (the cut counted them; the archive had no holes)."""
    counted = []
    for name, source in plan.sources.items():
        rows = [span["rows"] for span in source.spans]
        known = f" of {sum(rows):,}" if None not in rows else ""
        counted.append(f"{name} {ran['tape'][name]:,}{known} rows from {source.door}")
    return Check("coverage", ran["late"] == 0, "; ".join(counted) + f"; {ran['late']} dropped as late")


def _lineage(con: duckdb.DuckDBPyConnection) -> Check:
    """No output row was made twice from the same input rows."""
    coordinates = ", ".join(f'"{name}"' for name in COORDINATES)
    rows, distinct = con.execute(
        f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT {coordinates} FROM staging)) FROM staging"
    ).fetchall()[0]
    return Check("no row twice", rows == distinct, f"{rows:,} rows, {distinct:,} distinct lineages")


def _left_rows(con: duckdb.DuckDBPyConnection, contract: Contract, plan: Plan, ran: dict[str, Any]) -> Check:
    """A left outer join gives at least one row for each left row of the tape; no join gives more left rows."""
    found = con.execute(
        'SELECT count(*) FROM (SELECT DISTINCT "_left_partition", "_left_offset" FROM staging)'
    ).fetchall()[0][0]
    wanted = ran["tape"][contract.join.left]
    exact = contract.join.kind == "left_outer" and not (contract.left.where or contract.left.event_id)
    passed = found == wanted if exact else found <= wanted
    return Check("left rows", passed, f"{found:,} of {wanted:,} left rows gave output")


def _agreement(against_batch: dict[str, Any] | None) -> Check:
    if against_batch is None:
        return Check("agrees with batch", True, "no batch table to compare with")
    counts = against_batch["counts"]
    differing = sum(counts[name] for name in ("mismatch", "missing", "extra", "duplicate"))
    return Check("agrees with batch", differing == 0, ", ".join(f"{name} {n:,}" for name, n in counts.items()))


def _differences(
    con: duckdb.DuckDBPyConnection, lake: Lake, contract: Contract, plan: Plan, table: str
) -> dict[str, Any] | None:
    """Counts of the staging rows against another table's rows of the range; None when that table does not exist."""
    from reconcile.engine import compare

    if not lake.exists(table):
        return None
    snapshot_id = _range_view(con, lake, plan, table, "other")
    found = compare(
        con,
        "other",
        "staging",
        contract.output.key,
        columns=contract.value_columns,
        tolerances=contract.reconcile.as_tolerances(),
    )
    return {"table": table, "snapshot_id": snapshot_id, "counts": dict(found.counts)}


def _range_view(con: duckdb.DuckDBPyConnection, lake: Lake, plan: Plan, table: str, view: str) -> int | None:
    """Create `view` over the rows of the plan's range in the current snapshot of `table`; returns the snapshot."""
    from connect.pinned import scan

    pinned = scan(con, lake, table, view=f"{view}_files", row_filter=plan.time_range.iceberg(EVENT_TIME))
    con.execute(
        f"CREATE OR REPLACE VIEW {view} AS "
        f'SELECT * EXCLUDE ("{REPLAY_ID}") FROM {view}_files WHERE {plan.time_range.sql(EVENT_TIME)}'
    )
    return pinned.snapshot_id
