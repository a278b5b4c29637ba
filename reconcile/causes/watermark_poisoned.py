"""A record was late only because another one, stamped in the future, had lifted the watermark past it."""

from plumbline.reconcile.causes import Cause, late_left, late_right

CAUSE = Cause(
    name="watermark_poisoned",
    precedence=38,
    title="late only because an event from the future had lifted the watermark",
    proof=f"""
        (left_stamped AND ({late_left.CAUSE.proof}))
        OR (right_stamped AND ({late_right.CAUSE.proof}))
    """,
    evidence=("stamp_topic", "stamp_partition", "stamp_offset", "stamp_event_time", "stamp_delivered_at",
              "stamp_ahead_by_ms", "left_topic", "left_partition", "left_offset", "left_event_time", "left_late_by_ms",
              "right_topic", "right_partition", "right_offset", "right_event_time", "right_late_by_ms"),
    story="{stamp_topic} partition {stamp_partition} offset {stamp_offset} says {stamp_event_time}, {stamp_ahead_by} "
    "ahead of its delivery, and lifted the watermark; without such events this row's record was in time",
    needs=("lineage", "archive", "ledger", "rule"),
    instead=("archive", "recomputation"),
    of_batch_row=True,
    without_rule="false",
    remedy="Refuse such events by event_time_within in the contract, then replay the range.",
    repair="replay",
)  # fmt: skip
