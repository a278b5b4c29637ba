"""How keys are classed: by key, as multisets, whatever the size of the pieces the engine works in."""

from __future__ import annotations

import time
from collections.abc import Sequence

import duckdb
import pytest

from plumbline.connect.pinned import connection
from plumbline.reconcile.diff.engine.budget import Budget
from plumbline.reconcile.diff.engine.compare import Comparison, compare
from plumbline.reconcile.diff.engine.rules import Rules
from tests.support.rows import ONE_PIECE, SMALL_PIECES, differing

BUDGETS = {"in one piece": ONE_PIECE, "in small pieces": SMALL_PIECES}


@pytest.fixture(params=BUDGETS.values(), ids=list(BUDGETS))
def budget(request: pytest.FixtureRequest) -> Budget:
    return request.param


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return connection()


def tables(con: duckdb.DuckDBPyConnection, ours: str, theirs: str) -> None:
    con.execute(f"CREATE VIEW ours AS {ours}")
    con.execute(f"CREATE VIEW theirs AS {theirs}")


def compared(con: duckdb.DuckDBPyConnection, budget: Budget, key: Sequence[str] = ("k",)) -> Comparison:
    return compare(con, "ours", "theirs", key, budget=budget)


def values(*rows: str) -> str:
    return f"SELECT * FROM (VALUES {', '.join(rows)}) t(k, v)"


CASES = {
    "the same rows match": ([(1, "a"), (2, "b")], [(2, "b"), (1, "a")], {}, 2),
    "another value is a mismatch": ([(1, "a"), (2, "b")], [(1, "a"), (2, "c")], {2: "mismatch"}, 1),
    "only in the left is missing": ([(1, "a"), (2, "b")], [(1, "a")], {2: "missing"}, 1),
    "only in the right is extra": ([(1, "a")], [(1, "a"), (2, "b")], {2: "extra"}, 1),
    "a row twice on the right is a duplicate": ([(1, "a")], [(1, "a"), (1, "a")], {1: "duplicate"}, 0),
    "a row twice on the left is a duplicate": ([(1, "a"), (1, "a")], [(1, "a")], {1: "duplicate"}, 0),
    "twice on both sides alike matches": ([(1, "a"), (1, "a")], [(1, "a"), (1, "a")], {}, 2),
    "two rows of one key in any order match": ([(1, "a"), (1, "b")], [(1, "b"), (1, "a")], {}, 2),
    "two rows of one key with other values": ([(1, "a"), (1, "b")], [(1, "a"), (1, "c")], {1: "duplicate"}, 0),
    "other multiplicities of the same rows": (
        [(1, "a"), (1, "a"), (1, "b")],
        [(1, "a"), (1, "b"), (1, "b")],
        {1: "duplicate"},
        0,
    ),
    "twice, but only in the left, is missing": ([(1, "a"), (1, "a")], [], {1: "missing"}, 0),
    "twice, but only in the right, is extra": ([], [(1, "a"), (1, "b")], {1: "extra"}, 0),
    "values swapped between two keys": ([(1, "a"), (2, "b")], [(1, "b"), (2, "a")], {1: "mismatch", 2: "mismatch"}, 0),
    "the same row twice, but only in the left": ([(1, "a"), (1, "a")], [], {1: "missing"}, 0),
    "the same row twice, but only in the right": ([], [(1, "a"), (1, "a")], {1: "extra"}, 0),
    "both sides empty": ([], [], {}, 0),
    "a NULL key matches a NULL key": ([(None, "a")], [(None, "a")], {}, 1),
    "a NULL key with another value": ([(None, "a")], [(None, "b")], {None: "mismatch"}, 0),
    "a NULL key is not zero": ([(None, "a")], [(0, "a")], {None: "missing", 0: "extra"}, 0),
    "a NULL key twice on both sides": ([(None, "a"), (None, "a")], [(None, "a"), (None, "a")], {}, 2),
    "a NULL key twice": ([(None, "a")], [(None, "a"), (None, "a")], {None: "duplicate"}, 0),
}


