"""The exact model of the join says the stream emitted this very row, and it is not there: data loss."""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="lost_output",
    precedence=70,
    title="lost: the stream must have written this row",
    proof="""
        class = 'missing' AND (
            (left_admitted AND right_admitted AND batch_has_left AND batch_has_right AND NOT stream_has_pair)
            OR (left_kept AND left_admitted AND NOT batch_has_right AND left_closed AND NOT stream_knows_left)
            OR (right_kept AND right_admitted AND NOT batch_has_left AND right_closed AND NOT stream_knows_right)
            OR left_vanished OR right_vanished)
    """,
    evidence=("left_topic", "left_partition", "left_offset", "left_epoch", "right_topic", "right_partition",
              "right_offset", "right_epoch", "closed_until"),
    story="its input records were read in time (the left one in epoch {left_epoch}), so the stream wrote this row, yet "
    "the stream table does not hold it",
    needs=("lineage", "archive", "ledger", "rule", "own_job"),
    without_rule="false",
    remedy="This is data loss. Keep the checkpoint and the job's log for the search, then replay the range.",
    repair="replay",
)  # fmt: skip
