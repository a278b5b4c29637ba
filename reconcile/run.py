"""One reconcile: pin, compare, gather evidence, attribute, keep the books, judge, record."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from plumbline.contract.lineage import EVENT_TIME
from plumbline.contract.ranges import TimeRange, spell_time
from plumbline.reconcile.diff.engine.schema_findings import UNCOMPARED
from plumbline.reconcile.evidence import held_rows, quarantine, reported
from plumbline.reconcile.inputs.batch_runs import covered, holds
from plumbline.reconcile.inputs.engines import refuse_of_spark, with_engine
from plumbline.reconcile.inputs.epoch_spans import Progress, lay_out, newest_event_us
from plumbline.reconcile.inputs.open_inputs import pinned
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.inputs.unobserved import ends_of_topics, of_seen_epochs, unobserved
from plumbline.reconcile.judge import three_way
from plumbline.reconcile.judge import verdict as judge
from plumbline.reconcile.judge.books import Books, Page
from plumbline.reconcile.judge.boundary_cases import count_edges
from plumbline.reconcile.judge.foreign_ledger import contradicted
from plumbline.reconcile.judge.judge_range import Judged, judge_range
from plumbline.reconcile.judge.prediction import agrees, fates_known
from plumbline.reconcile.judge.unknown_causes import lacking, standing_in, unknown
from plumbline.reconcile.judge.upserts.refused import refuse_of_upserts
from plumbline.reconcile.relations.inputs import UNOBSERVED

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.contract.findings import Cause
    from plumbline.contract.model import Contract
    from plumbline.reconcile.diff.document_types import SchemaFinding
    from plumbline.reconcile.diff.spark.choice import Choice
    from plumbline.reconcile.judge.document_types import HeldBack, ReconcileDocument, Stream
    from plumbline.reconcile.relations.relation import Relation


@dataclass(frozen=True)
class Run:
    """A finished reconcile: the document of `plumbline reconcile --json`, the books behind its ledger, and a finding
    of the cause that decides what to do, where that is to look at one key. `engine` found the rows that differ."""

    document: ReconcileDocument
    books: Books
    examples: tuple[dict[str, Any], ...] = ()
    engine: Choice | None = None

    @property
    def exit_code(self) -> int:
        """0 clean, 1 drift, 3 incomplete."""
        return judge.EXIT[self.document["verdict"]]

    def _repr_html_(self) -> str:
        from plumbline.reconcile.report.notebook_card import of_run

        return of_run(self.document, self.examples)


def reconcile(
    contract: Contract,
    home: Home,
    time_range: TimeRange | None = None,
    *,
    memory: str = "512MB",
    threads: int | None = None,
    engine: str = "duckdb",
    record: bool = True,
    require_settled: bool = False,
    out: str | None = None,
    against: str | None = None,
    full: bool = False,
    edges: bool = False,
) -> Run:
    """Compare the stream table with the batch table over the event times in `time_range` and name each cause.

    None or a fully open range stands for what the batch runs cover. Days whose inputs are those of an earlier run are
    not read again, unless `full`. With `record` the run and its findings go to `plumbline.runs` and
    `plumbline.findings`, once per run id, and verdicts are kept. `out` is a Parquet file for the findings, `against` a
    third table that a faithful replay of the range wrote: then all is read, and with `edges`, which counts what came
    out by a hair; neither of upserted tables. `threads`: None for the machine's. `engine` (duckdb, spark, auto) finds
    the rows that differ, see `plumbline.reconcile.inputs.engines`. Raises SetupError for a missing table,
    IncompleteError when no batch run covers the range, UsageError for what the engine does not compare.
    """
    from plumbline.reconcile.judge.store import export, findings_sql, keep_record
    from plumbline.reconcile.report.stored_runs import example

    refuse_of_upserts(contract, against=against is not None, edges=edges)
    refuse_of_spark(contract, engine)
    with pinned(contract, home, None if time_range == TimeRange() else time_range, memory, threads) as pins:
        refuse_uncovered(pins)
        pins = pins if against is None else three_way.with_third(pins, against)
        pins, progress = _laid_out(pins, home)
        pins, chosen = with_engine(engine, pins, home)
        question = run_id(pins, progress, require_settled, edges)
        theirs = contract.job is not None  # nothing of such a range is taken over: what it rests on is not all pinned
        whole, keep = full or edges or theirs or against is not None, record and against is None and not theirs
        pins, judged = _judged(pins, progress, full=whole, keep_verdicts=keep, run_id=question)
        third = None if against is None else three_way.judge_against(judged.pins, judged.findings, against)
        findings = judged.findings if third is None else third.findings
        document = _document(judged, progress, require_settled, question)
        document["against"] = None if third is None else third.as_json()
        document["edges"] = count_edges(judged.pins, findings) if edges else None
        if out is not None:
            export(pins, findings_sql(document["run_id"], findings), out)
        if record:
            keep_record(pins, document, findings_sql(document["run_id"], findings))
        return Run(document, judged.books, example(pins, document, findings), chosen)


def _judged(pins: Pins, progress: Progress, *, full: bool, keep_verdicts: bool, run_id: str) -> tuple[Pins, Judged]:
    """What the range came to; once more without the ledger's word on late rows, where the rows contradict it."""
    judged = judge_range(pins, progress, full=full, keep_verdicts=keep_verdicts, run_id=run_id)
    if not contradicted(judged.pins, progress, fates=fates_known(judged.pins, progress)):
        return pins, judged
    pins = replace(pins, contradicted=True)
    again = judge_range(pins, progress, full=True, keep_verdicts=False, run_id=run_id)
    return pins, replace(again, predicted=judged.predicted)


