"""The engine against the plain model of tests/reconcile/diffs on any number of random pairs.

    python benchmarks/diff/pairs.py [--seeds 0:1000]

Prints each seed that is answered wrongly, and how many pairs of which classes were compared. Exit code 1 if any is.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests" / "reconcile" / "diffs"))

from plain_model import compare_plainly  # noqa: E402
from random_pairs import random_pair  # noqa: E402
from test_model import compared  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0:1000", help="from:to, to excluded")
    first, last = map(int, parser.parse_args().seeds.split(":"))
    wrong, classes, started = [], Counter[str](), time.process_time()
    for seed in range(first, last):
        pair = random_pair(seed)
        expected = compare_plainly(pair.left, pair.right, pair.key, pair.tolerances)
        classes.update(verdict[0] for verdict in expected.drift.values())
        classes["match"] += expected.match
        if compared(pair) != expected:
            wrong.append(seed)
            print(f"seed {seed}: the engine and the model differ")
    found = ", ".join(f"{count:,} {name}" for name, count in sorted(classes.items()))
    print(f"{last - first:,} pairs, {len(wrong)} wrong: {found}; {time.process_time() - started:.0f} s CPU")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
