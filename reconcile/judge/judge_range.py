"""What the two outputs of a range came to: days that were read now, and days whose verdict is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from plumbline.contract.lineage import SIDES
from plumbline.contract.ranges import from_micros, micros
from plumbline.reconcile.evidence import quarantine
from plumbline.reconcile.evidence.differing_rows import Differing
from plumbline.reconcile.evidence.quarantine import Intake, Taken
from plumbline.reconcile.inputs.day_ranges import days_of
from plumbline.reconcile.inputs.pinned_views import Pins, show
from plumbline.reconcile.judge.attribution import AT_ONCE
from plumbline.reconcile.judge.books import Books, Page, keep, total
from plumbline.reconcile.judge.judge_rows import judge_rows
from plumbline.reconcile.judge.prediction import Prediction, predict, summed
from plumbline.reconcile.judge.reduced.due_events import with_due_events
from plumbline.reconcile.judge.upserts.due_rows import with_due_rows
from plumbline.reconcile.relations.evidence import DAY_COUNTS, REFUSALS
from plumbline.reconcile.relations.relation import Relation, Sided
from plumbline.reconcile.reuse import eligibility, reuse, stored_days
from plumbline.reconcile.reuse.digests import Inputs, apart, current_mark, inputs_of
from plumbline.reconcile.reuse.stored_days import Verdict

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.epoch_spans import Progress


@dataclass(frozen=True)
class Fresh:
    """What came of the days that were read: findings, pages of the books, and per day prediction, records and replayed
    rows. `drifted` are the keys that differ."""

    differing: Differing
    attributed: Relation
    drifted: Relation
    pages: tuple[Page, ...]
    predicted: Mapping[datetime | None, Prediction] | None
    intake: Intake
    replayed: Mapping[datetime | None, int]


@dataclass(frozen=True)
class Judged:
    """What the range came to. `findings` holds every finding, `refusals` the records that could not enter the join.

    `match` is how many batch rows were found equal; of `windows` days the verdicts of `reused` were kept.
    """

    pins: Pins
    findings: Relation
    refusals: Sided
    books: Books
    match: int
    schema: tuple[dict[str, str | None], ...]
    predicted: Prediction | None
    intake: Intake
    replayed: int
    reused: int
    windows: int


def judge_range(pins: Pins, progress: Progress, *, full: bool, keep_verdicts: bool, run_id: str) -> Judged:
    """Compare the pinned tables and name the causes; `full` reads every day, whatever was found before.

    Of upserted tables, and where a source is reduced, all days are read each time, and nothing is predicted.
    """
    inputs = inputs_of(pins) if apart(pins) and not pins.contract.one_for_one else {}
    before = stored_days.load(pins.lake, stored_days.owner(pins.contract)) if inputs else None
    known = {} if before is None or full else stored_days.read(before)
    standing = reuse.reusable(pins, progress, inputs, known)
    while True:
        pins = with_due_rows(show(pins, reuse.to_read(pins, standing) if inputs else None))
        pins = with_due_events(pins, progress)
        fresh = _read(pins, progress)
        kept = reuse.bring_back(pins, fresh.attributed, standing)
        again = reuse.days_to_read_again(pins, kept, fresh.drifted, standing)
        if standing and eligibility.needs_all(pins):
            standing = {}
        elif again:
            standing = {day: verdict for day, verdict in standing.items() if day not in again}
        else:
            break
    if before is not None and keep_verdicts:
        new = _verdicts(pins, progress, fresh, inputs, run_id)
        old = [replace(verdict, reused=verdict.reused + 1) for verdict in standing.values()]
        stored_days.save(pins.lake, stored_days.owner(pins.contract), before, [*old, *new], inputs)
    findings = reuse.all_findings(pins, progress, fresh.attributed, kept)
    return _together(pins, fresh, standing, findings, windows=len(inputs) or len(fresh.pages))


def _read(pins: Pins, progress: Progress) -> Fresh:
    differing, attributed = judge_rows(pins, progress)
    drifted, pages = eligibility.drifted_keys(pins, differing), keep(pins, attributed).pages
    return Fresh(
        differing,
        attributed,
        drifted,
        pages,
        None if pins.contract.one_for_one else predict(pins, progress, drifted, pages),
        quarantine.take_in(pins),
        _replayed(pins),
    )


def _together(
    pins: Pins, fresh: Fresh, standing: Mapping[datetime, Verdict], findings: Relation, windows: int
) -> Judged:
    """The whole range: what was read, and what stands."""
    verdicts = standing.values()
    pages = [*fresh.pages, *(verdict.page for verdict in verdicts if verdict.page.batch or verdict.page.stream)]
    pages.sort(key=lambda page: (page.window is not None, page.window))
    predicted = None
    if fresh.predicted is not None:
        predicted = summed([*fresh.predicted.values(), *(v.predicted for v in verdicts if v.predicted)])
    old: Intake = {(side, verdict.window): verdict.taken[side] for verdict in verdicts for side in SIDES}
    return Judged(
        pins=pins,
        findings=findings,
        refusals=reuse.all_refusals(pins, standing),
        books=Books(tuple(pages), total(pages)),
        match=fresh.differing.match + sum(verdict.page.match for verdict in verdicts),
        schema=fresh.differing.schema,
        predicted=predicted,
        intake={**fresh.intake, **old},
        replayed=sum(fresh.replayed.values()) + sum(verdict.replayed for verdict in verdicts),
        reused=len(standing),
        windows=windows,
    )


def _verdicts(
    pins: Pins, progress: Progress, fresh: Fresh, inputs: Mapping[datetime, Inputs], run_id: str
) -> Iterator[Verdict]:
    """The verdicts of the days that were read and may be kept."""
    if not pins.batch_has_lineage or pins.unproven_spark:
        return
    pages, ledger = {page.window: page for page in fresh.pages}, current_mark(pins, progress)
    doubtful = eligibility.doubtful(pins, fresh.attributed, fresh.drifted) | {
        page.window for page in fresh.pages if not page.balanced
    }
    for day, part in _days_read(pins, inputs):
        page = pages.get(day, Page(day))
        predicted = None if fresh.predicted is None else fresh.predicted.get(day, Prediction(0, 0, 0, 0))
        settled = progress.has_closed(part) if ledger else not page.entries
        if day in doubtful or not settled or (predicted and predicted.pending):
            continue
        yield Verdict(
            window=day,
            run_id=run_id,
            inputs=inputs[day],
            ledger=ledger,
            page=page,
            predicted=predicted,
            replayed=fresh.replayed.get(day, 0),
            taken={side: fresh.intake.get((side, day), Taken()) for side in SIDES},
            refused={side: _refused(pins, side, day) for side in SIDES},
            findings=_findings(pins, fresh.attributed, day) if page.entries else None,
        )


def _days_read(pins: Pins, days: Iterable[datetime]) -> Iterator[tuple[datetime, int]]:
    """The days that were read, with the last moment (us) of each that is in the range."""
    for day, part in days_of(pins.time_range).items():
        if pins.read.within(part).ranges and part.end_us is not None:
            yield day, part.end_us - 1


def _refused(pins: Pins, side: str, day: datetime) -> list[tuple[int, int]]:
    sql = f'SELECT partition, "offset" FROM {REFUSALS[side]} WHERE epoch_us("window") = {micros(day)} ORDER BY ALL'
    return [(int(partition), int(offset)) for partition, offset in pins.con.execute(sql).fetchall()]


def _findings(pins: Pins, attributed: Relation, day: datetime) -> bytes:
    """The day's findings as an Arrow stream, written some at a time. By LZ4: each of the many short columns is
    compressed by itself, for which Zstandard takes long, also when it is read."""
    import pyarrow as pa

    rows = pins.con.sql(f"FROM {attributed} WHERE epoch_us(date_trunc('day', event_time)) = {micros(day)}")
    reader, sink = rows.to_arrow_reader(AT_ONCE), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, reader.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        for batch in reader:
            stream.write_batch(batch)
    return bytes(sink.getvalue())


def _replayed(pins: Pins) -> dict[datetime | None, int]:
    """Stream rows that a replay published, per day."""
    found = pins.con.execute(
        f"SELECT epoch_us(plumbline_day), replayed FROM {DAY_COUNTS} WHERE output = 'stream'"
    ).fetchall()
    return {None if day_us is None else from_micros(day_us): int(count) for day_us, count in found}
