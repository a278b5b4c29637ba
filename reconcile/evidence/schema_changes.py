"""Columns whose type changed: earlier rows hold the value in the earlier form, and differ in nothing else.

Read from the schemas of the output tables' own commits. A stream row is earlier when the record that its column comes
from was read by an epoch that committed under the earlier schema, or before it: rows that wait in state keep the form
that they were packed in. A batch row is earlier when the run that covers it committed under the earlier schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plumbline.connect.iceberg_types import duckdb_type
from plumbline.connect.sql_quoting import text
from plumbline.contract.commit_properties import EPOCH_ID, QUERY_ID
from plumbline.reconcile.inputs.batch_runs import FROM
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.evidence import FORM_NOTES
from plumbline.reconcile.relations.inputs import TURNS
from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table.snapshots import Snapshot


@dataclass(frozen=True)
class Form:
    """An earlier form of a column: its DuckDB type then (None: it was not there), its type now, and the last commit
    of the table under it (snapshot id and properties; None: that is not known)."""

    column: str
    was: str | None
    now: str
    snapshot_id: int | None = None
    properties: dict[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """The earlier form in words."""
        return f"{self.column} was {'not there' if self.was is None else self.was.lower()}"

    def holds(self, earlier: str, later: str) -> str:
        """SQL: the row `earlier` (JSON) has in this form what `later` has in today's."""
        old, new = (f"({row}->>{text(self.column)})" for row in (earlier, later))
        if self.was is None:
            return f"{old} IS NULL"
        cast = f"TRY_CAST(TRY_CAST(TRY_CAST({new} AS {self.now}) AS {self.was}) AS {self.now})"
        return f"TRY_CAST({old} AS {self.now}) IS NOT DISTINCT FROM {cast}"


def note(pins: Pins, evidence: Relation) -> Relation:
    """FORM_NOTES: id, and of a mismatch of one lineage `changed_columns`: those of its differing
    columns that are in an earlier form on one side, in words, and `maybe_changed`: how many of them are in one and
    may or may not be from before the change, which is unknown. Only mismatches with such a column are there."""
    sure: dict[str, list[str]] = {}
    unsure: dict[str, list[str]] = {}
    for form, holds, before, said in (*_of_stream(pins), *_of_batch(pins)):
        sure.setdefault(form.column, []).append(f"WHEN {before} AND {holds} THEN {text(said)}")
        unsure.setdefault(form.column, []).append(f"WHEN ({before}) IS NULL AND {holds} THEN {text(said)}")
    changed, maybe = _listed(sure), _listed(unsure)
    return FORM_NOTES.fill(
        pins.con,
        f"""
        SELECT id, changed_columns, len(maybe) AS maybe_changed FROM (
            SELECT id, {changed} AS changed_columns, {maybe} AS maybe FROM {evidence}
            WHERE class = 'mismatch' AND same_lineage AND {"true" if sure else "false"}
        ) WHERE len(changed_columns) + len(maybe) > 0
        """,
    )


def _listed(arms: Mapping[str, Sequence[str]]) -> str:
    """SQL of the list of what the arms say of the differing columns."""
    told = [
        f"CASE WHEN list_contains(columns, {text(column)}) THEN CASE {' '.join(some)} END END"
        for column, some in arms.items()
    ]
    return f"list_filter([{', '.join(told)}]::VARCHAR[], lambda said: said IS NOT NULL)"


Told = tuple[Form, str, str, str]
"""An earlier form, SQL of whether a row holds it and of whether it is an earlier row (NULL: unknown), and in words."""


def _of_stream(pins: Pins) -> Iterator[Told]:
    """Earlier forms in the stream table."""
    sides = {pins.contract.join.left: "left_turn", pins.contract.join.right: "right_turn"}
    sources = {column.name: column.source for column in pins.contract.output_columns}
    for form in _earlier(pins, pins.contract.output.stream_table, EPOCH_ID):
        holds = form.holds("stream_row", "batch_row")
        if form.snapshot_id is None:
            yield form, holds, "NULL", form.said
            continue
        turn = sides.get(sources[form.column] or "", "least(left_turn, right_turn)")
        query, epoch = text(str(form.properties.get(QUERY_ID))), int(form.properties[EPOCH_ID])
        last = f"(SELECT turn FROM {TURNS} WHERE query_id = {query} AND epoch = {epoch})"
        yield (
            form,
            holds,
            f"replay_id IS NULL AND {turn} <= {last}",
            f"{form.said} in the stream table up to epoch {epoch}",
        )


def _of_batch(pins: Pins) -> Iterator[Told]:
    """Earlier forms in the batch table."""
    places = {run.snapshot_id: place for place, run in enumerate(pins.runs)}
    for form in _earlier(pins, pins.contract.output.batch_table, FROM):
        holds = form.holds("batch_row", "stream_row")
        if form.snapshot_id is None:
            yield form, holds, "NULL", form.said
            continue
        place = places[form.snapshot_id] + 1
        before, after = (
            " OR ".join(run.time_range.sql("event_time") for run in runs) or "false"
            for runs in (pins.runs[:place], pins.runs[place:])
        )
        yield (
            form,
            holds,
            f"({before}) AND NOT ({after})",
            f"{form.said} in the batch table up to snapshot {form.snapshot_id}",
        )


def _earlier(pins: Pins, name: str, marked: str) -> Iterator[Form]:
    """The earlier forms of the compared columns, latest first, by the table's commits that have the property; then
    those that only its schemas still know: their commits have expired, or were made by others."""
    from pyiceberg.table.snapshots import ancestors_of

    table, pinned = pins.lake.load(name), pins.snapshots[name]
    newest = table.snapshot_by_id(pinned) if pinned is not None else None
    if newest is None or len(table.schemas()) == 1:
        return
    commits = [c for c in ancestors_of(newest, table.metadata) if marked in _properties(c)]
    kinds = {commit.snapshot_id: _kinds(table.schemas().get(commit.schema_id or 0)) for commit in (newest, *commits)}
    for column in pins.contract.value_columns:
        now = seen = kinds[newest.snapshot_id].get(column)
        told = {now}
        for commit in commits if now else ():
            kind = kinds[commit.snapshot_id].get(column)
            if now and kind != seen:
                seen = kind
                told.add(kind)
                yield Form(column, kind, now, commit.snapshot_id, _properties(commit))
        others = dict.fromkeys(_kinds(schema).get(column) for schema in table.schemas().values())
        for kind in others:
            if now and kind not in told:
                yield Form(column, kind, now)


def _kinds(schema: Schema | None) -> dict[str, str]:
    return {column.name: duckdb_type(column.field_type) for column in schema.fields} if schema else {}


def _properties(commit: Snapshot) -> dict[str, Any]:
    return dict(commit.summary.additional_properties) if commit.summary else {}
