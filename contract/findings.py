"""The words for what a comparison finds: the classes and causes on which a contract may set limits. Pure names.

`reconcile` owns what they mean; they stand here so that a contract that misspells one is refused when it is read.
"""

from __future__ import annotations

from typing import Literal, get_args

Class = Literal["missing", "extra", "mismatch", "duplicate"]
"""How a key differs."""

CLASSES: tuple[Class, ...] = get_args(Class)

Cause = Literal[
    "duplicate_input",
    "double_commit",
    "schema_change",
    "value_divergence",
    "archive_gap",
    "arrived_after_batch",
    "out_of_contract",
    "quarantined",
    "window_edge",
    "watermark_poisoned",
    "late_left",
    "late_right",
    "reported_late",
    "pending",
    "lost_output",
    "replayed",
    "unexplained",
]
"""Why a row differs, in order of precedence, as `plumbline.reconcile.causes.registry` has them."""

CAUSES: tuple[Cause, ...] = get_args(Cause)

Verdict = Literal["clean", "drift", "incomplete"]
"""What a reconcile comes to."""

LATE = "late"
"""The late causes together."""

LIMITED = (LATE, *CAUSES, *CLASSES)
"""Names that `reconcile.fail_when` may use."""