@pytest.mark.parametrize(("ours", "theirs", "drift", "match"), CASES.values(), ids=list(CASES))
def test_class(con, budget, ours, theirs, drift, match) -> None:  # type: ignore[no-untyped-def]
    con.execute("CREATE TABLE ours (k INT, v VARCHAR)")
    con.execute("CREATE TABLE theirs (k INT, v VARCHAR)")
    for table, rows in (("ours", ours), ("theirs", theirs)):
        if rows:
            con.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
    found = compared(con, budget)
    assert differing(con) == drift
    assert found.counts["match"] == match
    assert sum(found.counts.values()) == match + len(drift)
    assert (found.left_rows, found.right_rows) == (len(ours), len(theirs))


def test_composite_keys_keep_the_place_of_null(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(con, "SELECT 'a' AS x, NULL::VARCHAR AS y, 1 AS v", "SELECT NULL::VARCHAR AS x, 'a' AS y, 1 AS v")
    compared(con, budget, ["x", "y"])
    assert differing(con, "x, y") == {("a", None): "missing", (None, "a"): "extra"}


def test_composite_keys_keep_their_bounds(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(con, "SELECT 'ab' AS x, 'c' AS y, 1 AS v", "SELECT 'a' AS x, 'bc' AS y, 1 AS v")
    compared(con, budget, ["x", "y"])
    assert differing(con, "x, y") == {("ab", "c"): "missing", ("a", "bc"): "extra"}


def test_a_nested_key(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(con, "SELECT {'a': [1]} AS k, 1 AS v UNION ALL SELECT {'a': []}, 2", "SELECT {'a': [1]} AS k, 1 AS v")
    compared(con, budget)
    assert [row[:2] for row in con.execute("SELECT class, k FROM drift").fetchall()] == [("missing", {"a": []})]


def test_values_swapped_between_two_columns(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(con, "SELECT 1 AS k, 5 AS v, 6 AS w", "SELECT 1 AS k, 6 AS v, 5 AS w")
    assert compared(con, budget).columns == {"v": 1, "w": 1}


@pytest.mark.parametrize("column", ["v", "w", "x"])
def test_one_value_in_any_column(con: duckdb.DuckDBPyConnection, budget: Budget, column: str) -> None:
    tables(
        con,
        "SELECT range AS k, 1 AS v, 2 AS w, 3 AS x FROM range(200)",
        f"SELECT * REPLACE (CASE WHEN k = 7 THEN 9 ELSE {column} END AS {column}) FROM ours",
    )
    assert compared(con, budget).columns == {column: 1}
    assert differing(con) == {7: "mismatch"}


def test_keys_repeated_alike_are_counted(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(con, values("(1, 'a')", "(1, 'b')", "(2, 'c')"), values("(1, 'a')", "(1, 'b')", "(2, 'c')"))
    found = compared(con, budget)
    assert (found.counts["match"], found.repeated_keys) == (3, 1)


def test_a_table_of_keys_only(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(con, "SELECT range AS k FROM range(100)", "SELECT range + 1 AS k FROM range(100)")
    assert compared(con, budget).counts["match"] == 99
    assert differing(con) == {0: "missing", 100: "extra"}
    assert con.execute("SELECT left_row FROM drift WHERE k = 0").fetchall() == [({"k": 0},)]


@pytest.mark.parametrize("empty", ["ours", "theirs"])
def test_an_empty_side(con: duckdb.DuckDBPyConnection, budget: Budget, empty: str) -> None:
    full = "theirs" if empty == "ours" else "ours"
    con.execute(f"CREATE VIEW {full} AS SELECT range AS k, 'x' AS v FROM range(500)")
    con.execute(f"CREATE VIEW {empty} AS FROM {full} WHERE false")
    found = compared(con, budget)
    assert found.counts == {"match": 0, "mismatch": 0, "missing": 500, "extra": 0, "duplicate": 0} | (
        {"missing": 0, "extra": 500} if empty == "ours" else {}
    )


def test_what_the_drift_tells(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(
        con,
        "SELECT 1 AS k, 'a' AS v, 1.5 AS w, 10 AS at UNION ALL SELECT 2, 'b', 2.5, 11",
        "SELECT 1 AS k, 'A' AS v, 1.5 AS w, 20 AS at UNION ALL SELECT 2, 'b', 2.5, 22 UNION ALL SELECT 2, 'b', 2.5, 21",
    )
    compare(con, "ours", "theirs", ["k"], Rules(carry=["at"]), budget=budget)
    drift = con.sql("SELECT * FROM drift ORDER BY k").to_arrow_table().to_pylist()
    assert [(row["class"], row["left_count"], row["right_count"], row["columns"]) for row in drift] == [
        ("mismatch", 1, 1, ["v"]),
        ("duplicate", 1, 2, []),
    ]
    assert [(row["left_at"], row["right_at"], row["left_rows"], row["right_rows"]) for row in drift] == [
        (10, 20, None, None),
        (11, 21, [{"at": 11}], [{"at": 21}, {"at": 22}]),
    ]
    assert {name: str(value) for name, value in drift[0]["right_row"].items()} == {"v": "A", "w": "1.5"}


@pytest.mark.parametrize(
    ("ours", "theirs", "shown"),
    [
        (["a", "b"], ["a", "c"], ("b", "c")),
        (["a", "a", "b"], ["a", "b", "b"], ("a", "b")),
        (["a", "c"], ["a", "a", "c"], ("a", "a")),
        (["a"], ["a", "b"], ("a", "b")),
    ],
    ids=["one of each", "other multiplicities", "a copy more: the least where none is left over", "a row more"],
)
def test_of_a_duplicate_the_rows_that_do_not_pair_off_are_shown(con, budget, ours, theirs, shown) -> None:  # type: ignore[no-untyped-def]
    """The rows that both sides hold say nothing."""
    for table, rows in (("ours", ours), ("theirs", theirs)):
        con.execute(
            f"CREATE VIEW {table} AS SELECT NULL::INT AS k, unnest({rows}) AS v, unnest(range({len(rows)})) AS at"
        )
    compare(con, "ours", "theirs", ["k"], Rules(carry=["at"]), budget=budget)
    [(left, right, left_at, right_at)] = con.execute(
        "SELECT left_row.v, right_row.v, left_at, right_at FROM drift"
    ).fetchall()
    assert (left, right) == shown
    assert (ours[left_at], theirs[right_at]) == shown


def test_a_carried_column_that_one_side_lacks(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(con, "SELECT 1 AS k, 'a' AS v", "SELECT 1 AS k, 'b' AS v, 7 AS at")
    found = compare(con, "ours", "theirs", ["k"], Rules(carry=["at"]), budget=budget)
    assert con.execute("SELECT left_at, right_at FROM drift").fetchall() == [(None, 7)]
    assert found.schema == ()


def test_a_later_comparison_replaces_the_drift(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(con, values("(1, 'a')"), values("(1, 'b')"))
    for _ in range(2):
        compared(con, budget)
        assert differing(con) == {1: "mismatch"}


def test_a_million_copies_on_both_sides_cost_two_million_rows(con: duckdb.DuckDBPyConnection) -> None:
    """A join on the key would make 10^12 pairs."""
    tables(con, "SELECT 1 AS k, 'x' AS v FROM range(1000000)", "SELECT 1 AS k, 'x' AS v FROM range(1000000)")
    started = time.process_time()
    found = compared(con, ONE_PIECE)
    assert found.counts["match"] == 1_000_000
    assert found.repeated_keys == 1
    assert time.process_time() - started < 20


def test_a_heavy_key_among_light_ones(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(
        con,
        "SELECT 0 AS k, range % 3 AS v FROM range(3000) UNION ALL SELECT range, 0 FROM range(1, 300)",
        "SELECT 0 AS k, range % 3 AS v FROM range(2999) UNION ALL SELECT range, 0 FROM range(1, 300)",
    )
    found = compared(con, budget)
    assert differing(con) == {0: "duplicate"}
    assert found.counts["match"] == 299


def test_lineage_of_a_repeated_key_is_capped(con: duckdb.DuckDBPyConnection, budget: Budget) -> None:
    tables(con, "SELECT 1 AS k, 2 AS v, 0 AS at", "SELECT 1 AS k, range AS v, range AS at FROM range(1000)")
    compare(con, "ours", "theirs", ["k"], Rules(carry=["at"]), budget=budget)
    [(right_count, rows)] = con.execute("SELECT right_count, right_rows FROM drift").fetchall()
    assert right_count == 1000
    assert rows == [{"at": at} for at in range(100)]
