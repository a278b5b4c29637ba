"""The engines against the plain model of tests/reconcile/diffs on any number of random pairs.

    python -m benchmarks.diff.pairs [--seeds 0:1000] [--engine duckdb]
    .venv/bin/python -m benchmarks.diff.pairs --engine spark

Spark takes twenty pairs as one, each with columns of its own, and must tell the same as DuckDB in all else too. Prints
the seeds that are answered wrongly, and how many pairs of which classes were compared. Exit code 1 if any is.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

import plumbline
from tests.support.compared import compared
from tests.support.plain_model import Found, compare_plainly, found_in
from tests.support.random_pairs import Pair, random_pair

AT_ONCE = {"duckdb": 1, "spark": 20}
SETTINGS = {
    # A pair has a few rows: compiling its plan would take longer than running it.
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def together(pairs: Sequence[Pair]) -> Pair:
    """The pairs as one: a row has its pair's number and values in its pair's columns only."""
    if len(pairs) == 1:
        return pairs[0]
    sides = [
        pa.concat_tables([numbered(getattr(pair, side), pair) for pair in pairs], promote_options="default")
        for side in ("left", "right")
    ]
    keys = [of_pair(pair, name) for pair in pairs for name in pair.key]
    tolerances = {of_pair(pair, name): rule for pair in pairs for name, rule in pair.tolerances.items()}
    return Pair(pairs[0].seed, *sides, ("pair", *keys), tolerances)


def numbered(table: pa.Table, pair: Pair) -> pa.Table:
    named = table.rename_columns([of_pair(pair, name) for name in table.column_names])
    return named.append_column("pair", pa.array([pair.seed] * table.num_rows, pa.int64()))


def of_pair(pair: Pair, name: str) -> str:
    return f"p{pair.seed}_{name}"


def by_spark(spark: Any, pair: Pair) -> Found:
    """What the Spark engine finds; nothing that any model finds where it tells other figures than DuckDB."""
    from plumbline.reconcile.diff.spark.frames import open_frame

    frames = [open_frame(spark, table, lambda: None) for table in (pair.left, pair.right)]
    found, other = (
        plumbline.diff(*sides, list(pair.key), tolerances=pair.tolerances, engine=engine)
        for sides, engine in ((frames, "spark"), ((pair.left, pair.right), "duckdb"))
    )
    same = found.comparison == other.comparison
    told = found_in(found.drift(), pair.key, found.comparison.counts["match"]) if same else Found({}, -1)
    found.close()
    other.close()
    return told


def engine_of(name: str) -> Callable[[Pair], Found]:
    if name == "duckdb":
        return compared
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]")
    for setting, value in SETTINGS.items():
        builder = builder.config(setting, value)
    return partial(by_spark, builder.getOrCreate())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0:1000", help="from:to, to excluded")
    parser.add_argument("--engine", choices=list(AT_ONCE), default="duckdb")
    asked = parser.parse_args()
    compare, (first, last) = engine_of(asked.engine), map(int, asked.seeds.split(":"))
    wrong, classes, started = 0, Counter[str](), time.process_time()
    for begin in range(first, last, AT_ONCE[asked.engine]):
        end = min(begin + AT_ONCE[asked.engine], last)
        pair = together([random_pair(seed) for seed in range(begin, end)])
        expected = compare_plainly(pair.left, pair.right, pair.key, pair.tolerances)
        classes.update(verdict[0] for verdict in expected.drift.values())
        classes["match"] += expected.match
        if compare(pair) != expected:
            wrong += 1
            print(f"--seeds {begin}:{end}: the engine and the model differ", flush=True)
    found = ", ".join(f"{count:,} {name}" for name, count in sorted(classes.items()))
    seconds = time.process_time() - started
    print(f"{last - first:,} pairs by {asked.engine}, {wrong} wrong: {found}; {seconds:.0f} s CPU")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
