"""The stream table of a team's own job, shown under our names: the one place where `job:` maps its columns."""

from __future__ import annotations

from collections.abc import Mapping

from plumbline.connect.sql_quoting import ident
from plumbline.contract.errors import ContractError
from plumbline.contract.lineage import EVENT_TIME, LEFT_OFFSET, RIGHT_OFFSET
from plumbline.contract.model import Contract

TIMES, PLACES = ("timestamptz", "timestamp"), ("long", "int")
"""Iceberg types that an event time, and a partition or an offset, may have."""
KINDS = {"TIMESTAMPTZ": "timestamptz", "BIGINT": "long", "INTEGER": "int"}


def their_columns(contract: Contract, table: str, kinds: Mapping[str, str]) -> dict[str, str]:
    """Our lineage column to the column of `table` that holds it; empty for every table but the one of their job.

    `kinds` are the table's columns with their Iceberg types. Raises ContractError for one that the table lacks, or that
    cannot hold what the contract says.
    """
    if contract.job is None or table != contract.output.stream_table:
        return {}
    for ours, theirs in contract.job.columns.items():
        wanted = TIMES if ours == EVENT_TIME else PLACES
        part = "event_time" if ours == EVENT_TIME else "lineage"
        if theirs not in kinds:
            what = f"job.{part} names column {theirs!r}, which {table} does not have"
            step = f"name one of its columns: {', '.join(name for name, kind in kinds.items() if kind in wanted)}"
        elif kinds[theirs] not in wanted:
            what = f"job.{part} names column {theirs!r} of {table}, which is {kinds[theirs]}"
            step = f"it must be {' or '.join(wanted)}; name another column, or let the job write it so"
        else:
            continue
        raise ContractError(what, where=contract.place(("job", part)) or f"job.{part}", next_step=step)
    return dict(contract.job.columns)


def our_types(theirs: Mapping[str, str]) -> dict[str, str]:
    """The Iceberg types under which the mapped columns are shown, as our own jobs have them."""
    return {ours: KINDS[_kind(ours)] for ours in theirs}


def under_our_names(view: str, theirs: Mapping[str, str], has: Mapping[str, str]) -> str:
    """SQL over `view` with the mapped columns under our names too; `has` are the columns of the view.

    Coordinates come as the types that our jobs give them.
    """
    instead = [ours for ours in theirs if ours in has and theirs[ours] != ours]
    left_out = f" EXCLUDE ({', '.join(map(ident, instead))})" if instead else ""
    named = ", ".join(f"{_cast(ours, name)} AS {ident(ours)}" for ours, name in theirs.items() if ours != name)
    return f"SELECT *{left_out}{', ' if named else ''}{named} FROM {ident(view)}"


def _cast(ours: str, name: str) -> str:
    return f"CAST({ident(name)} AS {_kind(ours)})"


def _kind(ours: str) -> str:
    return "TIMESTAMPTZ" if ours == EVENT_TIME else "BIGINT" if ours in (LEFT_OFFSET, RIGHT_OFFSET) else "INTEGER"
