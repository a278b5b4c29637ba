"""How a diff looks in a notebook: two small tables, every value escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from reconcile.engine.compare import CLASSES, Comparison


def page(found: Comparison, drift: Sequence[Mapping[str, Any]]) -> str:
    """The counts, the schema findings and the given drift rows as HTML without style or script."""
    counts = [("left rows", found.left_rows), ("right rows", found.right_rows), *found.counts.items()]
    parts = [_table([name for name, _ in counts], [[f"{value:,}" for _, value in counts]])]
    if found.schema:
        rows = [[f[name] for name in ("column", "finding", "left", "right")] for f in found.schema]
        parts.append(_table(["column", "finding", "left", "right"], rows))
    if drift:
        parts.append(_table(["class", *found.key, "columns", "left", "right"], [_row(found, row) for row in drift]))
    total = sum(found.counts[name] for name in CLASSES)
    if total > len(drift):
        parts.append(f"<p>{len(drift):,} of {total:,} differing keys shown</p>")
    return "<div>" + "".join(parts) + "</div>"


def shown_values(row: Mapping[str, Any], side: str) -> str:
    """What a reader wants to see of one side: the differing columns of a mismatch, else all of them."""
    values = row[f"{side}_row"]
    if values is None:
        return ""
    names = row["columns"] or list(values)
    times = f" ({row[f'{side}_count']:,} rows)" if row[f"{side}_count"] > 1 else ""
    return ", ".join(f"{name}={values[name]}" for name in names) + times


def _row(found: Comparison, row: Mapping[str, Any]) -> list[Any]:
    key = [row[name] for name in found.key]
    return [row["class"], *key, ", ".join(row["columns"]), shown_values(row, "left"), shown_values(row, "right")]


def _table(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{_cells('th', head)}</tr>{body}</table>"


def _cells(tag: str, values: Iterable[Any]) -> str:
    return "".join(f"<{tag}>{escape('' if value is None else str(value))}</{tag}>" for value in values)
