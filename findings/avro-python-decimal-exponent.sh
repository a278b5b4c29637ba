#!/usr/bin/env bash
# Apache's avro 1.12.2 for Python writes the digits of a decimal and leaves its exponent out of account: with the scale 2 of
# the schema Decimal("1.5") is written as 0.15, Decimal("1E+3") as 0.01. Only a Decimal with just as many places as the
# schema's scale is written right; more places are an error. Digits beyond the precision are written, and cut when they are
# read. fastavro 1.13.1 writes 1.50 and 1000.00, and refuses what does not fit.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check avro==1.12.2 fastavro==1.13.1
cd "$work"
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import io
import json
from decimal import Decimal

import avro.io
import avro.schema
import fastavro

MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
ours, theirs = fastavro.parse_schema(MONEY), avro.schema.parse(json.dumps(MONEY))


def by_avro(amount):
    out = io.BytesIO()
    avro.io.DatumWriter(theirs).write(amount, avro.io.BinaryEncoder(out))
    return out.getvalue()


def by_fastavro(amount):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, ours, amount)
    return out.getvalue()


for text in ("1.50", "1.5", "7", "1E+3", "1.505", "1234567.89"):
    told = []
    for write in (by_avro, by_fastavro):
        try:
            told.append(str(fastavro.schemaless_reader(io.BytesIO(write(Decimal(text))), ours)))
        except Exception as error:
            told.append(type(error).__name__)
    print(f"{text}: written by avro {told[0]}, by fastavro {told[1]}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
1.50: written by avro 1.50, by fastavro 1.50
1.5: written by avro 0.15, by fastavro 1.50
7: written by avro 0.07, by fastavro 7.00
1E+3: written by avro 0.01, by fastavro 1000.00
1.505: written by avro AvroOutOfScaleException, by fastavro ValueError
1234567.89: written by avro 1.23457E+6, by fastavro ValueError
SEEN
