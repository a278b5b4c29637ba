"""The document of `plumbline expect --json`, as types; docs/schemas/expect.json is made from them."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from plumbline.contract.document_types import Range

Expectation = Literal[
    "expect_table_columns_to_match_set",
    "expect_column_values_to_be_in_type_list",
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_be_null",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_max_to_be_between",
    "expect_column_pair_values_to_be_equal",
    "expect_compound_columns_to_be_unique",
    "expect_table_row_count_to_be_between",
    "unexpected_rows_expectation",
]


class Judged(TypedDict):
    """One expectation. `unexpected` is null where rows are not counted, `sample` shows some of those rows."""

    expectation: Expectation
    column: str | None
    why: str
    success: bool
    unexpected: int | None
    observed: Any
    sample: list[dict[str, Any]]


class CheckedTable(TypedDict):
    """One table at one snapshot (null: it has none yet), and its rows in the range."""

    table: str
    snapshot_id: int | None
    rows: int
    success: bool
    expectations: list[Judged]


class ExpectDocument(TypedDict):
    """What `plumbline expect --json` prints. `tables`: stream, batch, staging or sources.NAME to what was found."""

    contract: str
    range: Range
    tables: dict[str, CheckedTable]
    success: bool
