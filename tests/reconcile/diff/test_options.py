"""What a user may ask of a diff: other names, SQL per side, chosen rows, whole rows, what is overlooked and what is
hidden."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import plumbline
from plumbline.connect.pinned import connection
from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.compare import compare
from plumbline.reconcile.diff.fail_if import parse_fail_if
from plumbline.reconcile.diff.tolerances import parse_tolerances
from tests.support.rows import compare_values, differing

OURS = pa.table({"id": [1, 2, 3, 4], "cents": [100, 250, 300, 400], "city": ["Rome", "Oslo", "Bern", "Kyiv"]})
THEIRS = pa.table({"nr": [1, 2, 3, 5], "euros": [1.0, 2.5, 3.25, 9.0], "city": ["ROME", "Oslo ", "Bern", "Lima"]})
PAIRED = {"names": {"id": "nr", "cents": "euros"}, "compute_right": {"cents": "cents * 100"}}


def drift(found: plumbline.Diff, column: str = "id") -> dict[Any, str]:
    return {row[column]: row["class"] for row in found.drift().to_pylist()}


def test_other_names_and_sql_of_one_side() -> None:
    found = plumbline.diff(OURS, THEIRS, "id", **PAIRED)
    assert drift(found) == {1: "mismatch", 2: "mismatch", 3: "mismatch", 4: "missing", 5: "extra"}
    assert found.summary["columns"] == {"cents": 1, "city": 2}
    assert found.summary["schema"] == [{"column": "cents", "finding": "type", "left": "BIGINT", "right": "DOUBLE"}]


def test_a_column_computed_on_both_sides() -> None:
    found = plumbline.diff(
        OURS, THEIRS, "id", names={"id": "nr"}, columns=["first"],
        compute_left={"first": "left(city, 1)"}, compute_right={"first": "left(city, 1)"},
    )  # fmt: skip
    assert drift(found) == {4: "missing", 5: "extra"}


def test_a_name_alone_is_a_list_of_one_and_rules_are_spelled_as_on_the_command_line() -> None:
    both = {**PAIRED, "key": "id", "tolerances": {"city": "case,space", "cents": Tolerance(abs=25)}}
    assert drift(plumbline.diff(OURS, THEIRS, **both)) == {4: "missing", 5: "extra"}
    only = plumbline.diff(OURS, THEIRS, **PAIRED, key="id", columns="city", hide="city", fail_if="city > 2")
    assert (only.summary["columns"], only.failed) == ({"city": 2}, False)
    assert drift(plumbline.diff(OURS, THEIRS, **PAIRED, key="id", ignore="city"))[3] == "mismatch"


WHERE = {
    "on both sides": ({"where": "id <= 2"}, {1: "mismatch", 2: "mismatch"}),
    "on the left": ({"where_left": "id = 3"}, {1: "extra", 2: "extra", 3: "mismatch", 5: "extra"}),
    "on the right": ({"where_right": "false"}, {1: "missing", 2: "missing", 3: "missing", 4: "missing"}),
    "on both and on one": ({"where": "id > 2", "where_left": "id < 4 -- not 4"}, {3: "mismatch", 5: "extra"}),
    "one that is NULL leaves out": ({"where": "id > 4 OR NULL"}, {5: "extra"}),
}


@pytest.mark.parametrize(("chosen", "expected"), WHERE.values(), ids=WHERE)
def test_where(chosen: dict[str, str], expected: dict[int, str]) -> None:
    assert drift(plumbline.diff(OURS, THEIRS, "id", **PAIRED, **chosen)) == expected


def test_a_window_may_be_a_column() -> None:
    numbered = {"cents": "row_number() OVER (ORDER BY cents)"}
    assert plumbline.diff(OURS, OURS, "id", compute_left=numbered, compute_right={"cents": "id"}).clean


def test_whole_rows_without_a_key() -> None:
    kinds = {"class": pa.int64(), "m": pa.map_(pa.string(), pa.int8())}
    ours = pa.table({"class": [1, 1, 2, None], "m": [[("a", 1)], [("a", 1)], [], None]}, schema=pa.schema(kinds))
    theirs = pa.table({"class": [1, 3, None, None], "m": [[("a", 1)], [], None, None]}, schema=pa.schema(kinds))
    found = plumbline.diff(ours, theirs)
    rows = [(r["class"], r["left_count"], r["right_count"]) for r in found.drift().to_pylist()]
    assert sorted(rows) == [("duplicate", 1, 2), ("duplicate", 2, 1), ("extra", 0, 1), ("missing", 1, 0)]
    assert found.summary["counts"]["match"] == 0
    assert "duplicate" in found._repr_html_()
    assert plumbline.diff(ours, ours).clean


def test_whole_rows_may_be_folded() -> None:
    ours, theirs = pa.table({"v": ["a", "B"]}), pa.table({"v": ["A", "b"]})
    assert not plumbline.diff(ours, theirs).clean
    assert plumbline.diff(ours, theirs, tolerances={"v": Tolerance(fold=("case",))}).clean


def test_a_folded_key_brings_rows_together() -> None:
    ours, theirs = pa.table({"k": ["de ", "FR"], "v": [1, 2]}), pa.table({"k": ["DE", "fr"], "v": [1, 3]})
    found = plumbline.diff(ours, theirs, "k", tolerances={"k": Tolerance(fold=("case", "space"))})
    assert drift(found, "k") == {"fr": "mismatch"}


FOLDED = {
    "case": ("case", "'Straße Ä'", "'STRASSE ä'", False),
    "case of letters with accents": ("case", "'Ä'", "'ä'", True),
    "blanks at the ends": ("space", "' a '", "'a'", True),
    "runs of blanks, tabs and ends of lines": ("space", "'a \t\n b'", "'a b'", True),
    "no blank is not a blank": ("space", "'ab'", "'a b'", False),
    "an accent spelled in two ways": ("nfc", "'\u00e9'", "'e\u0301'", True),
    "two at once": ("case,space", "' A'", "'a'", True),
    "two at once in a list": ("space,case", "[' A', NULL]", "['a', NULL]", True),
    "the order of a list": ("order", "[1, 2, 2, NULL]", "[2, NULL, 1, 2]", True),
    "how often a value is in a list": ("order", "[1, 2, 2]", "[1, 1, 2]", False),
    "the order of a list of maps": ("order", "[MAP {1: 2}, MAP {}]", "[MAP {}, MAP {1: 2}]", True),
    "order and case": ("order,case", "['B', 'a']", "['A', 'b']", True),
    "an empty text is not NULL": ("case,space,nfc", "''", "NULL::VARCHAR", False),
}


@pytest.mark.parametrize(("rule", "left", "right", "equal"), FOLDED.values(), ids=FOLDED)
def test_overlooked(rule: str, left: str, right: str, equal: bool) -> None:
    tolerance = parse_tolerances([f"v={rule}"])["v"]
    assert compare_values(left, right).counts["match"] == 0
    assert compare_values(left, right, tolerance).counts["match"] == equal


OWN = {
    "true is equal": ("abs(a - b) < b * 0.1", "10.0", "10.5", True),
    "false is not": ("abs(a - b) < b * 0.1", "10.0", "20.5", False),
    "NULL is not": ("abs(a - b) < 1", "10.0", "NULL::DECIMAL(3,1)", False),
    "equal values are not asked": ("false", "1", "1", True),
    "values of two types as they are": ("a = round(b)", "1", "1.2::DOUBLE", True),
    "a and b are names, not text": ("a = b || ' a'", "'b a a'", "'b a'", True),
    "a comment takes nothing else away": ("a < b -- or not", "1", "2", True),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "left", "right", "equal"), OWN.values(), ids=OWN)
def test_a_comparison_of_ones_own(sql: str, left: str, right: str, equal: bool) -> None:
    assert compare_values(left, right, Tolerance(sql=sql)).counts["match"] == equal


def test_the_largest_difference_and_how_many_agree() -> None:
    con = connection()
    con.execute("""
        CREATE VIEW ours AS
        SELECT range AS k, range::DOUBLE AS f, 1152921504606846976 + range AS i, range::DECIMAL(9,2) AS d,
               TIMESTAMP '2026-01-01' AS t, 'x' AS s, 1 AS same
        FROM range(10)
    """)
    con.execute("""
        CREATE VIEW theirs AS
        SELECT k, CASE k WHEN 1 THEN 'nan' WHEN 2 THEN 'inf' WHEN 3 THEN 3.5 ELSE f END AS f, i + (k = 4)::INT AS i,
               d - (k = 5)::INT AS d, t + INTERVAL 1500 MILLISECONDS * (k = 6)::INT AS t,
               CASE WHEN k > 6 THEN 'y' ELSE s END AS s, same
        FROM ours
    """)
    found = compare(con, "ours", "theirs", ["k"])
    assert found.by_column() == {
        "f": {"matches": 7, "mismatches": 3, "largest_difference": 0.5},
        "i": {"matches": 9, "mismatches": 1, "largest_difference": 1},
        "d": {"matches": 9, "mismatches": 1, "largest_difference": 1.0},
        "t": {"matches": 9, "mismatches": 1, "largest_difference": 1.5},
        "s": {"matches": 7, "mismatches": 3, "largest_difference": None},
        "same": {"matches": 10, "mismatches": 0, "largest_difference": None},
    }
    assert differing(con)[9] == "mismatch"


NO_DISTANCE = {
    "less than a double can tell": ("9007199254740993", "9007199254740992::DOUBLE"),
    "more than a double can hold": ("1.7e308::DOUBLE", "-1.7e308::DOUBLE"),
    "from infinity": ("'inf'::DOUBLE", "1.0::DOUBLE"),
}


@pytest.mark.parametrize(("left", "right"), NO_DISTANCE.values(), ids=NO_DISTANCE)
def test_a_distance_is_a_number_above_zero_or_untold(left: str, right: str) -> None:
    found = compare_values(left, right).by_column()
    assert found == {"v": {"matches": 0, "mismatches": 1, "largest_difference": None}}


SECRET = pa.table({"id": ["sec-1", "sec-2", "sec-3"], "pin": ["sec-a", None, "sec-c"], "v": [1.5, 2.5, 3.5]})
OTHER = pa.table({"id": ["sec-1", "sec-2", "sec-4"], "pin": ["sec-b", "sec-x", "sec-c"], "v": [1.5, 2.0, 3.5]})


@pytest.mark.parametrize("how", ["hide", "hashed"])
def test_sensitive_values_are_in_no_output(how: str, tmp_path: Path) -> None:
    found = plumbline.diff(SECRET, OTHER, "id", **{how: ["id", "pin", "v"]})
    found.write(tmp_path / "drift.parquet")
    outputs = [str(found.drift().to_pylist()), str(pq.read_table(tmp_path / "drift.parquet").to_pylist())]
    outputs += [found._repr_html_(), json.dumps(found.samples(9)), json.dumps(found.summary)]
    assert found.summary["counts"] == {"match": 0, "mismatch": 2, "missing": 1, "extra": 1, "duplicate": 0}
    assert found.summary["columns"] == {"pin": 2, "v": 1}
    assert not any("sec-" in output or "2.5" in output or "0.5" in output for output in outputs)


def test_a_hash_tells_equal_values_from_others_within_one_run() -> None:
    def pins(found: plumbline.Diff) -> list[tuple[str | None, str | None]]:
        return [(row["left_row"]["pin"], row["right_row"]["pin"]) for row in found.drift().to_pylist()[:2]]

    changed = SECRET.set_column(2, "v", [[0, 0, 0]])
    first, second = (pins(plumbline.diff(SECRET, changed, "id", hashed=["pin"])) for _ in range(2))
    assert first[0][0] == first[0][1] is not None
    assert first[1] == (None, None)
    assert first[0] != second[0]


def test_an_error_tells_no_hidden_value() -> None:
    ours = pa.table({"id": [1, 2], "pin": ["7", "sec-b"]})
    number = {"pin": "pin::INT"}
    with pytest.raises(UsageError, match="columns are hidden") as raised:
        plumbline.diff(ours, ours, "id", hide=["pin"], compute_left=number, compute_right=number)
    assert "sec-" not in f"{raised.value}{raised.value.__cause__}"


def test_infinite_times_are_told_from_the_last_moment_of_python_in_samples_and_in_a_notebook() -> None:
    con = connection()
    far = con.sql("SELECT DATE 'infinity' AS id, TIMESTAMPTZ '-infinity' AS at").to_arrow_table()
    near = con.sql("SELECT DATE 'infinity' AS id, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS at").to_arrow_table()
    found = plumbline.diff(far, near, "id")
    [sample] = found.samples(5)
    assert (sample["id"], sample["left_row"]) == ("infinity", {"at": "-infinity"})
    assert "-infinity" in found._repr_html_()


def test_samples_are_the_first_of_each_class_and_valid_json() -> None:
    ours = pa.table({"id": range(100), "v": [math.nan] * 100, "b": [b"\xff"] * 100})
    theirs = pa.table({"id": range(50, 150), "v": [math.inf] * 100, "b": [b"\xff"] * 100})
    samples = plumbline.diff(ours, theirs, "id").samples(2)
    assert sorted((row["class"], row["id"]) for row in samples) == [
        ("extra", 100), ("extra", 101), ("mismatch", 50), ("mismatch", 51), ("missing", 0), ("missing", 1),
    ]  # fmt: skip
    json.dumps(samples, allow_nan=False)
    assert samples[0]["left_row"] == {"v": "NaN", "b": "ff"}


LIMITS = {
    "a class above its share": ("mismatch > 10%", True),
    "a class at its share": ("mismatch > 75%", False),
    "a class that reaches its share": ("mismatch >= 75%", True),
    "all that differs": ("drift > 4", True),
    "all that differs, at most so many": ("drift > 5", False),
    "a column": ("city > 1", True),
    "a column below": ("cents > 25%", False),
    "a column by its full name": ("column:cents >= 1", True),
    "the schema": ("schema > 0", True),
}


@pytest.mark.parametrize(("limit", "failed"), LIMITS.values(), ids=LIMITS)
def test_limits(limit: str, failed: bool) -> None:
    found = plumbline.diff(OURS, THEIRS, "id", **PAIRED, fail_if=[limit])
    assert found.failed == failed
    assert bool(found.summary["alerts"]) == failed


@pytest.mark.parametrize("text", ["mismatch", "> 1", "mismatch > x", "mismatch < 1", "schema > 1%", "cuty > 0"])
def test_no_limit(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_fail_if([text], ["city"])
    assert raised.value.next_step


def test_an_unknown_name_in_a_limit_is_answered_with_all_names() -> None:
    with pytest.raises(UsageError, match=r"the names are drift, schema, .*, city"):
        parse_fail_if(["zzz > 0"], ["city"])


def test_a_grid_of_no_length_is_no_tolerance() -> None:
    with pytest.raises(UsageError, match="'0 s' in 'seen=round_to:0 s' is not a grid"):
        parse_tolerances(["seen=round_to:0 s"])


def test_a_frame_without_columns_is_refused() -> None:
    with pytest.raises(UsageError, match="a Table without columns is given"):
        plumbline.diff(pa.table({}), pa.table({}), "id")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a condition that is none": ({"where": "id"}, "'id' gives BIGINT, not true or false"),
    "a condition over no column": ({"where": "ident = 1"}, "'ident = 1' cannot be used"),
    "two statements": ({"where": "true; DROP TABLE x"}, "cannot be used"),
    "SQL of a column that fails": ({"compute_left": {"v": "cents +"}}, "column v 'cents +' cannot be used"),
    "an aggregate as a column": ({"compute_left": {"v": "sum(cents)"}}, "column v 'sum(cents)' cannot be used"),
    "a window as a condition": ({"where": "row_number() OVER () = 1"}, "WHERE clause cannot contain window functions"),
    "several rows as a column": ({"compute_left": {"v": "unnest([1, 2])"}}, "column v 'unnest([1, 2])' cannot be used"),
    "several columns as a column": ({"compute_left": {"v": "*"}}, "column v '*' cannot be used"),
    "two columns mapped to one": (
        {"names": {"id": "nr", "cents": "euros", "city": "euros"}}, "'euros' of the right side is mapped to several: ",
    ),
    "SQL that some value does not fit": ({"where_left": "city::INT > 0"}, "a value does not fit the SQL given"),
    "a map of a column that is not there": ({"names": {"id": "nr", "city": "town"}}, "'town' cannot be mapped"),
    "a map from a column that is not there": ({"names": {"id": "nr", "town": "city"}}, "'town' of the map"),
    "a map onto a name that is taken": (
        {"names": {"id": "nr", "city": "euros"}},
        "or drop the map and take --right city=",
    ),
    "a hidden column that is not there": ({"hide": ["pin"]}, "'pin' is on neither side"),
    "hidden and hashed": ({"hide": ["city"], "hashed": ["city"]}, "both hidden and hashed"),
    "the case of a number": ({"tolerances": {"id": Tolerance(fold=("case",))}}, "is BIGINT, not text"),
    "the order of text": ({"tolerances": {"city": Tolerance(fold=("order",))}}, "is VARCHAR, not a list"),
    "a comparison that gives a number": ({"tolerances": {"city": Tolerance(sql="1")}}, "it gives INTEGER"),
    "a comparison of other names": ({"tolerances": {"city": Tolerance(sql="a = c")}}, "'a = c' of column 'city'"),
    "a comparison of the key": ({"tolerances": {"id": Tolerance(sql="a = b")}}, "key column 'id' has a tolerance"),
    "a tolerance without a key": ({"key": None, "tolerances": {"cents": Tolerance(abs=1)}}, "without a key, column"),
    "no column left": ({"key": None, "columns": ["cents"], "names": {}}, "no column left to compare"),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(asked: dict[str, Any], message: str) -> None:
    theirs = THEIRS if asked.get("names") != {} else THEIRS.rename_columns(["id", "euros", "city"])
    both = {"names": {"id": "nr", "cents": "euros"} if "tolerances" in asked else {"id": "nr"}, "key": "id", **asked}
    with pytest.raises(UsageError) as raised:
        plumbline.diff(OURS, theirs, **both)
    assert message in str(raised.value)
    assert raised.value.next_step


def command_line(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "plumbline", "diff", *arguments], capture_output=True, text=True)


def test_the_command_passes_all_of_it_on(tmp_path: Path) -> None:
    pq.write_table(OURS, tmp_path / "a.parquet")
    pq.write_table(THEIRS, tmp_path / "b.parquet")
    files = str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")
    done = command_line(
        *files, "-k", "id", "--map", "id=nr", "--map", "cents=euros", "--right", "cents=cents * 100",
        "--where", "id < 4", "--tolerance", "city=case,space", "--fail-if", "cents > 1", "--hide", "city",
        "--samples", "1", "--json",
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (done.returncode, found["counts"]["match"], found["columns"]) == (0, 2, {"cents": 1})
    [sample] = found["samples"]
    assert sample["right_row"] == {"cents": 325.0, "city": "(hidden)"}
    page = command_line(*files, "--no-key", "--fail-if", "drift >= 100%").stdout
    assert page.index("schema: id is only in A") < page.index("A ") < page.index("missing") < page.index("limit: drift")
    assert command_line(*files).stderr.startswith("error: no key is named. Next: ")


@pytest.mark.parametrize("tolerances", [{}, {"c1": "abs:0.5"}], ids=["exact", "with a tolerance"])
def test_a_thousand_columns_fit_into_the_default_memory(tolerances: dict[str, str]) -> None:
    plain = {f"c{n}": [n, n] for n in range(1000)}
    left = pa.table({"id": [1, 2], **plain})
    right = left.set_column(1, "c0", pa.array([0, 9])).set_column(1000, "c999", pa.array([999, 1000]))
    found = plumbline.diff(left, right, "id", tolerances=tolerances)
    assert found.summary["columns"] == {"c0": 1, "c999": 1}
    assert found.comparison.largest == {"c0": 9, "c999": 1}
    assert found.samples(5)[0]["right_row"]["c999"] == 1000
