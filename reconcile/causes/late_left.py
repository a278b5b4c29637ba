"""The left record came behind the watermark and was dropped, so the right row went without it where its kind keeps it.

Then it shows as a mismatch, or as missing beside an extra row without a left side. A team's own job may pad it, that
is write it without a match: then its row must be there.
"""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="late_left",
    precedence=40,
    title="the left record was late and dropped",
    proof="""
        (batch_has_left AND other_lineage AND left_late AND NOT stream_holds_row
            AND (NOT batch_has_right OR coalesce(right_decided, true)) AND NOT coalesce(right_vanished, false)
            AND (NOT coalesce(left_padded, false) OR (batch_has_right AND stream_knows_left)))
        OR (class = 'extra' AND NOT stream_has_left AND right_alone AND right_admitted)
    """,
    evidence=("left_topic", "left_partition", "left_offset", "left_event_time", "left_epoch", "left_late_watermark",
              "left_late_by_ms"),
    story="{left_topic} partition {left_partition} offset {left_offset}, event time {left_event_time}, was read in "
    "epoch {left_epoch} behind its late watermark {left_late_watermark}, by {left_late_by}, and dropped",
    needs=("lineage", "archive", "ledger", "rule"),
    instead=("archive", "recomputation"),
    of_batch_row=True,
    without_rule="false",
    remedy="Replay the range; if it comes back, a longer watermark loses fewer rows.",
    repair="replay",
)  # fmt: skip
