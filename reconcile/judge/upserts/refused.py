"""Options of a comparison that are for tables with all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.errors import UsageError
from plumbline.contract.reduce import place_of
from plumbline.contract.upsert import MODE

if TYPE_CHECKING:
    from plumbline.contract.model import Contract


def refuse_of_upserts(contract: Contract, **options: bool) -> None:
    """Raise UsageError for an option that is given with a contract whose tables hold the newest row per key, or that
    reduces a source."""
    given = next((name for name, said in options.items() if said), None)
    if given is not None and contract.reduces:
        raise UsageError(
            f"--{given} is not built for a contract with a source that has reduce",
            where=contract.place(place_of(contract)),
            next_step="leave it out",
        )
    if given is not None and contract.output.is_upsert:
        raise UsageError(
            f"--{given} is for tables that are appended to",
            where=contract.place(MODE),
            next_step="leave it out, or write output.mode: append",
        )
