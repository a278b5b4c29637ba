"""The lines that differ as rows of `plumbline.findings`, for the record of the run and for a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from plumbline.contract.aggregate import WINDOW_START
from plumbline.reconcile.aggregates.findings import AT_ONCE, differing
from plumbline.reconcile.aggregates.in_json import as_json, plain
from plumbline.reconcile.judge.store import findings_schema
from plumbline.reconcile.relations.aggregates import LINE_FINDINGS

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.findings import Finding, Row
    from plumbline.reconcile.aggregates.views import Opened


def lay_down(inputs: Opened, findings: Sequence[Finding], run_id: str) -> str:
    """Fill LINE_FINDINGS. Returns SQL of its rows, in the columns of `plumbline.findings`."""
    import pyarrow as pa

    con, schema = inputs.pins.con, findings_schema()
    LINE_FINDINGS.fill(con, LINE_FINDINGS.nothing)
    for first in range(0, len(findings), AT_ONCE):
        some = [_row(one, run_id) for one in findings[first : first + AT_ONCE]]
        rows = pa.Table.from_pylist(some, schema=schema)
        con.register("found_lines", rows)
        LINE_FINDINGS.add(con, "SELECT * FROM found_lines")
        con.unregister("found_lines")
    return f"SELECT * FROM {LINE_FINDINGS}"


def _row(finding: Finding, run_id: str) -> dict[str, Any]:
    """One line. Its evidence are the rows below it, and each value with what each cause took of it."""
    told, began = as_json(finding), finding.key[WINDOW_START]
    return {
        "run_id": run_id,
        "key": json.dumps(told["key"]),
        "class": finding.kind,
        "cause": finding.said.cause,
        "window": began.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0),
        "event_time": began,
        "columns": differing(finding),
        "evidence": json.dumps({"rows": told["rows"], "values": told["values"]}),
        "left_row": _line(finding.batch),
        "right_row": _line(finding.stream),
    }


def _line(lines: Sequence[Row]) -> str | None:
    """A table's line as JSON, without its key; the first of several."""
    return json.dumps(plain(lines[0])) if lines else None
