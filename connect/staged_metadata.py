"""PyIceberg's look at a table as a transaction will leave it, made once for each change."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyiceberg.table import Transaction
    from pyiceberg.table.metadata import TableMetadata


def stage_once() -> None:
    """Let each PyIceberg transaction remember the metadata that it stages; doing it again changes nothing.

    Up to 0.12.0 each look at `Transaction.table_metadata` applies all changes anew and copies all of the metadata, its
    snapshots included: an append looks twelve times. Nothing that is looked at is changed in place.
    """
    from pyiceberg.table import Transaction

    staged: Any = Transaction.table_metadata
    if not hasattr(staged.fget, "__wrapped__"):
        Transaction.table_metadata = property(_remembered(staged.fget))  # type: ignore[method-assign, assignment]


def _remembered(staged: Callable[[Transaction], TableMetadata]) -> Callable[[Transaction], TableMetadata]:
    @wraps(staged)
    def looked(self: Transaction) -> TableMetadata:
        # Both are replaced and never changed in place: the table's metadata by a refresh, the updates by a new one.
        base, updates, known = getattr(self, "_plumbline_staged", (None, None, None))
        if known is None or base is not self._table.metadata or updates is not self._updates:
            base, updates, known = self._table.metadata, self._updates, staged(self)
            self._plumbline_staged = base, updates, known  # type: ignore[attr-defined]
        return known

    return looked
