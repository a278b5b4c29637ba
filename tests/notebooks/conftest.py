"""Notebooks run over the tables of reconcile's small world."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "reconcile"))
