"""One comparison of aggregates: pin, compare the lines, make the suspects again, judge, keep the books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from plumbline.contract.aggregate import WINDOW_END, whole_windows
from plumbline.contract.lateness import not_proven
from plumbline.contract.ranges import TimeRange, from_micros, spell_time
from plumbline.reconcile.aggregates.books import OpenLines, keep, of_rows
from plumbline.reconcile.aggregates.changed_rows import find_changed
from plumbline.reconcile.aggregates.findings import Finding, differing, judged
from plumbline.reconcile.aggregates.in_json import as_json
from plumbline.reconcile.aggregates.kept import lay_down
from plumbline.reconcile.aggregates.made_again import make_again
from plumbline.reconcile.aggregates.unarchived import unarchived
from plumbline.reconcile.aggregates.unread_by_batch import stale_windows
from plumbline.reconcile.aggregates.views import Opened, opened
from plumbline.reconcile.diff.engine.budget import Budget
from plumbline.reconcile.diff.engine.compare import compare
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.diff.engine.schema_findings import UNCOMPARED
from plumbline.reconcile.inputs.open_inputs import pinned
from plumbline.reconcile.judge import verdict as judge
from plumbline.reconcile.judge.books import Books
from plumbline.reconcile.judge.store import export, keep_record
from plumbline.reconcile.relations.aggregates import BATCH_CLOSED, STREAM_CLOSED
from plumbline.reconcile.run import refuse_uncovered, run_id, stream_of

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.contract.findings import Cause
    from plumbline.contract.model import Contract
    from plumbline.reconcile.aggregates.document_types import AggregateDocument, LineFinding
    from plumbline.reconcile.diff.document_types import SchemaFinding
    from plumbline.reconcile.diff.engine.compare import Comparison

SHOWN = 20
"""Findings of each cause in the document."""


@dataclass(frozen=True)
class AggregateRun:
    """A finished comparison: the document, the books behind its ledger, and all findings, pending ones left out."""

    document: AggregateDocument
    books: Books
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 clean, 1 drift, 3 incomplete."""
        return judge.EXIT[self.document["verdict"]]


@dataclass(frozen=True)
class Told:
    """What the suspects came to: the lines that differ, and how many are equal but for rounding, older than the stream,
    apart from their rows, and equal against the ledger."""

    findings: tuple[Finding, ...] = ()
    rounding: int = 0
    stale: int = 0
    apart: int = 0
    contradicted: int = 0


def reconcile_aggregate(
    contract: Contract,
    home: Home,
    time_range: TimeRange | None = None,
    *,
    memory: str = "512MB",
    threads: int | None = None,
    record: bool = True,
    require_settled: bool = False,
    out: str | None = None,
) -> AggregateRun:
    """Compare the stream's lines with the batch's, of the windows that the stream has closed, and name each cause.

    A range is widened to whole windows; None or a fully open one stands for what the batch runs cover. With `record`
    the run and its findings go to `plumbline.runs` and `plumbline.findings`, once per run id; `out` is a Parquet file
    for the findings. Raises SetupError for a missing table, IncompleteError when no batch run covers the range, or the
    joined rows below the batch table are not there.
    """
    wanted = None if time_range in (None, TimeRange()) else whole_windows(contract, time_range or TimeRange())
    with pinned(contract, home, wanted, memory, threads) as pins:
        refuse_uncovered(pins)
        inputs = opened(pins)
        comparison = compare_lines(inputs)
        told = _judge(inputs)
        books, still_open = keep(inputs, told.findings)
        document = _document(inputs, comparison, told, books, still_open, require_settled)
        if record or out is not None:
            _keep(inputs, document, told.findings, record, out)
    return AggregateRun(document, books, tuple(one for one in told.findings if one.said.cause != "pending"))


def _keep(
    inputs: Opened, document: AggregateDocument, findings: Sequence[Finding], record: bool, out: str | None
) -> None:
    rows = lay_down(inputs, findings, document["run_id"])
    if out is not None:
        export(inputs.pins, rows, out)
    if record:
        keep_record(inputs.pins, document, rows)


def compare_lines(inputs: Opened) -> Comparison:
    """Compare the lines of closed windows: fills DRIFT."""
    pins = inputs.pins
    tolerances = pins.contract.reconcile.as_tolerances()
    columns = [WINDOW_END, *inputs.aggregate.values]
    rules = Rules(columns, tolerances={name: rule for name, rule in tolerances.items() if name in columns})
    return compare(
        pins.con,
        BATCH_CLOSED.name,
        STREAM_CLOSED.name,
        inputs.aggregate.key,
        rules,
        memory=pins.memory,
        budget=Budget.of(pins.memory),
        temp_dir=pins.scratch,
    )


