"""One table's row was written before a column was added or widened, and differs from the other's in nothing else."""

from plumbline.reconcile.causes import Cause

CAUSE = Cause(
    name="schema_change",
    precedence=15,
    title="a column was added or widened between the two rows",
    proof="class = 'mismatch' AND same_lineage AND len(changed_columns) = len(columns)",
    evidence=("columns", "changed_columns", "left_epoch", "right_epoch"),
    story="one of the two rows was made before a column changed, and holds its value in the earlier form: "
    "{changed_columns}",
    needs=("lineage", "ledger", "batch_runs"),
    remedy="Replay the range: its rows then hold the columns in their present form.",
    repair="replay",
)
