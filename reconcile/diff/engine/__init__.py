"""The keyed diff of two DuckDB relations in bounded memory: `compare` and what it returns."""

from plumbline.reconcile.diff.engine.compare import Comparison, compare
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.diff.engine.side_view import SideView, describe

__all__ = ["Comparison", "Rules", "SideView", "compare", "describe"]
