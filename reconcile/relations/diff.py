"""What a comparison leaves for others."""

from __future__ import annotations

from plumbline.reconcile.relations.relation import Relation

DRIFT = Relation(
    "drift",
    "diff/engine/exact_pass.py",
    "one row per differing key of the last comparison, see `compare`",
    "class VARCHAR, left_count BIGINT, right_count BIGINT, columns VARCHAR[]",
    more="the key columns (see `drift_names`), left_row, right_row, and the carried columns of both sides",
    kind="TEMP VIEW",
)
