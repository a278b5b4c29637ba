"""What the streaming join and its batch reference both promise. Pure: no pyspark, no Kafka, no I/O but the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contract.loader import load
    from contract.model import Contract
    from contract.ranges import TimeRange

__all__ = ["Contract", "TimeRange", "load"]

_HOMES = {"load": "contract.loader", "Contract": "contract.model", "TimeRange": "contract.ranges"}


def __getattr__(name: str) -> Any:
    """Load on first use: `plumbline --help` must not pay for pydantic."""
    if name not in _HOMES:
        raise AttributeError(f"module 'contract' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