def _laid_out(pins: Pins, home: Home) -> tuple[Pins, Progress]:
    progress = lay_out(pins)
    return replace(pins, seen=of_seen_epochs(pins, progress, ends_of_topics(pins.contract, home))), progress


def refuse_uncovered(pins: Pins) -> None:
    """Raise IncompleteError when the batch runs do not cover the range."""
    from plumbline.contract.errors import IncompleteError

    if pins.runs and not holds(covered(pins.runs), pins.time_range):
        ran = ", ".join(str(part) for part in covered(pins.runs))
        start, end = pins.time_range.as_json().values()
        options = " ".join(f"--{name} {value}" for name, value in (("from", start), ("to", end)) if value)
        raise IncompleteError(
            f"the batch reference does not cover {pins.time_range}; it ran over {ran}",
            where=pins.contract.output.batch_table,
            next_step=f"plumbline batch run CONTRACT {options}".rstrip(),
        )


def _document(judged: Judged, progress: Progress, require_settled: bool, question: str) -> ReconcileDocument:
    pins, total = judged.pins, judged.books.total
    settled = progress.has_closed(_last_us(pins)) and total.count("pending") == 0
    reports = reported.checked(pins)
    drift = reported.wrong(reports) or _differs(judged)
    records = quarantine.records(pins, judged.intake, judged.refusals)
    balanced = judged.books.balance(judged.match) and quarantine.balanced(records)
    held = held_rows.told(judged.findings, pins, progress)
    told = _told(pins, total, settled, require_settled) and (drift or not _waits(pins, held))
    causes = {name: sum(kinds.values()) for name, kinds in total.causes().items()}
    return {
        "run_id": question,
        "contract": pins.contract.contract,
        "range": pins.time_range.as_json(),
        "snapshots": dict(pins.snapshots),
        "stream": stream_of(progress),
        "settled": settled,
        "verdict": judge.verdict(drift=drift, complete=balanced and told),
        "balanced": balanced,
        "archive_lacks": quarantine.lacking(records) if judged.books.balance(judged.match) else {},
        "counts": total.counts(),
        "causes": cast("dict[Cause, int]", {name: count for name, count in causes.items() if name != "pending"}),
        "unexplained": causes.get("unexplained", 0),
        "unknown": unknown(lacking(pins, progress), causes, standing_in(pins)),
        "columns": _columns(pins, judged.findings),
        "schema": cast("list[SchemaFinding]", list(judged.schema)),
        "ledger": [page.as_json() for page in judged.books.pages],
        "records": records,
        "predicted": None if judged.predicted is None else judged.predicted.as_json(),
        "agrees": agrees(judged.predicted, total, judged.replayed) if _asked(pins) else None,
        "reports": reports,
        "unobserved": unobserved(pins, progress),
        "held_back": held,
        "unproven_spark": list(pins.unproven_spark),
        "replayed": judged.replayed,
        "reused": {"partitions": judged.reused, "of": judged.windows},
        "alerts": judge.alerts(pins.contract.reconcile.fail_when, total),
        "against": None,
        "edges": None,
    }


