#!/usr/bin/env bash
# fastavro 1.13.1, and so Confluent's Python serializer: a value of a union is written by the first branch that can take it in
# some form, not by the one that holds it. In a union of date and timestamp a datetime loses its time of day, in one of
# float and long 16777217 becomes 16777216.0, in one of date and string the text "2024-01-01" a date. The order of the
# branches decides: the other way round all are kept.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check fastavro==1.13.1
venv/bin/python - <<'PY' | tee seen
from datetime import UTC, datetime
from io import BytesIO

from fastavro import parse_schema, schemaless_reader, schemaless_writer

DATE, TIMESTAMP = {"type": "int", "logicalType": "date"}, {"type": "long", "logicalType": "timestamp-millis"}
noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
for value, branches in ((noon, [DATE, TIMESTAMP]), (16777217, ["float", "long"]), ("2024-01-01", [DATE, "string"])):
    for union in (branches, branches[::-1]):
        schema = parse_schema({"type": "record", "name": "event", "fields": [{"name": "x", "type": union}]})
        written = BytesIO()
        schemaless_writer(written, schema, {"x": value})
        written.seek(0)
        names = [branch if isinstance(branch, str) else branch["logicalType"] for branch in union]
        print(f"{value} as {' or '.join(names)}: {schemaless_reader(written, schema)['x']!r}")
PY
diff seen - <<'SEEN' && echo "as described"
2024-01-01 12:00:00+00:00 as date or timestamp-millis: datetime.date(2024, 1, 1)
2024-01-01 12:00:00+00:00 as timestamp-millis or date: datetime.datetime(2024, 1, 1, 12, 0, tzinfo=datetime.timezone.utc)
16777217 as float or long: 16777216.0
16777217 as long or float: 16777217
2024-01-01 as date or string: datetime.date(2024, 1, 1)
2024-01-01 as string or date: '2024-01-01'
SEEN
