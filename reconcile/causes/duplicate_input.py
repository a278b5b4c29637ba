"""One event was delivered at several coordinates, and the two jobs did not take the same delivery, or took both."""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="duplicate_input",
    precedence=5,
    title="one event delivered more than once, with other values",
    proof="""
        (left_copy_offset IS NOT NULL OR right_copy_offset IS NOT NULL)
        AND ((class = 'mismatch' AND same_lineage AND columns <> ['_event_time'])
             OR (class IN ('duplicate', 'extra') AND stream_copies > 1 AND right_count > left_count))
    """,
    evidence=("left_topic", "left_partition", "left_offset", "left_copy_partition", "left_copy_offset", "right_topic",
              "right_partition", "right_offset", "right_copy_partition", "right_copy_offset"),
    story="an input event of this row was delivered at several places of its topic under one event id, and the stream "
    "did not take the delivery that the batch took, or took both",
    needs=("lineage", "archive"),
    remedy="Name the source's event_id in the contract: then an event delivered twice counts once.",
)  # fmt: skip
