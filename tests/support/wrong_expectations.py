"""Wrong values and bounds in the block of expectations, one change of the example each; as wrong_contracts.py."""

from __future__ import annotations

EXPECTATION_CASES: dict[str, tuple[str, str, str | None, str, str]] = {
    "bounds that bound nothing": (
        "paid: [0, 1000]",
        "paid: [null, null]",
        "[null, null]",
        "[null, null] bounds nothing",
        "expectations.between.paid",
    ),
    "a bound that is no number": ("paid: [0, 1000]", "paid: [.nan, 1000]", ".nan", "NaN bounds nothing", "null for"),
    "bounds of a text": ("paid: [0, 1000]", "page: [0, 1000]", "page: [0", "'page' is text", "only numbers"),
    "a share without bounds": (
        "  not_null: [page]",
        "  stream_to_batch: [null, null]",
        "stream_to_batch",
        "[null, null] bounds nothing",
        "a least or a greatest",
    ),
    "NO in a set, which YAML reads as false": (
        "  not_null: [page]",
        "  in_set: {page: [NO, SE]}",
        "in_set",
        "[False, 'SE'] mixes boolean and text",
        "write texts in quotes",
    ),
    "a set of one kind that the column is not": (
        "  not_null: [page]",
        "  in_set: {page: [NO]}",
        "in_set",
        "'page' is text, [False] is boolean",
        "write texts in quotes",
    ),
    "numbers for a text": ("  not_null: [page]", "  in_set: {page: [1, 2]}", "in_set", "'page' is text", "in quotes"),
    "texts for a number": (
        "  not_null: [page]",
        "  in_set: {paid: [a]}",
        "in_set",
        "'paid' is number",
        "['a'] is text",
    ),
    "a set of mixed kinds": (
        "  not_null: [page]",
        "  in_set: {page: [1, a]}",
        "in_set",
        "number and text",
        "in quotes",
    ),
    "NaN in a set": ("  not_null: [page]", "  in_set: {paid: [.nan]}", "in_set", "not a number", "leave it out"),
    "a name in a list, which YAML reads as false": (
        "  not_null: [page]",
        "  not_null: [no]",
        "not_null",
        "found False",
        "in quotes",
    ),
}
