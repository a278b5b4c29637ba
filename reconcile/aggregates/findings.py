"""The suspect lines read and judged, some at a time: the findings, each with the sum that explains it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from plumbline.contract.aggregate import WINDOW_END, WINDOW_START
from plumbline.contract.ranges import micros
from plumbline.reconcile.aggregates.gathering import read
from plumbline.reconcile.aggregates.newer_rows import NEW
from plumbline.reconcile.aggregates.numbers import of_value, same
from plumbline.reconcile.aggregates.verdicts import Made, Said, Suspect, judge
from plumbline.reconcile.relations.aggregates import LINES, MADE, PARTS, SUSPECTS

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.views import Opened
    from plumbline.reconcile.relations.relation import Relation

AT_ONCE = 20_000
MATCH = "match"
Row = dict[str, Any]


@dataclass(frozen=True)
class Lost:
    """What one cause took from a line: rows that are gone, left events that came alone in their place, rows that came
    of records which the batch run had not read, and what it takes from each value that is a plain sum or count."""

    gone: int = 0
    alone: int = 0
    came: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def net(self) -> int:
        """By how many rows the stream's line has fewer."""
        return self.gone - self.alone - self.came


@dataclass(frozen=True)
class Finding:
    """A line, with the class of its difference, or `match`. `rows` is how many rows it has in the batch, `stream_rows`
    how many by the ledger."""

    key: Mapping[str, Any]
    kind: str
    said: Said
    batch: Sequence[Row]
    stream: Sequence[Row]
    rows: int
    stream_rows: int
    lost: Mapping[str, Lost]


@dataclass(frozen=True)
class Judged:
    """One suspect: its line, whether or not it differs, and what is said of it."""

    line: Finding

    @property
    def said(self) -> Said:
        """What is said of it."""
        return self.line.said

    @property
    def finding(self) -> Finding | None:
        """The line where it differs by more than rounding."""
        return None if self.line.kind == MATCH or self.said.rounding else self.line


def judged(inputs: Opened, suspects: int, stale: set[int]) -> Iterator[Judged]:
    """Every suspect, judged. `stale` are the starts (us) of windows of which the batch has not read all."""
    for first in range(0, suspects, AT_ONCE):
        some = f"place >= {first} AND place < {first + AT_ONCE}"
        made, parts, lines = (_by_place(inputs, relation, some) for relation in (MADE, PARTS, LINES))
        for place, [key] in _by_place(inputs, SUSPECTS, some).items():
            yield _judged(inputs, key, made[place], parts[place], lines[place], stale)


def _by_place(inputs: Opened, relation: Relation, some: str) -> defaultdict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in (
        inputs.pins.con.sql(f"SELECT * FROM {relation} WHERE {some} ORDER BY place").to_arrow_table().to_pylist()
    ):
        found[row.pop("place")].append(row)
    return found


def _judged(
    inputs: Opened, key: Row, made: Sequence[Row], parts: Sequence[Row], lines: Sequence[Row], stale: set[int]
) -> Judged:
    kind, replayed, begun = key.pop("class"), key.pop("replayed"), key[WINDOW_START]
    sides = {side: [_without_side(line) for line in lines if line["side"] == side] for side in ("batch", "stream")}
    made_of = {row["side"]: row for row in made}
    lost = _lost(inputs, parts)
    batch_made, stream_made = _made(inputs, made_of.get("batch")), _made(inputs, made_of.get("stream"))
    end, of_stale = begun + timedelta(microseconds=inputs.window_us), micros(begun) in stale
    said = judge(
        Suspect(
            kind, end, sides["batch"], sides["stream"], batch_made, stream_made, frozenset(lost), of_stale, replayed
        )
    )
    rows, stream_rows = (0 if found is None else found.rows for found in (batch_made, stream_made))
    return Judged(Finding(key, kind or MATCH, said, sides["batch"], sides["stream"], rows, stream_rows, lost))


def _without_side(line: Row) -> Row:
    return {name: value for name, value in line.items() if name != "side"}


def _made(inputs: Opened, row: Row | None) -> Made | None:
    if row is None:
        return None
    calls, gathered = inputs.aggregate.calls, read(inputs.aggregate, row)
    return Made(row["rows"], {value: of_value(calls[value], gathered[value]) for value in calls})


def _lost(inputs: Opened, parts: Sequence[Row]) -> dict[str, Lost]:
    """Cause to what it took, in the same order each time."""
    by_cause: defaultdict[str, dict[int, Row]] = defaultdict(dict)
    for part in parts:
        by_cause[part["cause"]][part["sign"]] = part
    return {cause: _of_cause(inputs, cause, by_cause[cause]) for cause in sorted(by_cause)}


def _of_cause(inputs: Opened, cause: str, signed: Mapping[int, Row]) -> Lost:
    taken: dict[str, Any] = {}
    gathered = {sign: read(inputs.aggregate, row) for sign, row in signed.items()}
    for value, calls in inputs.aggregate.calls.items():
        if len(calls) > 1 or calls[0].function not in ("count", "sum"):
            continue
        found = {sign: of[value][0] for sign, of in gathered.items()}
        if any(one.size is not None for one in found.values()):
            continue
        amounts = {sign: one.counted if calls[0].function == "count" else one.value or 0 for sign, one in found.items()}
        taken[value] = amounts.get(-1, 0) - amounts.get(1, 0)
    gone, alone = (signed[sign]["rows"] if sign in signed else 0 for sign in (-1, 1))
    return Lost(gone, 0, alone, taken) if cause == NEW else Lost(gone, alone, 0, taken)


def sums(finding: Finding) -> dict[str, dict[str, Any]]:
    """Value to what the batch has, what the stream has, and what each cause took, where that is all.

    Nothing is laid to a cause where the line as a whole is not proven.
    """
    found: dict[str, dict[str, Any]] = {}
    held = (*finding.batch, *finding.stream, {})[0]
    for value in (name for name in held if name != WINDOW_END):
        batch, stream = (lines[0][value] if len(lines) == 1 else None for lines in (finding.batch, finding.stream))
        found[value] = {"batch": batch, "stream": stream}
        proven = finding.lost if finding.said.cause in finding.lost else {}
        taken = {cause: lost.values[value] for cause, lost in proven.items() if lost.values.get(value)}
        numbers = not any(isinstance(one, float | str | bool) for one in (batch, stream))
        if taken and numbers and (batch or 0) - (stream or 0) == sum(taken.values()):
            found[value]["causes"] = taken
    return found


def differing(finding: Finding) -> list[str]:
    """The columns in which two lines differ; none where a table has no line, or several."""
    if finding.kind != "mismatch":
        return []
    batch, stream = finding.batch[0], finding.stream[0]
    return [name for name in batch if not same(batch[name], stream[name])]
