"""How a diff looks in a notebook: some small tables, the schemas first, every value escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plumbline.reconcile.diff.engine.compare import CLASSES, Comparison
from plumbline.reconcile.report.notebook_card import Grid, card


def page(found: Comparison, drift: Sequence[Mapping[str, Any]]) -> str:
    """Schema findings, counts, differing columns and the given drift rows as HTML, every value escaped."""
    grids = []
    if found.schema:
        rows = [[f[name] for name in ("column", "finding", "left", "right")] for f in found.schema]
        grids.append(Grid("Schema findings", ("column", "finding", "left", "right"), rows))
    counts = [("left rows", found.left_rows), ("right rows", found.right_rows), *found.counts.items()]
    grids.append(Grid("Rows", [name for name, _ in counts], [[f"{value:,}" for _, value in counts]]))
    columns = [[name, *figures.values()] for name, figures in found.by_column().items() if figures["mismatches"]]
    if columns:
        grids.append(Grid("Columns", ("column", "agree", "differ", "largest difference"), columns))
    total = sum(found.counts[name] for name in CLASSES)
    if drift:
        caption = f"{len(drift):,} of {total:,} differing keys"
        head = ("class", *found.key, "columns", "left", "right")
        grids.append(Grid(caption, head, [_row(found, row) for row in drift]))
    headline = "Both sides agree" if found.clean else f"{total:,} differing keys"
    return card(headline, grids, state="clean" if found.clean else "drift")


def shown_values(row: Mapping[str, Any], side: str) -> str:
    """What a reader wants to see of one side: the differing columns of a mismatch, else all of them."""
    values = row[f"{side}_row"]
    if values is None:
        return ""
    names = row["columns"] or list(values)
    times = f"{row[f'{side}_count']:,} rows, one: " if row[f"{side}_count"] > 1 else ""
    return times + ", ".join(f"{name}={told(values[name])}" for name in names)


def told(value: Any) -> str:
    """A value as a reader can tell it from others: NULL from a text, blanks and nothing in quotes."""
    unseen = isinstance(value, str) and (value != value.strip() or value in ("", "NULL"))
    return "NULL" if value is None else repr(value) if unseen else str(value)


def _row(found: Comparison, row: Mapping[str, Any]) -> list[Any]:
    key = [None if row[name] is None else str(row[name]) for name in found.drift_key]
    return [row["class"], *key, ", ".join(row["columns"]), shown_values(row, "left"), shown_values(row, "right")]
