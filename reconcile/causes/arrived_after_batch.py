"""The stream has an input record that the batch run did not see."""

from plumbline.reconcile.causes import Cause

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
    story="an input record of this row is archived, but was not yet when the batch run {batch_snapshot_id} read the "
    "archive",
    needs=("lineage", "archive", "batch_runs"),
    remedy="Run the batch reference over the range again: the archive holds these records now.",
    repair="batch",
)  # fmt: skip
