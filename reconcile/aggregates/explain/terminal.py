"""A line's story on a terminal: the verdict, the sums, the rows that the stream did not make, moments, grounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from plumbline.contract.ranges import from_micros
from plumbline.reconcile import format
from plumbline.reconcile.aggregates.books import net
from plumbline.reconcile.aggregates.explain.contributors import ALONE, CAME, GONE, MADE, Contributor, LineRow
from plumbline.reconcile.aggregates.spelling import spelled
from plumbline.reconcile.aggregates.terminal import sum_of

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.reconcile.aggregates.explain.story import LineStory

MOST = 20
"""Rows that the stream did not make, as they are shown."""


def show(story: LineStory, console: Console) -> None:
    """Print the story as a page."""
    for line in lines(story):
        console.print(line, markup=False)


def lines(story: LineStory) -> Iterator[str]:
    """The page."""
    key = ", ".join(f"{name} {'NULL' if value is None else value}" for name, value in story.key.items())
    yield f"{key}: {story.verdict}{f' by {story.cause}' if story.cause else ''}"
    yield f"{story.sentence}\n"
    document = story.document
    for name, one in document["values"].items():
        yield f"  {sum_of(name, one)}"
    yield f"\n  {_rows(story)}"
    lost = [row for row in story.joined if row.became != MADE]
    for row in lost[:MOST]:
        yield from (f"    {text}" for text in _row(story, row))
    if len(lost) > MOST:
        yield f"    and {len(lost) - MOST:,} more: --json has up to 200 rows"
    yield ""
    for moment in story.moments[: 3 * MOST]:
        yield f"  {format.moment(moment.at) if moment.at else '':<28}{moment.what:<15}{moment.text}"
    yield ""
    for says, rests_on in story.grounds:
        yield f"  {says:<28}{rests_on}"


def _rows(story: LineStory) -> str:
    """`joined rows: batch 812 = stream 803 + late_right 7 + quarantined 2`."""
    rows = story.document["rows"]
    if story.untold is not None:
        return f"joined rows: {rows['batch']:,} in batch"
    taken = "".join(f" + {cause} {spelled(net(one))}" for cause, one in rows["lost"].items())
    return f"joined rows: batch {rows['batch']:,} = stream {rows['stream']:,}{taken}"


def _row(story: LineStory, row: LineRow) -> Iterator[str]:
    takes = ", ".join(f"{name} {spelled(value)}" for name, value in row.takes.items())
    told = {GONE: f"not made: {row.cause}", ALONE: "made in its place, without a match", CAME: f"made: {row.cause}"}
    what = told[row.became]
    yield f"{format.moment(row.event_time)}  {what}; {takes}"
    for one in row.contributors:
        yield f"  {_record(story, one)}"


def _record(story: LineStory, one: Contributor) -> str:
    source = getattr(story.contract.join, one.side)
    place = f"{source} {one.place[0]}:{one.place[1]}"
    record = one.record
    if record is None:
        return f"{place}: the archive lacks it"
    read = f"epoch {record.epoch}" if record.epoch is not None else "no epoch"
    if one.lost == "late" and record.late_watermark_ms is not None:
        watermark = format.moment(from_micros(record.late_watermark_ms * 1000))
        late = f"late by {format.delay(record.behind_ms)} in {read}, whose watermark is {watermark}"
        return f"{place}: event time {format.moment(record.event_time)}, {late}"
    why = {None: f"taken in by {read}", "quarantined": f"in quarantine: {one.reason}", "pending": "not read yet"}
    return f"{place}: {why.get(one.lost, 'no epoch of the ledger has read it, those around it have')}"
