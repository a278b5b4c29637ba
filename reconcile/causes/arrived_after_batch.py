"""The stream knows an input record that the batch run had not seen."""

from reconcile.causes import Cause

CAUSE = Cause(
    name="arrived_after_batch",
    precedence=30,
    title="arrived after the batch run read the archive",
    proof="""
        other_lineage AND (
            (left_in_batch_snapshot = false AND NOT coalesce(batch_has_left, false))
            OR (right_in_batch_snapshot = false AND NOT coalesce(batch_has_right, false)))
    """,
    evidence=("left_topic", "left_partition", "left_offset", "right_topic", "right_partition", "right_offset",
              "left_in_batch_snapshot", "right_in_batch_snapshot", "batch_snapshot_id"),
    story="an input record of this row was not yet in the archive when the batch run {batch_snapshot_id} read it",
    needs=("lineage", "archive", "batch_runs"),
    remedy="Run the batch reference over the range again: it had not seen these records. What the archive does not "
    "hold yet `plumbline stream run` archives first.",
    repair="batch",
)  # fmt: skip
