#!/usr/bin/env bash
# Feast 0.67.0, get_historical_features from a file source: each row of the entity frame should come back with its features
# as of its time, or without. The default offline store ("file", on Dask) loses, without a word, rows whose feature is older
# than the view's ttl, and of rows with equal key and time all but the last, though their other columns differ. A key that
# has no feature at all stays. The store "duckdb" returns all rows.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check feast==0.67.0 dask==2026.8.0 "ibis-framework[duckdb]==12.0.0" duckdb==2.0.1 pandas==2.3.3 pyarrow==26.0.1
venv/bin/python - 2>log <<'PY' | tee seen || { cat log >&2; exit 1; }
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64


def at(minute):
    return pd.Timestamp("2024-01-01T00:00:00Z") + pd.Timedelta(minutes=minute)


pd.DataFrame({"ad": [1, 2], "ts": [at(0), at(0)], "price": [1.5, 2.5]}).to_parquet("prices.parquet")
asked = [("in time", 1, 20), ("beyond ttl", 1, 40), ("no such ad", 9, 20), ("twice, one", 2, 10), ("twice, two", 2, 10)]
rows = pd.DataFrame({"row": [name for name, _, _ in asked], "ad": [ad for _, ad, _ in asked]})
rows["event_timestamp"] = [at(minute) for _, _, minute in asked]
for kind in ("file", "duckdb"):
    store = FeatureStore(config=RepoConfig(
        project="ads", provider="local", registry=f"{kind}.db", offline_store={"type": kind},
        online_store={"type": "sqlite", "path": "online.db"}, entity_key_serialization_version=3,
    ))
    ad = Entity(name="ad", join_keys=["ad"], value_type=ValueType.INT64)
    source = FileSource(name="prices", path=str(Path("prices.parquet").resolve()), timestamp_field="ts")
    fields = [Field(name="price", dtype=Float64)]
    store.apply([ad, FeatureView(name="prices", entities=[ad], ttl=timedelta(minutes=30), schema=fields, source=source)])
    found = store.get_historical_features(entity_df=rows, features=["prices:price"]).to_df().sort_values("row")
    print(f"{kind}:", *(f"{name}: {price};" for name, price in zip(found["row"], found["price"], strict=True)))
PY
diff seen - <<'SEEN' && echo "as described"
file: in time: 1.5; no such ad: nan; twice, two: 2.5;
duckdb: beyond ttl: nan; in time: 1.5; no such ad: nan; twice, one: 2.5; twice, two: 2.5;
SEEN
