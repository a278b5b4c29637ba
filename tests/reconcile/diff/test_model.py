"""The engine against a model of a few lines of plain Python, on random small tables.

`benchmarks/diff/pairs.py` runs the same for any number of pairs.
"""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.connect.pinned import connection
from plumbline.contract.equality import Tolerance
from plumbline.reconcile.diff.engine.compare import compare
from plumbline.reconcile.diff.engine.rules import Rules
from tests.support.compared import compared
from tests.support.plain_model import compare_plainly, near
from tests.support.random_pairs import KINDS, random_pair
from tests.support.rows import differing

SEEDS = range(160)


@pytest.mark.parametrize("first", range(0, len(SEEDS), 20))
def test_the_engine_finds_what_the_model_finds(first: int) -> None:
    for seed in SEEDS[first : first + 20]:
        pair = random_pair(seed)
        assert compared(pair) == compare_plainly(pair.left, pair.right, pair.key, pair.tolerances), f"seed {seed}"


def test_the_engine_finds_the_same_by_the_marks_of_wide_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumbline.reconcile.diff.engine.exact_sql.WIDE", 0)
    for seed in (*SEEDS[:30], *[seed for seed in SEEDS[30:] if random_pair(seed).tolerances][:10]):
        pair = random_pair(seed)
        assert compared(pair) == compare_plainly(pair.left, pair.right, pair.key, pair.tolerances), f"seed {seed}"


def test_the_pairs_meet_every_type_class_and_shape() -> None:
    pairs = [random_pair(seed) for seed in SEEDS]
    kinds = {str(kind) for pair in pairs for table in (pair.left, pair.right) for kind in table.schema.types}
    assert kinds >= {str(kind.type) for kind in KINDS.values()}
    found = [compare_plainly(pair.left, pair.right, pair.key, pair.tolerances) for pair in pairs]
    classes = {verdict[0] for each in found for verdict in each.drift.values()}
    assert classes == {"mismatch", "missing", "extra", "duplicate"}
    assert sum(not each.drift for each in found) >= 10
    assert len({(pair.left.num_rows > 0, pair.right.num_rows > 0) for pair in pairs}) == 4
    assert any(not pair.columns for pair in pairs)
    assert any(pair.tolerances for pair in pairs)


NUMBERS = st.one_of(st.none(), st.floats(), st.floats(-10, 10))


@settings(max_examples=30, deadline=None)
@given(
    pairs=st.lists(st.tuples(NUMBERS, st.one_of(NUMBERS, st.floats(-2, 2))), min_size=1, max_size=20),
    tolerance=st.builds(
        Tolerance, abs=st.sampled_from([None, 1e-9, 0.3, 1.0, 1e18]), rel=st.sampled_from([None, 1e-17, 1e-9, 0.1, 3.0])
    ),
)
def test_tolerance_is_the_models(pairs: list[tuple[float | None, float | None]], tolerance: Tolerance) -> None:
    """The second number of a pair is the first, moved a little, half the time."""
    moved = [(a, a + b if i % 2 and a is not None and b is not None else b) for i, (a, b) in enumerate(pairs)]
    con = connection()
    for name, column in zip(("ours", "theirs"), zip(*moved, strict=True), strict=True):
        con.register(name, pa.table({"k": range(len(moved)), "v": pa.array(column, pa.float64())}))
    compare(con, "ours", "theirs", ["k"], Rules(tolerances={"v": tolerance}))
    expected = {i: "mismatch" for i, (a, b) in enumerate(moved) if not near(a, b, tolerance)}
    assert differing(con) == expected
    con.close()
