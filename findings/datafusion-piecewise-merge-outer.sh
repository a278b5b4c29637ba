#!/usr/bin/env bash
# DataFusion 55.0.0: with `datafusion.optimizer.enable_piecewise_merge_join` (off by default, and said to be experimental)
# LEFT, RIGHT and FULL joins by one comparison, `l.t < r.t`, return the pairs alone: the rows without a partner are lost, as
# if each of them were an inner join.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check datafusion==55.0.0 pyarrow==26.0.1
venv/bin/python - <<'PY' | tee seen
import pyarrow as pa
from datafusion import SessionConfig, SessionContext

left = pa.table({"id": ["a", "b", "c", "d"], "t": pa.array([1, 5, None, 9], pa.int64())})
right = pa.table({"rid": ["p", "q", "r"], "t": pa.array([3, 7, None], pa.int64())})


def rows(piecewise, kind):
    config = SessionConfig().set("datafusion.optimizer.enable_piecewise_merge_join", piecewise)
    context = SessionContext(config)
    context.register_record_batches("l", [left.to_batches(max_chunksize=2)])
    context.register_record_batches("r", [right.to_batches(max_chunksize=2)])
    found = []
    for batch in context.sql(f"SELECT l.id, r.rid FROM l {kind} JOIN r ON l.t < r.t").collect():
        found += zip(*[column.to_pylist() for column in batch.columns])
    return " ".join(sorted(f"{one or '-'}{other or '-'}" for one, other in found))


for kind in ("INNER", "LEFT", "RIGHT", "FULL"):
    print(f"{kind}: {rows('false', kind)} / piecewise: {rows('true', kind)}")
PY
diff seen - <<'SEEN' && echo "as described"
INNER: ap aq bq / piecewise: ap aq bq
LEFT: ap aq bq c- d- / piecewise: ap aq bq
RIGHT: -r ap aq bq / piecewise: ap aq bq
FULL: -r ap aq bq c- d- / piecewise: ap aq bq
SEEN
