"""PyIceberg's residuals of a filter, for files whose partition value is NULL."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

COMPARISONS = ("less_than", "less_than_or_equal", "greater_than", "greater_than_or_equal")


def compare_null_as_sql() -> None:
    """Let PyIceberg plan any range over a table that has a partition NULL; doing it again changes nothing.

    Up to 0.12.0 its ResidualVisitor compares the partition value of every file with the filter's bound, and a scan
    ends with a bare TypeError at the first one that is NULL: such as the archive's, with one record without event time.
    In SQL, and in Iceberg's own evaluator (Java: Evaluator, EvalVisitor), a comparison with NULL is not true.
    """
    from pyiceberg.expressions.visitors import ResidualVisitor

    for name in COMPARISONS:
        method = getattr(ResidualVisitor, f"visit_{name}")
        if not hasattr(method, "__wrapped__"):
            setattr(ResidualVisitor, f"visit_{name}", _false_for_null(method))


def _false_for_null(compared: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(compared)
    def visit(self: Any, term: Any, literal: Any) -> Any:
        return self.visit_false() if term.eval(self.struct) is None else compared(self, term, literal)

    return visit
