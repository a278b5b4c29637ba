"""Values of an aggregate for readers: a float with as many digits as a reader needs to see what differs. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

DIGITS = 6
"""Of a floating-point number, where no more are needed to tell it from the other side's."""
ALL_DIGITS = 17
"""Which two different doubles never share."""


def spelled(value: Any) -> str:
    """A value as it is."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else str(value)


def both(batch: Any, stream: Any) -> tuple[str, str]:
    """The values of both sides: floats rounded alike, to DIGITS, or to as many as tell them apart."""
    for digits in range(DIGITS, ALL_DIGITS):
        told = _rounded(batch, digits), _rounded(stream, digits)
        if (told[0] == told[1]) == (batch == stream):
            return told
    return spelled(batch), spelled(stream)


def apart(batch: Any, stream: Any) -> str:
    """By how much the stream's number is greater (`+3`) or less (`−3`); empty where nothing is to be said."""
    numbers = _number(batch), _number(stream)
    if numbers[0] is None or numbers[1] is None or batch == stream:
        return ""
    difference = numbers[1] - numbers[0]
    if difference == difference.to_integral_value() and not isinstance(batch, float):
        size = f"{abs(int(difference)):,}"
    else:
        size = f"{abs(float(difference)):.4g}" if isinstance(batch, float) else f"{abs(difference):,f}"
    return f"{'−' if difference < 0 else '+'}{size}"


def _rounded(value: Any, digits: int) -> str:
    if not isinstance(value, float):
        return spelled(value)
    return f"{value:,.0f}" if 10**digits <= abs(value) < 10**15 else f"{value:.{digits}g}"


def _number(value: Any) -> Decimal | None:
    """A number, or the text of a decimal; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, float) and not isfinite(value):
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None
