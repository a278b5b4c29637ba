"""Great Expectations suites made from the contract, run on its sources, its outputs and a replay's staging table."""

from __future__ import annotations

from plumbline.expectations.run import Outcome, check_staging, run

__all__ = ["Outcome", "check_staging", "run"]
