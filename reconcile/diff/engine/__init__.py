"""The keyed diff of two DuckDB relations in bounded memory: `compare` and what it returns."""

from plumbline.reconcile.diff.engine.compare import Comparison, compare
from plumbline.reconcile.diff.engine.relation import Relation, describe

__all__ = ["Comparison", "Relation", "compare", "describe"]
