"""Iceberg tables as other writers leave them: PyIceberg writes the rows, then the metadata file is edited.

PyIceberg writes no format version 3, and no table whose files lack what its metadata says.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyiceberg.table import Table

from plumbline.connect.lake import Lake

Metadata = dict[str, Any]


def edited(lake: Lake, table: Table, name: str, change: Callable[[Metadata], None], version: int = 3) -> str:
    """Registers a copy of the table's metadata, changed, as `joined.NAME`; returns that."""
    path = Path(table.metadata_location.removeprefix("file://"))
    metadata: Metadata = json.loads(path.read_text())
    change(metadata)
    metadata["format-version"] = version
    if version == 3:
        metadata.setdefault("next-row-id", 0)
    new = path.with_name(f"99999-{name}.metadata.json")
    new.write_text(json.dumps(metadata))
    lake.catalog().register_table(f"joined.{name}", f"file://{new}")
    return f"joined.{name}"


def fields(metadata: Metadata, name: str) -> list[dict[str, Any]]:
    """The column `name` in each schema that has it."""
    return [field for schema in metadata["schemas"] for field in schema["fields"] if field["name"] == name]
