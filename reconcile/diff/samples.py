"""Some differing keys of each class, as plain values that any JSON reader takes."""

from __future__ import annotations

import math
from typing import Any

from plumbline.connect.sql_quoting import ident, text
from plumbline.reconcile.diff.engine.compare import CLASSES, Comparison
from plumbline.reconcile.relations.diff import DRIFT


def in_order(found: Comparison) -> str:
    """SQL of the order in which drift is listed: by key, or by the rows themselves where there is no key."""
    return ", ".join([*map(ident, found.drift_key or ("left_row", "right_row")), "class"])


def samples_sql(found: Comparison, limit: int) -> str:
    """The first `limit` drift rows of each class: each a sort that keeps no more than those."""
    order = in_order(found)
    classes = (f"(FROM {DRIFT} WHERE class = {text(name)} ORDER BY {order} LIMIT {limit})" for name in CLASSES)
    return " UNION ALL ".join(classes)


def plain_json(value: Any) -> Any:
    """The value without what JSON has no word for: NaN and infinities become text, bytes become hex digits."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(name): plain_json(item) for name, item in value.items()}
    return [plain_json(item) for item in value] if isinstance(value, (list, tuple)) else value
