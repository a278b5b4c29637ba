#!/usr/bin/env bash
# hyparquet 1.33.0 (Node): decimals are read as doubles, so that two amounts a cent apart are equal, also below a filter; times are
# cut to milliseconds towards 1970: the last microsecond of 1969 is 1970. Integers of 64 bits are exact (BigInt).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund hyparquet@1.33.0 2>log || { cat log >&2; exit 1; }
venv/bin/python - <<'PY'
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

amounts = pa.array([Decimal("12345678901234567.89"), Decimal("12345678901234567.90")], pa.decimal128(20, 2))
times = pa.array([datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(1970, 1, 1)], pa.timestamp("us"))
pq.write_table(pa.table({"amount": amounts, "t": times, "id": [9007199254740993, 9007199254740992]}), "rows.parquet")
PY
cat >read.mjs <<'JS'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'

const file = await asyncBufferFromFile('rows.parquet')
for (const { amount, t, id } of await parquetReadObjects({ file })) console.log(amount, t.toISOString(), id)
const [{ amount }] = await parquetReadObjects({ file })
const found = await parquetReadObjects({ file, filter: { amount: { $eq: amount } }, columns: ['amount'] })
console.log('rows with the first amount:', found.length)
JS
node read.mjs | tee seen
diff seen - <<'SEEN' && echo "as described"
12345678901234568 1970-01-01T00:00:00.000Z 9007199254740993n
12345678901234568 1970-01-01T00:00:00.000Z 9007199254740992n
rows with the first amount: 2
SEEN
