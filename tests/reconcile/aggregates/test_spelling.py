"""How values of an aggregate are shown: short, but never alike where they differ."""

from __future__ import annotations

from math import inf, nan, nextafter
from typing import Any

import pytest

from plumbline.reconcile.aggregates.spelling import apart, both


@pytest.mark.parametrize(
    ("batch", "stream", "shown", "difference"),
    [
        (812, 803, ("812", "803"), "−9"),
        (1_234_567, 1_234_568, ("1,234,567", "1,234,568"), "+1"),
        (10.475806451612904, 2.413793103448276, ("10.4758", "2.41379"), "−8.062"),
        (7.000000001, 7.000000002, ("7.000000001", "7.000000002"), "+1e-09"),
        (1234567.5, 1234568.25, ("1,234,568", "1,234,568.25"), None),
        (0.5, nextafter(0.5, 1), ("0.5", "0.5000000000000001"), "+1.11e-16"),
        (2.5, 2.5, ("2.5", "2.5"), ""),
        (2.5, None, ("2.5", "NULL"), ""),
        ("12.50", "9.00", ("12.50", "9.00"), "−3.50"),
        ("abc", "abd", ("abc", "abd"), ""),
        (True, False, ("true", "false"), ""),
        (1.5, inf, ("1.5", "inf"), ""),
        (1.5, nan, ("1.5", "nan"), ""),
    ],
)
def test_both_sides(batch: Any, stream: Any, shown: tuple[str, str], difference: str | None) -> None:
    told = both(batch, stream)
    assert (told[0] == told[1]) == (batch == stream)
    if difference is not None:
        assert told == shown
        assert apart(batch, stream) == difference
