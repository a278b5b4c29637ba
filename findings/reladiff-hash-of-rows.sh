#!/usr/bin/env bash
# reladiff 0.6.0 (the maintained successor of data-diff), algorithm "hashdiff" as it is used between two databases: a
# row's checksum is made of its values' texts with '|' between them and '<null>' for NULL. Rows ('a|b', 'c') and
# ('a', 'b|c'), and NULL and the text '<null>', are equal wherever a segment is compared by checksum; a NULL in a segment
# that is small enough to be downloaded, which differs, is a TypeError. "joindiff" tells them apart.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check reladiff==0.6.0 sqeleton==0.1.7 duckdb==2.0.1
cd "$work"
"$work/venv/bin/python" - <<'PY' 2>/dev/null | tee "$work/seen"
import duckdb
from reladiff import Algorithm, connect_to_table, diff_tables


def compare(what: str, rows: int, left: str, right: str) -> None:
    """Two tables of as many equal rows, and one more that differs."""
    with duckdb.connect("both.db") as db:
        for name, values in (("a", left), ("b", right)):
            db.sql(f"CREATE OR REPLACE TABLE {name} (id INT, v VARCHAR, w VARCHAR)")
            db.sql(f"INSERT INTO {name} SELECT range, 'q', 'q' FROM range({rows})")
            db.sql(f"INSERT INTO {name} VALUES ({rows}, {values})")
    for algorithm in (Algorithm.HASHDIFF, Algorithm.JOINDIFF):
        sides = [
            connect_to_table({"driver": "duckdb", "filepath": "both.db"}, name, "id", extra_columns=("v", "w"))
            for name in "ab"
        ]
        try:
            found = len(list(diff_tables(*sides, algorithm=algorithm)))
        except TypeError as error:
            found = f"TypeError: {error}"
        print(f"{what}, {rows:,} rows, {algorithm.name}:", found)


compare("a separator in the text", 100_000, "'a|b', 'c'", "'a', 'b|c'")
compare("NULL and '<null>'", 100_000, "NULL, 'x'", "'<null>', 'x'")
compare("NULL and a value", 10, "NULL, 'x'", "'v', 'x'")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
a separator in the text, 100,000 rows, HASHDIFF: 0
a separator in the text, 100,000 rows, JOINDIFF: 2
NULL and '<null>', 100,000 rows, HASHDIFF: 0
NULL and '<null>', 100,000 rows, JOINDIFF: 2
NULL and a value, 10 rows, HASHDIFF: TypeError: '<' not supported between instances of 'NoneType' and 'str'
NULL and a value, 10 rows, JOINDIFF: 2
SEEN
