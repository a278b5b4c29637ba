#!/usr/bin/env bash
# avsc 5.7.9 (Node): the schema that it infers from values has a float of 32 bits for every number that is not a 32-bit integer,
# though JavaScript's numbers are doubles and Avro has both double and long: an id, a time in milliseconds and an amount are
# written as other numbers, without an error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund avsc@5.7.9 2>log || { cat log >&2; exit 1; }
cat >run.js <<'JS'
const avro = require('avsc')

for (const [name, value] of Object.entries({ small: 7, id: 2147483649, millis: 1767225600001, amount: 19.99 })) {
  const type = avro.Type.forValue({ value })
  console.log(`${name}: ${value} as ${type.schema().fields[0].type} is ${type.fromBuffer(type.toBuffer({ value })).value}`)
}
JS
node run.js | tee seen
diff seen - <<'SEEN' && echo "as described"
small: 7 as int is 7
id: 2147483649 as float is 2147483648
millis: 1767225600001 as float is 1767225556992
amount: 19.99 as float is 19.989999771118164
SEEN
