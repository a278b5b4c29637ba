#!/usr/bin/env bash
# pandas 3.1.1: `merge` of a frame whose ids are integers with one whose ids are floats, as they become when one id is missing,
# compares both as floats: 9007199254740993 is merged with the row of 9007199254740992, and the result shows the left id.
# There is a warning for floats with a fraction only. polars 2.1.0 refuses to join the two types.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pandas==3.1.1 polars==2.1.0
venv/bin/python -W error - 2>log <<'PY' | tee seen || { cat log >&2; exit 1; }
import pandas
import polars

shown = {"id": [9007199254740993], "ad": ["a"]}
played = {"id": [9007199254740992, None], "play": ["of another id", "of none"]}
frames = pandas.DataFrame(shown), pandas.DataFrame(played)
print("ids:", *(frame["id"].dtype for frame in frames))
print("pandas:", frames[0].merge(frames[1], on="id").to_dict("records"))
floats = polars.DataFrame(played).with_columns(polars.col("id").cast(polars.Float64))
try:
    polars.DataFrame(shown).join(floats, on="id")
except polars.exceptions.SchemaError as error:
    print("polars:", type(error).__name__)
PY
diff seen - <<'SEEN' && echo "as described"
ids: int64 float64
pandas: [{'id': 9007199254740993, 'ad': 'a', 'play': 'of another id'}]
polars: SchemaError
SEEN
