"""What is said of one suspect line: its class is proven, has a cause, or is unexplained. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from plumbline.contract.aggregate import WINDOW_END
from plumbline.contract.findings import CAUSES
from plumbline.reconcile.aggregates.newer_rows import NEW
from plumbline.reconcile.aggregates.numbers import Expected, agrees

UNSEEN = "unseen"
PENDING = "pending"
Line = Mapping[str, Any]
"""Column to value: `window_end`, and the values."""


@dataclass(frozen=True)
class Made:
    """What a line must be by some joined rows: how many they are, and each value."""

    rows: int
    values: Mapping[str, Expected]


@dataclass(frozen=True)
class Suspect:
    """One key: its lines in both tables, and what they must be by the rows; None where no row is left.

    `kind` is the class of its difference, None where the comparison found none. `lost` are the causes of the rows that
    the stream did not make. `stale`: the batch run has not read all that the stream has. `replayed`: a replay has put
    the stream's line there, so that what the ledger says was dropped may be in it.
    """

    kind: str | None
    window_end: datetime
    batch: Sequence[Line]
    stream: Sequence[Line]
    batch_made: Made | None
    stream_made: Made | None
    lost: frozenset[str] = field(default_factory=frozenset)
    stale: bool = False
    replayed: bool = False


@dataclass(frozen=True)
class Said:
    """The cause of a difference, or None without one: the line is equal, but for rounding if `rounding`.

    `apart`: the batch table's own line is not what its rows come to. `contradicted`: both tables agree, and yet the
    ledger says that the stream's line is another one. `stale`: not told, as the batch run is older than the stream; of
    equal lines, that newer records should have made the stream's another one.
    """

    cause: str | None = None
    rounding: bool = False
    apart: bool = False
    contradicted: bool = False
    stale: bool = False


def judge(suspect: Suspect) -> Said:
    """What is said of it. A cause is named where the numbers that it leaves are the stream's, and no other one is."""
    apart = not _holds(suspect, suspect.batch, suspect.batch_made)
    proven = _holds(suspect, suspect.stream, suspect.stream_made)
    if suspect.kind is None:
        sure = not (proven or apart or suspect.replayed)
        return Said(apart=apart, contradicted=sure and not suspect.stale, stale=sure and NEW in suspect.lost)
    if apart:
        return Said("unexplained", apart=True)
    if suspect.replayed and _holds(suspect, suspect.stream, suspect.batch_made):
        return Said(rounding=True)
    if not proven and suspect.stale:
        return Said(PENDING, stale=True)
    if UNSEEN in suspect.lost:
        return Said("unexplained")
    if proven and not suspect.lost:
        return Said(rounding=True)
    return Said(_named(suspect.lost) if proven else _of_unproven(suspect))


def _holds(suspect: Suspect, lines: Sequence[Line], made: Made | None) -> bool:
    """Whether the table has exactly the line that the rows make."""
    return len(lines) == (made is not None) and all(_is(suspect, line, made) for line in lines)


def _is(suspect: Suspect, line: Line, made: Made | None) -> bool:
    if made is None or line[WINDOW_END] != suspect.window_end:
        return False
    return all(agrees(made.values[name], held) for name, held in line.items() if name != WINDOW_END)


def _named(lost: frozenset[str]) -> str:
    """The first of the causes. What is not read yet decides nothing before it is."""
    return PENDING if PENDING in lost else min(lost, key=lambda cause: CAUSES.index(cause))


def _of_unproven(suspect: Suspect) -> str:
    """A line that the stream wrote several times, each time as it must be, or lost; else nothing explains it."""
    if PENDING in suspect.lost:
        return "unexplained"
    if len(suspect.stream) > 1 and all(_is(suspect, line, suspect.stream_made) for line in suspect.stream):
        return "double_commit"
    return "lost_output" if not suspect.stream and suspect.stream_made is not None else "unexplained"
