"""JSON Schema of the contract file, for editors and docs."""

from __future__ import annotations

from typing import Any

from plumbline.contract.model import Contract


def json_schema() -> dict[str, Any]:
    """Draft 2020-12 schema of a contract as it stands in the YAML file."""
    return Contract.model_json_schema(mode="validation") | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Plumbline contract",
    }
