"""What two sides are compared by: which columns, what is forgiven, what comes along, what is shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from plumbline.contract.equality import Tolerance
from plumbline.reconcile.diff.engine.canonical import Form


@dataclass(frozen=True)
class Rules:
    """`columns` are compared (None: all) but for those in `ignore`; `tolerances` maps columns to what is forgiven.

    `carry` columns are not compared but come along with the rows that differ. `masks` has the forms in which columns
    are shown.
    """

    columns: Sequence[str] | None = None
    ignore: Collection[str] = ()
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    carry: Sequence[str] = ()
    masks: Mapping[str, Form] = field(default_factory=dict)

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that a user names, which some side must have."""
        return (*(self.columns or ()), *self.ignore, *self.tolerances, *self.masks)
