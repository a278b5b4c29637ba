"""Nothing can be said yet: the stream has not closed this row's window, an operator behind the join may hold it back,
or the batch has not run over its partners."""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="pending",
    precedence=60,
    title="the stream's window is still open",
    proof="""
        (batch_present AND other_lineage AND NOT stream_holds_row
        AND (NOT left_read
             OR (batch_has_right AND NOT right_read)
             OR (left_admitted AND NOT left_closed AND NOT coalesce(left_final, false)
                 AND (NOT batch_has_right OR right_late))
             OR (right_admitted AND NOT right_closed AND NOT coalesce(right_final, false)
                 AND (NOT batch_has_left OR left_late))))
        OR held_by IS NOT NULL
        OR beyond_batch
    """,
    evidence=("event_time", "closed_until", "left_read", "right_read", "held_by"),
    story="the stream has closed windows of left events up to {closed_until}; this row's, at {event_time}, is open, "
    "an input record is not read yet, or the batch has not run over all that could match it",
    is_drift=False,
    needs=("lineage", "archive", "ledger", "rule", "closing"),
    instead=("archive", "recomputation"),
    of_batch_row=True,
    without_rule="""
        (batch_present AND other_lineage AND NOT stream_holds_row
            AND (NOT left_read OR (batch_has_right AND NOT right_read))) OR beyond_batch
    """,
    remedy="Nothing: compare again when the stream has closed these windows.",
    repair="wait",
)
