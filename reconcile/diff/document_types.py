"""The document of `plumbline diff --json`, as types; docs/schemas/diff.json is made from them."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from plumbline.contract.document_types import Alert

Change = Literal["only_left", "only_right", "type", "time_zone", "decimal_scale", "incomparable", "fields"]


class Rows(TypedDict):
    """The rows of one side."""

    rows: int


class Counts(TypedDict):
    """Rows of the left side that match, and differing keys of each class."""

    match: int
    mismatch: int
    missing: int
    extra: int
    duplicate: int


class SchemaFinding(TypedDict):
    """A column whose schema differs; `left` and `right` are its types, null where it is absent."""

    column: str
    finding: Change
    left: str | None
    right: str | None


class Engine(TypedDict):
    """The engine that compared, and why it was chosen."""

    name: Literal["duckdb", "spark"]
    why: str


class ComparedColumn(TypedDict):
    """Of the rows that both sides hold, how many agree in the column; the largest difference, null where none."""

    matches: int
    mismatches: int
    largest_difference: int | float | None


class DiffDocument(TypedDict):
    """What `plumbline diff --json` prints. `samples` are rows of the drift, `columns` counts mismatches."""

    left: Rows
    right: Rows
    counts: Counts
    columns: dict[str, int]
    schema: list[SchemaFinding]
    repeated_keys: int
    engine: Engine
    compared: dict[str, ComparedColumn]
    alerts: list[Alert]
    samples: list[dict[str, Any]]
