"""The year is loaded once for all tests of this folder."""

from __future__ import annotations

from typing import Any

import pytest

from plumbline.demo.flights.loader import Flights, load
from plumbline.demo.flights.source import flights_that_left


@pytest.fixture(scope="session")
def frame() -> Any:
    return flights_that_left()


@pytest.fixture(scope="session")
def year() -> Flights:
    return load()
