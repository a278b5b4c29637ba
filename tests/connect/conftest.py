"""The floor's own fixture: a fresh home."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.connect.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.resolve(tmp_path / "home")
