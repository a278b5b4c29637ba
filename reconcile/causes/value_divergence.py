"""Both jobs joined the same records and computed other values."""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="value_divergence",
    precedence=20,
    title="same input records, other values: the two implementations disagree",
    proof="""
        class = 'mismatch' AND same_lineage
        AND coalesce(len(changed_columns), 0) + coalesce(maybe_changed, 0) < len(columns)
    """,
    evidence=(
        "left_topic",
        "left_partition",
        "left_offset",
        "right_topic",
        "right_partition",
        "right_offset",
    ),
    story="both jobs made this row from the same input records and differ in the columns below",
    needs=("lineage",),
    remedy="The two implementations disagree: compare them on one key. A replay would give the same values.",
)
