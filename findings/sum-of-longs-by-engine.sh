#!/usr/bin/env bash
# The sum of two positive integers beyond 2^63: -9223372036854775808 in SQL by DataFusion 55.0.0, and in polars 2.1.0, Daft 0.6.14,
# pyarrow 26.0.1 and pandas 3.1.1, without an error; also per group. DuckDB 2.0.1 gives the number. So a total of
# nanoseconds or of micro-units of money may be negative, and agrees between any two of the five.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1 duckdb==2.0.1 polars==2.1.0 datafusion==55.0.0 daft==0.6.14 pandas==3.1.1
venv/bin/python -W ignore - 2>log <<'PY' | tee seen || { cat log >&2; exit 1; }
import daft
import datafusion
import duckdb
import pandas
import polars
import pyarrow as pa

paid = pa.table({"ad": [1, 1], "amount": [2**63 - 1, 1]})
query = "SELECT sum(amount) AS amount FROM paid GROUP BY ad"
context = datafusion.SessionContext()
context.from_arrow(paid, name="paid")
print("DuckDB:", duckdb.sql(query).fetchall()[0][0])
print("DataFusion:", context.sql(query).to_pydict()["amount"][0])
print("pyarrow:", paid.group_by("ad").aggregate([("amount", "sum")])["amount_sum"][0])
print("polars:", polars.from_arrow(paid).group_by("ad").agg(polars.col("amount").sum())["amount"][0])
print("Daft:", daft.from_arrow(paid).groupby("ad").sum("amount").to_pydict()["amount"][0])
print("pandas:", paid.to_pandas().groupby("ad")["amount"].sum().iloc[0])
PY
diff seen - <<'SEEN' && echo "as described"
DuckDB: 9223372036854775808
DataFusion: -9223372036854775808
pyarrow: -9223372036854775808
polars: -9223372036854775808
Daft: -9223372036854775808
pandas: -9223372036854775808
SEEN
