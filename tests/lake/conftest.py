"""Tests on real servers: `make test-lake` brings these and runs them; `make test` leaves them out."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("PLUMBLINE_TEST_LAKE") == "1" else ["test_*.py"]
