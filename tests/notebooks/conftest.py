"""Notebooks run over the tables of reconcile's small world."""

from __future__ import annotations

import sys
from pathlib import Path

