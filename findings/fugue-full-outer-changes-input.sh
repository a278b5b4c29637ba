#!/usr/bin/env bash
# Fugue 0.9.7: a full outer join on the native (pandas) engine writes a column `k_null` into both frames that it was given.
# The next join of the same frames returns that column too, and without `on`, which means the columns that both have,
# it is a key of the join.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check fugue==0.9.7 pandas==2.3.3
venv/bin/python - 2>log <<'PY' | tee seen || { tail -5 log >&2; exit 1; }
import fugue.api as fa
import pandas as pd

left = pd.DataFrame({"k": ["a", None, "b"], "v": [1, 2, 3]})
right = pd.DataFrame({"k": ["a", None, "c"], "w": [1, 2, 3]})
for how in ("inner", "left_outer", "right_outer", "semi", "anti", "full_outer"):
    fa.join(left, right, how=how, on=["k"], engine="native")
    print(f"after {how}: left {list(left.columns)}, right {list(right.columns)}")
print("the left frame as the next step gets it:", left.values.tolist())
joined = fa.join(left, right, how="inner", engine="native")
print("an inner join of the same frames:", list(joined.columns), joined.values.tolist())
PY
diff seen - <<'SEEN' && echo "as described"
after inner: left ['k', 'v'], right ['k', 'w']
after left_outer: left ['k', 'v'], right ['k', 'w']
after right_outer: left ['k', 'v'], right ['k', 'w']
after semi: left ['k', 'v'], right ['k', 'w']
after anti: left ['k', 'v'], right ['k', 'w']
after full_outer: left ['k', 'v', 'k_null'], right ['k', 'w', 'k_null']
the left frame as the next step gets it: [['a', 1, 0], [None, 2, 1], ['b', 3, 0]]
an inner join of the same frames: ['k', 'v', 'k_null', 'w'] [['a', 1, 0, 1]]
SEEN
