"""What no other cause proves."""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="unexplained",
    precedence=1_000,
    title="unexplained",
    proof="true",
    evidence=("left_topic", "left_partition", "left_offset", "left_event_time", "left_epoch", "left_late_watermark",
              "right_topic", "right_partition", "right_offset", "right_event_time", "right_epoch",
              "right_late_watermark", "columns"),
    story="no cause could be proven from lineage, archive and epoch ledger",
    remedy="Nothing proves these: take one key's story first, before any repair.",
)  # fmt: skip
