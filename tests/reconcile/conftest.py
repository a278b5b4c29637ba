"""Fixtures of reconcile's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.world import World


@pytest.fixture
def make_world(tmp_path: Path) -> Callable[..., World]:
    """A world in a folder of its own; takes `key` and `kind` of its contract."""
    return lambda **options: World.at(tmp_path, **options)
