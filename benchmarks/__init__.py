"""Measurements behind the numbers in the docs, with the jars of this checkout, unless $PLUMBLINE_JARS says others."""

import os
from pathlib import Path

os.environ.setdefault("PLUMBLINE_JARS", str(Path(__file__).resolve().parents[1] / ".plumbline" / "jars"))
