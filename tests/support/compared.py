"""What the engine finds in a pair, in the words of the plain model."""

from __future__ import annotations

from plumbline.connect.pinned import connection
from plumbline.reconcile.diff.engine.compare import compare
from plumbline.reconcile.diff.engine.rules import Rules
from tests.support.plain_model import Found, found_in
from tests.support.random_pairs import Pair
from tests.support.rows import ONE_PIECE, SMALL_PIECES


def compared(pair: Pair) -> Found:
    con = connection()
    con.register("ours", pair.left)
    con.register("theirs", pair.right)
    budget = SMALL_PIECES if pair.seed % 2 else ONE_PIECE
    found = compare(con, "ours", "theirs", pair.key, Rules(tolerances=pair.tolerances), budget=budget)
    drift = con.sql("FROM drift").to_arrow_table()
    con.close()
    return found_in(drift, pair.key, found.counts["match"])
