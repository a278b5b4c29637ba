"""One reconcile: pin, compare, gather evidence, attribute, keep the books, judge, record."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.lineage import REPLAY_ID
from contract.ranges import TimeRange, spell_time
from reconcile import quarantine, three_way
from reconcile import verdict as judge
from reconcile.attribution import ATTRIBUTED, attribute, note
from reconcile.books import Books, keep
from reconcile.coverage import covered, holds
from reconcile.differing import Differing, find
from reconcile.engine.schema import UNCOMPARED
from reconcile.evidence import gather
from reconcile.pins import BATCH, STREAM, Pins, pin
from reconcile.predict import agrees, predict
from reconcile.spans import Progress, lay_out, newest_event_us

if TYPE_CHECKING:
    from connect.home import Home
    from contract.model import Contract


@dataclass(frozen=True)
class Run:
    """A finished reconcile: the document of `plumbline reconcile --json`, and the books behind its ledger."""

    document: dict[str, Any]
    books: Books

    @property
    def exit_code(self) -> int:
        """0 clean, 1 drift, 3 incomplete."""
        return judge.EXIT[self.document["verdict"]]


def reconcile(
    contract: Contract,
    home: Home,
    time_range: TimeRange | None = None,
    *,
    memory: str = "512MB",
    record: bool = True,
    require_settled: bool = False,
    out: str | None = None,
    against: str | None = None,
) -> Run:
    """Compare the stream table with the batch table over the event times in `time_range` and name each cause.

    None or a fully open range stands for what the batch runs cover. With `record` the run and its findings go to
    `plumbline.runs` and `plumbline.findings`, once per run id. `out` is a Parquet file for the findings, `against` a
    third table that a faithful replay of the range wrote. Raises SetupError for a missing table, IncompleteError when
    no batch run covers the range.
    """
    from reconcile.record import export, keep_record

    wanted = None if time_range == TimeRange() else time_range
    with opened(contract, home, wanted, memory) as pins:
        _refuse_uncovered(pins)
        pins = pins if against is None else three_way.with_third(pins, against)
        progress = lay_out(pins)
        differing = judge_rows(pins, progress)
        third = None if against is None else three_way.judge_against(pins, against)
        books = keep(pins)
        document = _document(pins, progress, differing, books, require_settled)
        document["against"] = third and third.as_json()
        if out is not None:
            export(pins, document["run_id"], out)
        if record:
            keep_record(pins, document)
    return Run(document, books)


@contextmanager
def opened(contract: Contract, home: Home, time_range: TimeRange | None, memory: str) -> Iterator[Pins]:
    """Everything pinned in a fresh DuckDB that spills into the home folder and leaves nothing behind."""
    from pathlib import Path

    from connect.lake import Lake
    from connect.pinned import connection
    from reconcile.engine.budget import Budget

    budget = Budget.of(memory)
    lake = Lake.open(home, contract.catalog)
    home.runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reconcile-", dir=home.runs) as folder:
        con = connection(f"{budget.duckdb_bytes}B", folder)
        try:
            yield pin(con, lake, contract, time_range, memory=memory, scratch=Path(folder))
        finally:
            con.close()
            lake.dispose()


def judge_rows(pins: Pins, progress: Progress) -> Differing:
    """Fill the temp table `attributed`: every differing row with its evidence and its cause."""
    differing = find(pins)
    gather(pins, progress)
    note(pins)
    attribute(pins.con)
    return differing


def _refuse_uncovered(pins: Pins) -> None:
    from contract.errors import IncompleteError

    if pins.runs and not holds(covered(pins.runs), pins.time_range):
        ran = ", ".join(str(part) for part in covered(pins.runs))
        start, end = pins.time_range.as_json().values()
        options = " ".join(f"--{name} {value}" for name, value in (("from", start), ("to", end)) if value)
        raise IncompleteError(
            f"the batch reference does not cover {pins.time_range}; it ran over {ran}",
            where=pins.contract.output.batch_table,
            next_step=f"plumbline batch run CONTRACT {options}".rstrip(),
        )


def _document(
    pins: Pins, progress: Progress, differing: Differing, books: Books, require_settled: bool
) -> dict[str, Any]:
    total = books.total
    settled = progress.has_closed(_last_us(pins)) and total.count("pending") == 0
    uncompared = [finding for finding in differing.schema if finding["finding"] in UNCOMPARED]
    drift = bool(uncompared) or any(cause != "pending" for cause, _ in total.entries)
    records = quarantine.records(pins)
    balanced = books.balance(differing.match) and quarantine.balanced(records)
    causes = {name: sum(kinds.values()) for name, kinds in total.causes().items()}
    replayed = _replayed(pins)
    predicted = predict(pins, progress)
    return {
        "run_id": run_id(pins, progress, require_settled),
        "contract": pins.contract.contract,
        "range": pins.time_range.as_json(),
        "snapshots": dict(pins.snapshots),
        "stream": _stream(progress),
        "settled": settled,
        "verdict": judge.verdict(drift=drift, complete=balanced and (settled or not require_settled)),
        "balanced": balanced,
        "counts": {
            "batch": total.batch,
            "stream": total.stream,
            "match": total.match,
            **{kind: total.count(kind) for kind in ("mismatch", "missing", "extra", "duplicate", "pending")},
        },
        "causes": {name: count for name, count in causes.items() if name != "pending"},
        "unexplained": causes.get("unexplained", 0),
        "columns": _columns(pins),
        "schema": list(differing.schema),
        "ledger": [page.as_json() for page in books.pages],
        "records": records,
        "predicted": predicted and predicted.as_json(),
        "agrees": agrees(predicted, total, replayed) if _asked(pins) else None,
        "replayed": replayed,
        "alerts": judge.alerts(pins.contract.reconcile.fail_when, total),
    }


def _asked(pins: Pins) -> bool:
    """Whether the rules can predict the stream's rows: not beyond the batch's ranges, nor what a transform drops."""
    return pins.neighbours_covered and pins.contract.stream.transform is None


def _last_us(pins: Pins) -> int | None:
    """The last moment (us) of the range; the newest batch row's where it has no end. None: no rows either.

    Not the newest row's in both cases: a range that the stream has not reached holds no rows, and is not settled.
    """
    end = pins.time_range.end_us
    return newest_event_us(pins, BATCH) if end is None else end - 1


def run_id(pins: Pins, progress: Progress, require_settled: bool) -> str:
    """The same for the same question about the same data: contract, range, snapshots, last epoch."""
    question = {
        "contract": pins.contract.fingerprint(),
        "reconcile": pins.contract.reconcile.model_dump(mode="json"),
        "range": pins.time_range.as_json(),
        "require_settled": require_settled,
        "snapshots": dict(pins.snapshots),
        "epoch": [progress.query_id, progress.last_epoch],
    }
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:16]


def _stream(progress: Progress) -> dict[str, Any]:
    """How far the stream had come, as the ledger says it."""
    from contract.ranges import from_micros

    closed = progress.settled_until_us
    return {
        "query_id": progress.query_id,
        "last_epoch": progress.last_epoch,
        "evict_watermark_ms": progress.evict_watermark_ms,
        "closed_until": None if closed is None else spell_time(from_micros(closed)),
    }


def _columns(pins: Pins) -> dict[str, int]:
    """Column to the number of mismatches that it differs in, in the contract's order."""
    found = pins.con.execute(
        f"""
        SELECT name, count(*) FROM (
            SELECT unnest(columns) AS name FROM {ATTRIBUTED} WHERE is_drift AND class = 'mismatch'
        ) GROUP BY name
        """
    ).fetchall()
    counted = {str(name): int(count) for name, count in found}
    return {name: counted[name] for name in pins.contract.value_columns if name in counted}


def _replayed(pins: Pins) -> int:
    """Stream rows of the range that a replay published."""
    found = pins.con.execute(f"SELECT count({REPLAY_ID}) FROM {STREAM}").fetchone()
    return 0 if found is None else int(found[0])
