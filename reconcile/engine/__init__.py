"""The keyed diff of two DuckDB relations in bounded memory: `compare` and what it returns."""

from reconcile.engine.compare import Comparison, compare
from reconcile.engine.sides import Relation, describe

__all__ = ["Comparison", "Relation", "compare", "describe"]
