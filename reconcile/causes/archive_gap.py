"""The stream joined a record that the archive lacks, so no batch run can: the archiver passed it, or is not there yet.

Offsets that no row names prove nothing: a compacted or transactional topic leaves some out for good reason.
"""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="archive_gap",
    precedence=26,
    title="the archive lacks a record that the stream joined",
    proof="""
        other_lineage AND ((left_gap AND NOT coalesce(left_in_batch_snapshot, false))
            OR (right_gap AND NOT coalesce(right_in_batch_snapshot, false)))
    """,
    evidence=("gap_topic", "gap_partition", "gap_offset", "gap_after", "gap_before"),
    story="{gap_topic} partition {gap_partition} offset {gap_offset} is not in the archive, which {gap_until}: the "
    "stream joined it, the batch never saw it",
    needs=("lineage", "archive"),
    instead=(),
    remedy="Stop the stream, archive the records while the topic holds them, then run the batch reference again: "
    "`archive fill` fills holes, `stream run` archives what lies behind the archive's newest offset.",
    repair="archive",
)  # fmt: skip
