"""Compare the stream's table with the batch's, name the cause of each difference, keep the books.

`reconcile.diff(left, right, key=[...])` compares any two tables and returns a `reconcile.Diff`.
`reconcile.reconcile(contract, home, time_range)` compares both outputs of a contract and returns a `reconcile.Run`;
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconcile.difference import Diff as Diff
    from reconcile.difference import diff as diff
    from reconcile.run import Run as Run
    from reconcile.run import reconcile as reconcile

_PUBLIC = {
    "Diff": "reconcile.difference",
    "diff": "reconcile.difference",
    "Run": "reconcile.run",
    "reconcile": "reconcile.run",
}
__all__ = ["Diff", "Run", "diff", "reconcile"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: importing `reconcile` itself costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'reconcile' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)
