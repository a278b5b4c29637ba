#!/usr/bin/env bash
# DataFusion 55.0.0: `k IN (0.0, 5.0)` finds -0.0, as `k = 0.0` does; with four values in the list it does not, and NOT IN
# returns it. Up to three values become comparisons, more are looked up by their bits. GROUP BY and joins take both zeros for
# one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check datafusion==55.0.0 pyarrow==26.0.1
venv/bin/python - 2>log <<'PY' | tee seen || { cat log >&2; exit 1; }
import pyarrow as pa
from datafusion import SessionContext

context = SessionContext()
context.from_arrow(pa.table({"k": [0.0, -0.0, 1.0]}), name="t")
for condition in ("k = 0.0", "k IN (0.0, 5.0, 6.0)", "k IN (0.0, 5.0, 6.0, 7.0)", "k NOT IN (0.0, 5.0, 6.0, 7.0)"):
    print(f"{condition}:", context.sql(f"SELECT k FROM t WHERE {condition}").to_pydict()["k"])
print("groups:", context.sql("SELECT count(*) AS n FROM t GROUP BY k ORDER BY n").to_pydict()["n"])
PY
diff seen - <<'SEEN' && echo "as described"
k = 0.0: [0.0, -0.0]
k IN (0.0, 5.0, 6.0): [0.0, -0.0]
k IN (0.0, 5.0, 6.0, 7.0): [0.0]
k NOT IN (0.0, 5.0, 6.0, 7.0): [-0.0, 1.0]
groups: [1, 2]
SEEN
