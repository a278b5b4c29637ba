"""The snapshot that a user means: an id, a tag, a branch, or a moment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from plumbline.contract.errors import UsageError
from plumbline.contract.ranges import micros, spell_time

if TYPE_CHECKING:
    from pyiceberg.table import Table


def named(table: Table, name: str, wanted: str | None) -> int | None:
    """The id behind an id, tag or branch; None for None. Raises UsageError for what is none of them."""
    refs = table.metadata.refs
    if wanted is None:
        return None
    if wanted in refs:
        return int(refs[wanted].snapshot_id)
    if wanted.isdecimal():
        return int(wanted)
    raise UsageError(
        f"{wanted!r} is not a snapshot, tag or branch of {name}",
        where=name,
        next_step=f"use a snapshot id or one of {', '.join(sorted(refs)) or 'no names'}",
    )


def at(table: Table, name: str, moment: datetime) -> int:
    """The snapshot that was current at the moment. Raises UsageError when none is known."""
    found = table.snapshot_as_of_timestamp(micros(moment) // 1000, inclusive=True)
    if found is None:
        raise UsageError(
            f"no snapshot of {name} is known that was current at {spell_time(moment)}",
            where=name,
            next_step="give a later time with --at: earlier snapshots may have expired",
        )
    return int(found.snapshot_id)
