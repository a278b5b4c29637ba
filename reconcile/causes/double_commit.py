"""The stream table holds the same joined row more than once."""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="double_commit",
    precedence=10,
    title="written twice: several stream rows with one lineage",
    proof="""
        class IN ('duplicate', 'extra') AND stream_has_left IS NOT NULL
        AND stream_copies > 1 AND right_count > left_count
    """,
    evidence=("left_topic", "left_partition", "left_offset", "right_topic", "right_partition", "right_offset"),
    story="the stream table holds this row {stream_copies} times, all made from the "
    "same input records: an epoch was committed twice, a replay was published over live rows, or a job of your own "
    "makes several rows of one behind its join",
    needs=("lineage",),
    remedy="Replay the range: publishing puts one row in the place of the copies.",
    repair="replay",
)
