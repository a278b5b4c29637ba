"""Only one table has the pair, and it lies within a millisecond of a bound of `within`: there jobs count differently.

The grey zone: who is right is not guessed. The contract's own jobs take both bounds in, to the microsecond.
"""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="window_edge",
    precedence=36,
    title="a pair at the very bound of the window, which only one table has",
    proof="""
        at_bound AND other_lineage AND held_by IS NULL AND (
            (stream_has_left AND stream_has_right AND NOT coalesce(batch_has_left AND batch_has_right, false))
            OR (left_admitted AND right_admitted AND NOT stream_holds_row
                AND (stream_knows_left OR stream_knows_right)))
    """,
    evidence=("left_topic", "left_partition", "left_offset", "left_event_time", "right_topic", "right_partition",
              "right_offset", "right_event_time"),
    story="the events at {left_event_time} and {right_event_time} lie at the bound of the window, and only one job "
    "joined them",
    needs=("lineage", "archive"),
    without_rule="""
        at_bound AND other_lineage AND stream_has_left AND stream_has_right
            AND NOT coalesce(batch_has_left AND batch_has_right, false)
    """,
    remedy="The two jobs treat the bound of the window in different ways: compare them on one key.",
)  # fmt: skip
