"""A team's own job says that it dropped the record as late, and neither archive, table nor ledger speaks against it.

Where the job also says which offsets its reports cover, its ledger is made of them, and `late_left` and `late_right`
are proven instead. A left record may be padded: written at once without its match. That a right record was dropped says
nothing of its left one's unmatched row: where that is to come, the stream must have a row of the left one.
"""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="reported_late",
    precedence=55,
    title="the job reported an input record as late",
    proof="""
        (batch_has_left AND other_lineage AND left_dropped AND NOT stream_knows_left AND NOT stream_holds_row
            AND (NOT batch_has_right OR NOT right_kept OR stream_knows_right OR right_dropped))
        OR (batch_has_left AND batch_has_right AND other_lineage AND left_padded AND stream_knows_left
            AND NOT stream_matched_left AND NOT stream_holds_row)
        OR (batch_has_right AND other_lineage AND right_dropped AND NOT stream_knows_right AND NOT stream_holds_row
            AND (NOT batch_has_left OR NOT left_kept OR stream_knows_left))
        OR (class = 'extra' AND stream_has_left AND NOT stream_has_right AND NOT stream_matched_left
            AND (left_partners_dropped OR (left_padded AND left_partners_late IS NOT NULL)))
        OR (class = 'extra' AND stream_has_right AND NOT stream_has_left AND NOT stream_matched_right
            AND right_partners_dropped)
    """,
    evidence=("left_topic", "left_partition", "left_offset", "left_event_time", "right_topic", "right_partition",
              "right_offset", "right_event_time", "reported_record"),
    story="the job reported that it dropped {reported_record}",
    needs=("lineage", "archive", "reports"),
    without_rule="false",
    remedy="Replay the range; if it comes back, a longer watermark loses fewer rows.",
    repair="replay",
)  # fmt: skip