def _judge(inputs: Opened) -> Told:
    if inputs.closed_us is None or find_changed(inputs) is None:
        return Told()
    suspects = make_again(inputs)
    findings, counted = list[Finding](), Counter[str]()
    for one in judged(inputs, suspects, stale_windows(inputs)):
        counted.update(name for name in ("rounding", "stale", "apart", "contradicted") if getattr(one.said, name))
        findings += [one.finding] if one.finding is not None else []
    return Told(tuple(findings), **counted)


def _document(
    inputs: Opened, comparison: Comparison, told: Told, books: Books, still_open: OpenLines, require_settled: bool
) -> AggregateDocument:
    pins, total, known = inputs.pins, books.total, inputs.closed_us is not None
    settled = known and not total.count("pending") and not still_open.stream and _is_closed(inputs)
    uncompared = any(finding["finding"] in UNCOMPARED for finding in comparison.schema)
    drift = uncompared or any(cause != "pending" for cause, _ in total.entries)
    balanced = books.balance(comparison.counts["match"] + told.rounding)
    sound = balanced and known and not told.apart and not told.stale
    empty = total.batch == total.stream == 0
    complete = sound and (settled if empty else settled or not require_settled)
    causes = {name: sum(kinds.values()) for name, kinds in total.causes().items()}
    return {
        "run_id": run_id(pins, inputs.progress, require_settled),
        "contract": pins.contract.contract,
        "range": pins.time_range.as_json(),
        "snapshots": dict(pins.snapshots),
        "stream": stream_of(inputs.progress),
        "closed_until": None if inputs.closed_us is None else spell_time(from_micros(inputs.closed_us)),
        "settled": settled,
        "verdict": judge.verdict(drift=drift, complete=complete),
        "balanced": balanced,
        "counts": total.counts(),
        "causes": cast("dict[Cause, int]", {name: count for name, count in causes.items() if name != "pending"}),
        "unexplained": causes.get("unexplained", 0),
        "unarchived": unarchived(pins) if "unexplained" in causes and known else {},
        "columns": _columns(inputs, told.findings),
        "schema": cast("list[SchemaFinding]", list(comparison.schema)),
        "ledger": [page.as_json() for page in books.pages],
        "rows": of_rows(inputs),
        "rounding": told.rounding,
        "stale": told.stale,
        "apart": told.apart,
        "agrees": not told.contradicted if known else None,
        "untold": None if known else untold(inputs),
        "findings": _shown(told.findings),
        "alerts": judge.alerts(pins.contract.reconcile.fail_when, total),
    }


def _is_closed(inputs: Opened) -> bool:
    """Whether no further line of the range will come; of an open range: whether its newest line is closed."""
    end_us = inputs.pins.time_range.end_us
    return inputs.closed_us is not None and (end_us is None or end_us <= inputs.closed_us)


def untold(inputs: Opened) -> str:
    """Why nobody knows which windows are closed."""
    if inputs.pins.unproven_spark:
        return not_proven(inputs.pins.unproven_spark)
    return "the epoch ledger has no epoch of this contract: nobody knows which windows are closed"


def _columns(inputs: Opened, findings: Iterable[Finding]) -> dict[str, int]:
    """Value to the number of mismatches that it differs in."""
    counted: Counter[str] = Counter()
    for finding in findings:
        if finding.said.cause != "pending":
            counted.update(differing(finding))
    return {name: counted[name] for name in (WINDOW_END, *inputs.values) if counted[name]}


def _shown(findings: Iterable[Finding]) -> list[LineFinding]:
    """Of each cause the lines that lack most joined rows, then in order of the key."""
    shown: Counter[str] = Counter()
    listed: list[LineFinding] = []
    for finding in sorted(findings, key=_gravest):
        cause = finding.said.cause or ""
        shown[cause] += 1
        if cause != "pending" and shown[cause] <= SHOWN:
            listed.append(as_json(finding))
    return listed


def _gravest(finding: Finding) -> tuple[Any, ...]:
    gone = sum(one.gone for one in finding.lost.values())
    return (-gone, *((value is not None, value) for value in finding.key.values()))
