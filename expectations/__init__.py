"""One Great Expectations suite made from the contract, run on both output tables."""

from __future__ import annotations

from expectations.run import Outcome, run

__all__ = ["Outcome", "run"]
