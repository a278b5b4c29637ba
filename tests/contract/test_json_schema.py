"""The JSON Schema accepts what the loader accepts, and refuses what an editor can refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from plumbline.contract.loader import json_schema

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
DOCS = Path(__file__).resolve().parents[2] / "docs"


def example(package: str, name: str) -> Any:
    """As an editor reads it: YAML 1.2, where `on` is a word."""
    loader = type(
        "Core", (yaml.SafeLoader,), {"yaml_implicit_resolvers": dict(yaml.SafeLoader.yaml_implicit_resolvers)}
    )
    for letter in "oOyYnN":
        resolvers = loader.yaml_implicit_resolvers[letter]
        loader.yaml_implicit_resolvers[letter] = [pair for pair in resolvers if not pair[0].endswith(":bool")]
    return yaml.load((files(package) / name).read_text(), Loader=loader)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    ("package", "name"), [("plumbline.demo.flights", "flights.yaml"), ("plumbline.commands", "starter.yaml")]
)
def test_the_schema_accepts_the_shipped_contracts(package: str, name: str) -> None:
    assert list(VALIDATOR.iter_errors(example(package, name))) == []


BAD: dict[str, Callable[[Any], Any]] = {
    "unknown key": lambda c: c.update(zzz=1),
    "unknown key of a source": lambda c: c["sources"]["views"].update(watermrk="1 h"),
    "missing join": lambda c: c.pop("join"),
    "unknown kind": lambda c: c["join"].update(kind="outer"),
    "three sources": lambda c: c["sources"].update(third=c["sources"]["views"]),
    "a table without namespace": lambda c: c["output"].update(stream_table="visits"),
    "a bound too few": lambda c: c["join"].update(within=["1 h"]),
    "an unknown field type": lambda c: c["sources"]["views"]["fields"].update(page="text"),
}


@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD.keys())
def test_the_schema_refuses(spoil: Callable[[Any], Any]) -> None:
    contract = example("plumbline.demo.flights", "flights.yaml")
    contract["sources"] = {"views": contract["sources"].pop("departures"), **contract["sources"]}
    assert list(VALIDATOR.iter_errors(contract)) == []
    spoil(contract)
    assert list(VALIDATOR.iter_errors(contract)) != []


def test_the_schema_in_docs_is_current() -> None:
    assert json.loads((DOCS / "contract.schema.json").read_text()) == json_schema(), "run make docs"
