"""Recorded runs, read back for the page: documents from plumbline.runs, the telling findings of a run."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import SetupError, UsageError
from plumbline.reconcile import format
from plumbline.reconcile.judge.store import of_contract
from plumbline.reconcile.report.answers import deciding
from plumbline.reconcile.report.stories import PER_CAUSE, late_by

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.reconcile.document import Document
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation

LATEST = "latest"


def documents(contract: Contract, lake: Lake, run_ids: Sequence[str] = (LATEST,)) -> list[Document]:
    """The recorded documents of these runs of the contract, in the order given, each with the time at which it was
    recorded as `recorded_at`; `latest` is the newest run.

    Raises SetupError when the contract has no recorded run, UsageError for an unknown run id, naming the nearest.
    """
    rows = runs(contract, lake)
    known = {row["run_id"]: row for row in rows} | {LATEST: rows[-1]}
    chosen = [known[_known(run_id, known)] for run_id in run_ids]
    return [json.loads(row["document"]) | {"recorded_at": row["recorded_at"].isoformat()} for row in chosen]


def runs(contract: Contract, lake: Lake) -> list[dict[str, Any]]:
    """All recorded runs of the contract in the order of their commits: `run_id`, `document` (JSON text), `recorded_at`.

    Of this contract: runs of another one that has the same name and other tables are not among them, nor a second
    record of the same run, as earlier versions left. Raises SetupError when there is none.
    """
    rows = {row["run_id"]: row for row in reversed(of_contract(lake, contract))}
    if not rows:
        raise _no_run(contract)
    return list(reversed(rows.values()))


def findings(lake: Lake, run_id: str, per_cause: int = 2 * PER_CAUSE) -> list[dict[str, Any]]:
    """The findings of a recorded run that a reader should see: of each cause the latest, at most `per_cause` each."""
    from plumbline.connect import pinned
    from plumbline.connect.plain_rows import plain_rows
    from plumbline.connect.sql_quoting import text
    from plumbline.reconcile.judge.store import FINDINGS

    con = pinned.connection()
    try:
        pinned.scan(con, lake, FINDINGS, view="findings", row_filter=f"run_id == {text(run_id)}", schema=None)
        late_by = "coalesce((evidence->>'$.{}_late_by_ms')::BIGINT, 0)"
        found = con.sql(
            f"""
            SELECT * FROM findings WHERE run_id = {text(run_id)}
            QUALIFY row_number() OVER (
                PARTITION BY cause ORDER BY greatest({late_by.format("left")}, {late_by.format("right")}) DESC, key
            ) <= {per_cause}
            """
        )
        return plain_rows(found)
    finally:
        con.close()


def example(pins: Pins, document: Document, attributed: Relation) -> tuple[dict[str, Any], ...]:
    """A finding, as `findings` gives them, of the cause that decides what to do, where that is to look at one key."""
    from plumbline.connect.sql_quoting import text
    from plumbline.reconcile.judge.store import findings_sql

    cause = deciding(document)
    if cause is None or format.cause(cause.name).repair != "explain":
        return ()
    same = f"cause = {text(cause.name)}"
    first = f"SELECT min(CAST(to_json(key) AS VARCHAR)) FROM {attributed} WHERE {same}"
    sql = findings_sql(document["run_id"], attributed)
    found = pins.con.sql(f"{sql} WHERE {same} AND CAST(to_json(key) AS VARCHAR) = ({first}) LIMIT 1")
    return tuple(found.to_arrow_table().to_pylist())


def flat(lake: Lake, run_id: str) -> list[dict[str, Any]]:
    """All findings of a recorded run as flat rows for a frame: key, class, cause, window, event_time, late_by_ms, then
    the compared columns of the batch row (of the stream row where the batch has none)."""
    from pyiceberg.expressions import EqualTo

    from plumbline.reconcile.judge.store import FINDINGS

    rows = lake.load(FINDINGS).scan(row_filter=EqualTo("run_id", run_id)).to_arrow().to_pylist()
    return [
        {"key": format.key(row["key"])}
        | {name: row[name] for name in ("class", "cause", "window", "event_time")}
        | {"late_by_ms": late_by(row)}
        | json.loads(row["left_row"] or row["right_row"] or "{}")
        for row in rows
    ]


def _known(run_id: str, known: dict[str, Any]) -> str:
    if run_id not in known:
        near = difflib.get_close_matches(run_id, known, 1, 0.4)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(list(known)[-6:])}"
        raise UsageError(f"there is no recorded run {run_id!r}", next_step=hint)
    return run_id


def _no_run(contract: Contract) -> SetupError:
    return SetupError(f"contract {contract.contract} has no recorded run yet", next_step="plumbline reconcile CONTRACT")
