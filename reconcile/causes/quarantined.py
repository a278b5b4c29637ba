"""A batch row was made from a record that is in quarantine: the stream never took it into the join.

The contract's own reference leaves such records out as the stream does, so this tells of a reference of one's own.
"""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="quarantined",
    precedence=35,
    title="an input record is in quarantine",
    proof="""
        (batch_present AND other_lineage AND NOT stream_holds_row
            AND ((batch_has_left AND left_quarantine IS NOT NULL)
                OR (batch_has_right AND right_quarantine IS NOT NULL)))
        OR (class = 'extra' AND (left_partners_quarantined OR right_partners_quarantined))
    """,
    evidence=("left_topic", "left_partition", "left_offset", "left_quarantine", "right_topic", "right_partition",
              "right_offset", "right_quarantine"),
    story="{quarantined_record} is in quarantine: the batch joined it, the stream never took it in",
    needs=("lineage", "archive", "verdicts"),
    of_batch_row=True,
    remedy="Look at the refused records, and correct them where they are produced.",
    repair="quarantine",
)  # fmt: skip
