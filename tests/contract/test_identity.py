"""A contract is the same one for as long as its name and its tables are."""

from __future__ import annotations

import json

import pytest

from plumbline.contract.identity import identity, identity_of
from plumbline.contract.loader import parse
from tests.support.visits import TEXT as CONTRACT

SET = {"SERVERS": "127.0.0.1:9092"}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("contract: ", "contract: other_", False),
        ("stream_table: ", "stream_table: other_", False),
        ("batch_table: ", "batch_table: other_", False),
        ("archive: ", "archive: other_", False),
        ("minutes", "hours", True),
    ],
)
def test_what_makes_another_one(old: str, new: str, same: bool) -> None:
    assert old in CONTRACT
    first, second = parse(CONTRACT, environment=SET), parse(CONTRACT.replace(old, new), environment=SET)
    assert (identity(first) == identity(second)) is same


def test_a_record_tells_it_too() -> None:
    contract = parse(CONTRACT, environment=SET)
    assert identity_of(json.loads(contract.model_dump_json(exclude={"kafka", "catalog"}))) == identity(contract)
    assert identity_of(contract.semantics()) == identity(contract), "what is kept beside the checkpoint"
    for body in ({}, {"sources": []}, {"contract": "a", "sources": {"b": {}}, "output": {}}):
        assert identity_of(body) is None
