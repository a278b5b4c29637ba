"""The story of one line of an aggregate: in both tables, the rows below it, which the stream did not make, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.contract.aggregate import WINDOW_START
from plumbline.contract.commit_properties import EPOCH_ID, PUBLISHED
from plumbline.contract.ranges import from_micros
from plumbline.reconcile import format
from plumbline.reconcile.aggregates.changed_rows import find_changed, nothing_changed
from plumbline.reconcile.aggregates.explain.asked import Asked, asked_for, unknown
from plumbline.reconcile.aggregates.explain.contributors import LineRow, all_rows, contributors
from plumbline.reconcile.aggregates.explain.grounds import closing_epoch, grounds
from plumbline.reconcile.aggregates.explain.story import LineStory, Written
from plumbline.reconcile.aggregates.findings import MATCH, Finding, judged
from plumbline.reconcile.aggregates.made_again import make_again
from plumbline.reconcile.aggregates.run import compare_lines, untold
from plumbline.reconcile.aggregates.unread_by_batch import stale_windows
from plumbline.reconcile.aggregates.verdicts import Said
from plumbline.reconcile.aggregates.views import Opened, opened
from plumbline.reconcile.explain.keys import Key
from plumbline.reconcile.explain.story import NO_COMMIT, Moment, in_order, moments_of
from plumbline.reconcile.inputs.open_inputs import pinned
from plumbline.reconcile.inputs.row_commits import commit_of
from plumbline.reconcile.run import refuse_uncovered

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.contract.model import Contract


def explain_line(contract: Contract, home: Home, key: Key, *, memory: str = "512MB") -> LineStory:
    """Tell what happened to one line, whether or not it differs.

    `key` maps `window_start` and the group columns to values as text, None for NULL, or is the values with commas
    between. Raises UsageError for a line that nothing knows (naming the nearest group), IncompleteError where no batch
    run covers the window or the joined rows are not there, SetupError for a missing table.
    """
    asked = asked_for(contract, key)
    with pinned(contract, home, asked.window, memory) as pins:
        refuse_uncovered(pins)
        inputs = opened(pins)
        only, closed = asked.condition(inputs), _closed(inputs, asked)
        if closed is None or find_changed(inputs) is None:
            nothing_changed(inputs)
        line = _line(inputs, only, closed)
        if line is None:
            raise unknown(inputs, asked)
        return _told(inputs, asked, only, line, closed)


def _closed(inputs: Opened, asked: Asked) -> bool | None:
    """Whether the stream has written the window; None where nobody knows."""
    end_us = asked.window.end_us
    return None if inputs.closed_us is None or end_us is None else end_us <= inputs.closed_us


def _line(inputs: Opened, only: str, closed: bool | None) -> Finding | None:
    """The line, judged where its window is closed; None where neither table has it, nor a row of it."""
    compare_lines(inputs)
    if not make_again(inputs, only):
        return None
    [one] = judged(inputs, 1, stale_windows(inputs) if closed else set())
    return one.line if closed else replace(one.line, kind=MATCH, said=Said())


def _told(inputs: Opened, asked: Asked, only: str, line: Finding, closed: bool | None) -> LineStory:
    pins, known = inputs.pins, closed is not None
    joined = contributors(inputs, only) if known else []
    batch, stream = (_written(inputs, line, only, of_batch=of_batch) for of_batch in (True, False))
    early = closed is False and bool(stream) and not inputs.behind_stream
    moments = [moment for row in joined for moment in _records(row)]
    moments += [*map(_moment, (*batch, *stream)), *_window(inputs, asked, closed, bool(stream))]
    return LineStory(
        pins.contract,
        asked.key,
        asked.window,
        line,
        closed,
        early,
        None if known else untold(inputs),
        batch,
        stream,
        joined,
        all_rows(inputs, only) - len(joined),
        in_order(dict.fromkeys(moments)),
        grounds(inputs, asked, line, closed, batch, stream),
    )


def _records(row: LineRow) -> Iterator[Moment]:
    """The moments of records that the stream did not take in."""
    for one in row.contributors:
        if one.lost is not None and one.record is not None:
            yield from moments_of(one.record)


def _written(inputs: Opened, line: Finding, only: str, *, of_batch: bool) -> list[Written]:
    """The line in one of the tables, each time it stands there, with the commit that brought it."""
    pins = inputs.pins
    name = pins.contract.output.batch_table if of_batch else pins.contract.output.stream_table
    lines = line.batch if of_batch else line.stream
    table, began = pins.lake.load(name), pins.time_range.start
    commit = commit_of(pins.con, table, pins.snapshots[name], began, WINDOW_START, only) if lines else None
    if commit is None or len(lines) > 1:  # of several equal lines nobody knows which commit brought which
        return [Written(name, one, None, None, None) for one in lines]
    epoch, replay_id = (commit.properties.get(said) for said in (EPOCH_ID, PUBLISHED))
    return [Written(name, one, commit.snapshot_id, commit.at, epoch, replay_id) for one in lines]


def _moment(line: Written) -> Moment:
    """The commit that brought a line."""
    commit = f"snapshot {line.snapshot_id}" if line.snapshot_id is not None else NO_COMMIT
    by = f", epoch {line.epoch}" if line.epoch is not None else f", replay {line.replay_id}" if line.replay_id else ""
    return Moment(line.at, "written", f"{line.table}: the line, in {commit}{by}")


def _window(inputs: Opened, asked: Asked, closed: bool | None, there: bool) -> Iterator[Moment]:
    """When the window closed, or that it is open; and that the stream has no line of it."""
    found = closing_epoch(inputs, asked) if closed else None
    if found is not None:
        yield Moment(found.at, "closed", f"the window, {found}")
    elif closed is False:
        until = format.moment(from_micros(inputs.closed_us or 0))
        yield Moment(None, "open", f"the window is open: those that end up to {until} are closed")
    if closed and not there:
        yield Moment(None, "not written", f"{inputs.pins.contract.output.stream_table} has no such line")
