"""A row joins two events further apart than `within` allows, and yet is there."""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="out_of_contract",
    precedence=34,
    title="joined although the events lie further apart than the contract allows",
    proof="""
        outside_within AND NOT at_bound AND other_lineage
        AND ((batch_has_left AND batch_has_right) OR (stream_has_left AND stream_has_right))
    """,
    evidence=("left_topic", "left_partition", "left_offset", "left_event_time", "right_topic", "right_partition",
              "right_offset", "right_event_time", "batch_present", "stream_present"),
    story="the events at {left_event_time} and {right_event_time} lie further apart than the contract joins",
    needs=("lineage", "archive"),
    remedy="One of the jobs joins what the contract does not allow: compare them on one key.",
)  # fmt: skip
