"""A replay brought the stream's row, and nothing sharper explains why it is not the batch's."""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="replayed",
    precedence=90,
    title="brought by a replay, and not as the batch has it",
    proof="stream_present AND replay_id IS NOT NULL",
    evidence=("replay_id", "left_topic", "left_partition", "left_offset", "right_topic", "right_partition",
              "right_offset"),
    story="replay {replay_id} published this row; compare its audit with the batch run",
    remedy="Run the batch reference over the range again, and hold the replay's audit against it.",
    repair="batch",
)  # fmt: skip
