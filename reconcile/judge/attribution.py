"""Each differing row gets exactly one cause: the first, in order of precedence, whose proof holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import text
from plumbline.reconcile.causes import Cause, registry
from plumbline.reconcile.evidence import (
    archive_gaps,
    future_events,
    implied_lineage,
    quarantine,
    reported,
    schema_changes,
)
from plumbline.reconcile.judge.reduced.proofs import of_reduced
from plumbline.reconcile.judge.upserts.proofs import of_upserts
from plumbline.reconcile.relations.judge import ATTRIBUTED
from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    import duckdb

    from plumbline.reconcile.inputs.pinned_views import Pins

OWN_JOB = "own_job"
"""What a cause needs that says what the job must have written: that it is this contract's join, run by us."""
AT_ONCE = 10_000
"""Findings that are held outside DuckDB at a time: each carries a hundred pieces of evidence."""


def note(pins: Pins, evidence: Relation) -> tuple[Relation, ...]:
    """What the causes' proofs read beside the evidence, by id: few rows have it, and it is looked up for those only."""
    matters = (quarantine, archive_gaps, future_events, schema_changes, implied_lineage, reported)
    return tuple(matter.note(pins, evidence) for matter in matters)


def causes_of(pins: Pins) -> tuple[Cause, ...]:
    """All causes; of a stream on a Spark whose rule of lateness is not proven, or whose ledger its table contradicts,
    what they prove without that rule. Of upserted tables, what one row per key proves; of a reduced source, what one
    event per window does. Of a job that is not ours, nothing that rests on what it must have written."""
    causes = registry()
    if pins.unproven_spark or pins.contradicted:
        causes = tuple(c if c.without_rule is None else replace(c, proof=c.without_rule) for c in causes)
    if pins.contract.output.is_upsert:
        causes = tuple(map(of_upserts, causes))
    if pins.contract.right.reduce is not None:
        causes = tuple(of_reduced(cause, pins.contract.right.reduce) for cause in causes)
    if pins.contract.job is not None:
        causes = tuple(replace(c, proof="false") if OWN_JOB in c.needs else _sound(c) for c in causes)
    return causes


def _sound(cause: Cause) -> Cause:
    """The cause with what it needs of a stream row that only the archive names: that nothing unseen can have made it,
    or that it is enough to know what the row was not made from."""
    if "lineage" not in cause.needs:
        return cause
    not_the_batch_rows = " OR (class = 'mismatch' AND other_lineage)" if cause.of_batch_row else ""
    return replace(cause, proof=f"({cause.proof}) AND (implied_by IS NULL OR implied_whole{not_the_batch_rows})")


def attribute(
    con: duckdb.DuckDBPyConnection, evidence: Relation, notes: Sequence[Relation], causes: Sequence[Cause]
) -> Relation:
    """ATTRIBUTED: the rows of the evidence and its notes with `cause` and `is_drift`."""
    no_drift = ", ".join(text(cause.name) for cause in causes if not cause.is_drift) or "NULL"
    known = " ".join(f"LEFT JOIN {noted} USING (id)" for noted in notes)
    return ATTRIBUTED.fill(
        con,
        f"""
        SELECT *, coalesce(cause NOT IN ({no_drift}), true) AS is_drift
        FROM (SELECT *, {choice(causes)} AS cause FROM {evidence} {known})
        """,
    )


def choice(causes: Sequence[Cause]) -> str:
    """One SQL CASE over evidence and notes, in order of precedence. NULL (evidence is missing) proves nothing."""
    arms = "\n".join(f"WHEN ({cause.proof}) THEN {text(cause.name)}" for cause in causes)
    return f"CASE {arms} END"
