"""The right record came behind the watermark and was dropped, so the left row went without it.

It shows as a mismatch (the stream emitted the left row unmatched), as missing (the left row has other matches, or the
join is inner), or as an extra unmatched row (the output key holds a right column).
"""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="late_right",
    precedence=50,
    title="the right record was late and dropped",
    proof="""
        (batch_has_right AND other_lineage AND right_late AND NOT stream_holds_row
            AND left_admitted AND left_final AND NOT coalesce(left_vanished, false))
        OR (batch_has_right AND NOT batch_has_left AND other_lineage AND right_late AND NOT stream_holds_row)
        OR (class = 'extra' AND NOT stream_has_right AND left_alone AND left_admitted)
    """,
    evidence=("right_topic", "right_partition", "right_offset", "right_event_time", "right_epoch",
              "right_late_watermark", "right_late_by_ms"),
    story="{right_topic} partition {right_partition} offset {right_offset}, event time {right_event_time}, was read in "
    "epoch {right_epoch} behind its late watermark {right_late_watermark}, by {right_late_by}, and dropped",
    needs=("lineage", "archive", "ledger", "rule"),
    instead=("archive", "recomputation"),
    of_batch_row=True,
    without_rule="false",
    remedy="Replay the range; if it comes back, a longer watermark loses fewer rows.",
    repair="replay",
)  # fmt: skip
