"""Bounds and sets are held to what a column holds: no integer and no decimal is rounded to a double on the way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.contract.errors import ContractError
from plumbline.contract.loader import parse
from plumbline.expectations.range_rules import proportion
from plumbline.expectations.run import run
from tests.support.shop_rows import CONTRACT, SCHEMA, Fill, good

TOP = 2**53
KINDS = {
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "decimal(20, 2)": pa.decimal128(20, 2),
    "decimal(38, 20)": pa.decimal128(38, 20),
}
INSIDE = [
    ("long", f"between: {{price: [0, {TOP + 1}]}}", TOP + 1),
    ("long", f"between: {{price: [{TOP + 1}, null]}}", TOP + 1),
    ("long", f"between: {{price: [{-TOP - 1}, null]}}", -TOP - 1),
    ("long", "between: {price: [-0.5, 1.0e+30]}", 2**63 - 1),
    ("long", "between: {price: [-.inf, .inf]}", -(2**63)),
    ("long", f"between: {{price: [null, {10**50}]}}", 2**63 - 1),
    ("long", f"in_set: {{price: [1, 1.0e-05, {TOP + 1}]}}", TOP + 1),
    ("int", "in_set: {price: [1.0, 7]}", 1),
    ("decimal(20, 2)", "between: {price: [0.1, 0.3]}", Decimal("0.30")),
    ("decimal(20, 2)", "between: {price: [0.101, 0.119]}", Decimal("0.11")),
    ("decimal(20, 2)", f"between: {{price: [{TOP + 1}, {10**60}]}}", Decimal(TOP + 1)),
    ("decimal(20, 2)", "in_set: {price: [0.3, 1.0e-05]}", Decimal("0.30")),
    ("decimal(38, 20)", "between: {price: [-123456789012345678901234567890, 0.1]}", Decimal("0.1")),
    ("float", "in_set: {price: [0.1, 1]}", 0.1),
    ("double", "between: {price: [0.1, 0.3]}", 0.3),
    ("double", f"between: {{price: [null, {10**300}]}}", 1e299),
    ("double", "in_set: {price: [0.3, 1]}", 0.3),
]
OUTSIDE = [
    ("long", f"between: {{price: [0, {TOP}]}}", TOP + 1),
    ("long", f"between: {{price: [{-TOP}, null]}}", -TOP - 1),
    ("long", f"between: {{price: [{TOP + 1}, null]}}", TOP),
    ("long", f"between: {{price: [{10**50}, null]}}", 2**63 - 1),
    ("long", "in_set: {price: [1.0e+16, 1.0e-05]}", 10**16 + 1),
    ("long", f"in_set: {{price: [1.0e-05, {TOP}]}}", TOP + 1),
    ("int", "in_set: {price: [1.5]}", 1),
    ("int", "between: {price: [0.4, 0.6]}", 1),
    ("long", "between: {price: [0.4, 0.6]}", 0),
    ("decimal(20, 2)", "between: {price: [0.111, 0.119]}", Decimal("0.11")),
    ("decimal(20, 2)", "between: {price: [0, 0.3]}", Decimal("0.31")),
    ("decimal(20, 2)", f"between: {{price: [0, {TOP}]}}", Decimal(f"{TOP}.01")),
    ("decimal(20, 2)", "between: {price: [0.111, null]}", Decimal("0.11")),
    ("decimal(20, 2)", f"in_set: {{price: [{TOP}, 1.0e-05]}}", Decimal(TOP + 1)),
    ("decimal(38, 20)", "in_set: {price: [123456789012345678901234567890, 0.3]}", Decimal("0.29999999999999999999")),
    ("decimal(38, 20)", "between: {price: [0.3, null]}", Decimal("0.29999999999999999999")),
    ("double", f"between: {{price: [{TOP + 1}, null]}}", float(TOP)),
    ("double", f"in_set: {{price: [{TOP + 1}]}}", float(TOP)),
    ("float", f"in_set: {{price: [{2**24 + 1}]}}", float(2**24)),
]


def unexpected(kind: str, rule: str, value: Any, home: Home, fill: Fill) -> tuple[int, str]:
    """How many of the rows break the rule, and the rule in words. One row has the value, the others NULL."""
    text = CONTRACT.replace("price: double", f"price: '{kind}'").partition("expectations:")[0]
    schema = SCHEMA.set(SCHEMA.get_field_index("price"), pa.field("price", KINDS[kind]))
    fill([{**row, "price": None} for row in good()[1:]] + [{**good()[0], "price": value}], schema)
    document = run(parse(f"{text}expectations:\n  {rule}\n"), home, on=["stream"]).document
    last = document["tables"]["stream"]["expectations"][-1]
    assert last["success"] is (last["unexpected"] == 0)
    return last["unexpected"], last["why"]


@pytest.mark.parametrize(("kind", "rule", "value"), INSIDE)
def test_a_value_that_the_rule_admits(kind: str, rule: str, value: Any, home: Home, fill: Fill) -> None:
    assert unexpected(kind, rule, value, home, fill)[0] == 0


@pytest.mark.parametrize(("kind", "rule", "value"), OUTSIDE)
def test_a_value_that_the_rule_does_not_admit(kind: str, rule: str, value: Any, home: Home, fill: Fill) -> None:
    assert unexpected(kind, rule, value, home, fill)[0] == 1


def test_the_rule_is_told_with_all_digits(home: Home, fill: Fill) -> None:
    assert unexpected("long", f"between: {{price: [0.1, {TOP + 1}]}}", 1, home, fill)[1] == (
        f"expectations.between [0.1, {TOP + 1}]"
    )


@pytest.mark.parametrize("rule", ["between: {price: [0, VALUE]}", "in_set: {price: [VALUE]}"])
def test_digits_that_no_number_of_yaml_keeps_are_refused(rule: str) -> None:
    text = CONTRACT.partition("expectations:")[0] + "expectations:\n  " + rule + "\n"
    with pytest.raises(ContractError, match=r"9007199254740992\.25 would be read as 9007199254740992\.0"):
        parse(text.replace("VALUE", f"{TOP}.25"))
    parse(text.replace("VALUE", f"{TOP // 10**4}.25"))


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ("[.inf, null]", "inf leaves no number"),
        ("[null, -.inf]", "inf leaves no number"),
        (f"[0, {10**400}]", "over 300 digits"),
    ],
    ids=["least", "greatest", "long"],
)
def test_bounds_that_hold_no_column_are_refused(bounds: str, told: str) -> None:
    with pytest.raises(ContractError, match=told):
        parse(f"{CONTRACT}  stream_to_batch: {bounds}\n")


@pytest.mark.parametrize(
    ("bounds", "least", "most"), [("[0.07, 1]", 7, 100), ("[0, 0.29]", 0, 29), ("[0.071, .inf]", 8, None)]
)
def test_a_share_is_of_whole_rows(bounds: str, least: int, most: int | None) -> None:
    [rule] = proportion(parse(f"{CONTRACT}  stream_to_batch: {bounds}\n"), 100)
    assert rule.arguments == {"min_value": least, "max_value": most}