def _differs(judged: Judged) -> bool:
    uncompared = any(finding["finding"] in UNCOMPARED for finding in judged.schema)
    return uncompared or any(cause != "pending" for cause, _ in judged.books.total.entries)


def _waits(pins: Pins, held: HeldBack | None) -> bool:
    """Whether rows cannot be judged yet: of epochs that were not observed, or that may be held back or lost."""
    return UNOBSERVED.any(pins.con) or (held is not None and held["rows"] > 0)


def _told(pins: Pins, total: Page, settled: bool, require_settled: bool) -> bool:
    """Whether the range is far enough for a verdict: one that nothing has reached yet looks like two equal tables."""
    if total.batch == total.stream == 0:
        return settled and bool(pins.runs)
    return settled or not require_settled


def _asked(pins: Pins) -> bool:
    """Whether the rules can predict the stream's rows: not beyond the batch's ranges, nor what a transform drops."""
    return pins.neighbours_covered and pins.contract.stream.transform is None


def _last_us(pins: Pins) -> int | None:
    """The last moment (us) of the range; the newest batch row's where it has no end. None: no rows either.

    Not the newest row's in both cases: a range that the stream has not reached holds no rows, and is not settled.
    """
    end = pins.time_range.end_us
    return newest_event_us(pins, pins.batch) if end is None else end - 1


def run_id(pins: Pins, progress: Progress, require_settled: bool, edges: bool = False) -> str:
    """The same for the same question about the same data: contract, range, snapshots, last epoch."""
    question = {
        "contract": pins.contract.fingerprint(),
        "reconcile": pins.contract.reconcile.model_dump(mode="json"),
        "range": pins.time_range.as_json(),
        "require_settled": require_settled,
        "snapshots": dict(pins.snapshots),
        "epoch": [progress.query_id, progress.last_epoch],
        **({"edges": True} if edges else {}),
        **({"event_time": pins.contract.output.event_time} if pins.contract.output.event_time else {}),
        **({"job": pins.contract.job.model_dump(mode="json")} if pins.contract.job else {}),
    }
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:16]


def stream_of(progress: Progress) -> Stream:
    """How far the stream had come, as the ledger says it."""
    from plumbline.contract.ranges import from_micros

    closed = progress.settled_until_us
    return {
        "query_id": progress.query_id,
        "last_epoch": progress.last_epoch,
        "evict_watermark_ms": progress.evict_watermark_ms,
        "closed_until": None if closed is None else spell_time(from_micros(closed)),
    }


def _columns(pins: Pins, findings: Relation) -> dict[str, int]:
    """Column to the number of mismatches that it differs in, in the contract's order; `_event_time` last."""
    found = pins.con.execute(
        f"""
        SELECT name, count(*) FROM (
            SELECT unnest(columns) AS name FROM {findings} WHERE is_drift AND class = 'mismatch'
        ) GROUP BY name
        """
    ).fetchall()
    counted = {str(name): int(count) for name, count in found}
    return {name: counted[name] for name in (*pins.contract.value_columns, EVENT_TIME) if name in counted}
