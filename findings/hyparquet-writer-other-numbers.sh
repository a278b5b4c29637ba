#!/usr/bin/env bash
# hyparquet-writer 0.17.0 (Node): a number that its column cannot hold is an error for INT32 and INT64, and another number for
# smaller integers and decimals: 40000 is -25536 in INT_16, 999.99 is -310.73 in a decimal of two bytes. A decimal of bytes goes by way
# of a double, and a BigInt in a decimal column is taken for its digits: 5n is 0.05 where 5 is 5.00. The minimum and maximum of the
# small integers are noted in their order before: Arrow 26.0.1 with a filter does not find the others either.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund hyparquet-writer@0.17.0 2>log || { cat log >&2; exit 1; }
cat >write.mjs <<'JS'
import { parquetWriteFile } from 'hyparquet-writer'

function write (filename, data, column) {
  const schema = [{ name: 'root', num_children: 1 }, { name: 'v', repetition_type: 'OPTIONAL', ...column }]
  parquetWriteFile({ filename, columnData: [{ name: 'v', data }], schema })
}
const decimal = { converted_type: 'DECIMAL', scale: 2 }
write('small', [1, 40000], { type: 'INT32', converted_type: 'INT_16' })
write('fixed', [1.5, 999.99], { ...decimal, precision: 4, type: 'FIXED_LEN_BYTE_ARRAY', type_length: 2 })
write('bytes', [1.5, 12345678901234567890], { ...decimal, precision: 38, type: 'BYTE_ARRAY' })
write('long', [5, 5n], { ...decimal, precision: 18, type: 'INT64' })
try {
  write('wide', [1, 2147483648], { type: 'INT32' })
} catch (error) {
  console.log(error.message)
}
JS
cat >read.py <<'PY'
import pyarrow.parquet as pq

for name in ("small", "fixed", "bytes", "long"):
    print(f"{name}:", *pq.read_table(name)["v"].to_pylist())
print("small, v = 1:", pq.read_table("small", filters=[("v", "=", 1)])["v"].to_pylist())
PY
{ node write.mjs; venv/bin/python read.py; } | tee seen
diff seen - <<'SEEN' && echo "as described"
parquet expected int32 value, got 2147483648
small: 1 -25536
fixed: 1.50 -310.73
bytes: 1.50 12345678901234567741.44
long: 5.00 0.05
small, v = 1: []
SEEN
