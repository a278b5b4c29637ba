"""A diff on a terminal: the schemas first, then counts, columns and some differing keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.reconcile.diff.fail_if import SCHEMA
from plumbline.reconcile.diff.html import shown_values, told

if TYPE_CHECKING:
    from rich.console import Console

    from plumbline.reconcile.diff.diff import Diff
    from plumbline.reconcile.diff.engine.compare import Comparison


def show(found: Diff, samples: Sequence[Mapping[str, Any]], out: Path | None, console: Console) -> None:
    """Schema findings, counts, columns and the given drift rows, as a readable page."""
    figures, counts = found.comparison, found.comparison.counts
    console.print("clean" if found.clean else "the two sides differ")
    for finding in figures.schema:
        console.print(f"  schema: {_spelled(finding)}")
    console.print(f"  A {figures.left_rows:>14,} rows")
    console.print(f"  B {figures.right_rows:>14,} rows")
    for name, what in _CLASSES.items():
        if figures.key or name != "mismatch":
            console.print(f"  {name:<10} {counts[name]:>10,}  {what if figures.key else _WHOLE.get(name, what)}")
    if figures.repeated_keys:
        console.print(f"  note: {figures.repeated_keys:,} {_unit(figures)} occur more than once on a side")
    _show_columns(figures, console)
    _show_samples(figures, samples, console)
    for alert in found.alerts:
        console.print(f"limit: {printable(alert['name'])} {alert['limit']}: {alert['count']:,}{_of(alert)}")
    if found.within_limits and not found.clean:
        console.print("within all limits of --fail-if")
    if out is not None:
        console.print(f"differing {_unit(figures)} written to {out}")


def _of(alert: Mapping[str, Any]) -> str:
    return "" if alert["name"] == SCHEMA else f" of {alert['of']:,} rows"


_CLASSES = {
    "match": "rows of A that B has too",
    "mismatch": "keys with other values",
    "missing": "keys only in A",
    "extra": "keys only in B",
    "duplicate": "keys with several rows, not the same on both sides",
}
_WHOLE = {
    "missing": "rows only in A",
    "extra": "rows only in B",
    "duplicate": "rows that occur another number of times",
}
_FINDINGS = {
    "only_left": "is only in A ({left})",
    "only_right": "is only in B ({right})",
    "incomparable": "was not compared: {left} in A, {right} in B",
    "fields": "has fields on one side only, which were not compared: {left} in A, {right} in B",
    "time_zone": "has a time zone on one side only, taken as UTC: {left} in A, {right} in B",
    "decimal_scale": "has another scale, compared by value: {left} in A, {right} in B",
    "type": "has another type, compared by value: {left} in A, {right} in B",
}


def _unit(figures: Comparison) -> str:
    return "keys" if figures.key else "rows"


def _spelled(finding: Mapping[str, str | None]) -> str:
    return printable(finding["column"]) + " " + _FINDINGS[str(finding["finding"])].format_map(finding)


def _show_columns(figures: Comparison, console: Console) -> None:
    columns = figures.by_column()
    for name, column in columns.items():
        if column["mismatches"]:
            largest = column["largest_difference"]
            apart = "" if largest is None else f", by {largest:,g} at most"
            console.print(
                f"  column {printable(name)}: {_differ(column['mismatches'])}{apart}; {column['matches']:,} agree"
            )
    agreeing = sum(not column["mismatches"] for column in columns.values())
    if agreeing and len(columns) > agreeing:
        console.print("  the other column agrees" if agreeing == 1 else f"  the other {agreeing:,} columns agree")


def _differ(keys: float) -> str:
    return "1 key differs" if keys == 1 else f"{keys:,} keys differ"


def _show_samples(figures: Comparison, samples: Sequence[Mapping[str, Any]], console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    if not samples:
        return
    table = Table(title=f"first differing {_unit(figures)} of each class", title_justify="left")
    for name in ("class", *figures.key, "A", "B"):
        table.add_column(Text(printable(name)))
    for row in samples:
        cells = [row["class"], *(told(row[name]) for name in figures.drift_key)]
        cells += [shown_values(row, "left"), shown_values(row, "right")]
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)


def printable(value: Any) -> str:
    """A value without characters that would steer the terminal, shortened."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
    return shown if len(shown) <= 120 else shown[:119] + "…"
