#!/usr/bin/env bash
# Daft 0.6.14: 0.0 and -0.0 are equal for `==` and `is_in`, and two keys for join, groupby, distinct, count_distinct and
# except_distinct. NaN is one group, but no partner of itself: `except_distinct`, the usual way to compare two tables, returns a NaN
# that both have, where NULL is taken for equal.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check daft==0.6.14
DO_NOT_TRACK=true venv/bin/python - 2>log <<'PY' | tee seen || { cat log >&2; exit 1; }
import daft

nan = float("nan")
left = daft.from_pydict({"f": [0.0, nan, None, 1.5], "a": [1, 2, 3, 4]})
right = daft.from_pydict({"f": [-0.0, nan, None, 1.5], "b": [1, 2, 3, 4]})


def values(frame, column):
    return sorted(frame.to_pydict()[column], key=str)


print("left == -0.0:", values(left.where(daft.col("f") == -0.0), "f"))
print("left in (-0.0):", values(left.where(daft.col("f").is_in([-0.0])), "f"))
print("joined rows of left:", values(left.join(right, on="f"), "a"))
both = left.select("f").concat(right.select("f"))
print("groups of both:", values(both.groupby("f").agg(daft.col("f").count("all").alias("n")), "n"))
print("distinct values of both:", values(both.distinct(), "f"))
print("left except right:", values(left.select("f").except_distinct(right.select("f")), "f"))
PY
diff seen - <<'SEEN' && echo "as described"
left == -0.0: [0.0]
left in (-0.0): [0.0]
joined rows of left: [4]
groups of both: [1, 1, 2, 2, 2]
distinct values of both: [-0.0, 0.0, 1.5, None, nan]
left except right: [0.0, nan]
SEEN
