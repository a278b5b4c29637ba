#!/usr/bin/env bash
# Hardwood 1.0.1.Final, a Parquet reader for Java 21: bounds of unsigned columns are compared as signed ones, so that `u = 5` finds
# nothing in a row group with 5 and a value beyond 2^31; `f <> 1.5` and `f > 2` lose a NaN that they find in a row group by itself,
# since Arrow's bounds leave NaN out; `f = 0.0` does not find -0.0. Read without a condition all rows are there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for home in "${JAVA_HOME:-}" /usr/lib/jvm/*; do
    if [ -x "$home/bin/java" ] && "$home/bin/java" -version 2>&1 | grep -qE 'version "(2[1-9]|[3-9][0-9])'; then java=$home/bin/java; fi
done
[ -n "${java:-}" ] || { echo "needs Java 21 or newer" >&2; exit 1; }
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
mvn --quiet --batch-mode dependency:copy -Dartifact=dev.hardwood:hardwood-core:1.0.1.Final -DoutputDirectory=. >log 2>&1 || { cat log >&2; exit 1; }
venv/bin/python - <<'PY'
import pyarrow as pa
import pyarrow.parquet as pq

nan = float("nan")
rows = pa.table({
    "u": pa.array([5, 3000000000, 5, 7], pa.uint32()),
    "f": [1.5, nan, -0.0, 2.5],
    "id": [0, 1, 2, 3],
})
for size in (1, 2):
    pq.write_table(rows, f"groups-of-{size}.parquet", row_group_size=size, compression="none")
PY
cat >Read.java <<'JAVA'
import static dev.hardwood.reader.FilterPredicate.*;

import dev.hardwood.InputFile;
import dev.hardwood.reader.FilterPredicate;
import dev.hardwood.reader.ParquetFileReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;

class Read {
  public static void main(String[] files) throws Exception {
    var filters = new LinkedHashMap<String, FilterPredicate>();
    filters.put("u = 5", eq("u", 5));
    filters.put("u > 6", gt("u", 6));
    filters.put("f <> 1.5", notEq("f", 1.5));
    filters.put("f > 2", gt("f", 2.0));
    filters.put("f = 0.0", eq("f", 0.0));
    for (var file : files) {
      System.out.println(file);
      for (var filter : filters.entrySet()) {
        var ids = new ArrayList<Long>();
        try (var reader = ParquetFileReader.open(InputFile.of(Path.of(file)));
            var rows = reader.buildRowReader().filter(filter.getValue()).build()) {
          while (rows.hasNext()) {
            rows.next();
            ids.add(rows.getLong("id"));
          }
        }
        System.out.println("  " + filter.getKey() + ": " + ids);
      }
    }
  }
}
JAVA
"$java" -cp hardwood-core-1.0.1.Final.jar Read.java groups-of-*.parquet 2>log | tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
groups-of-1.parquet
  u = 5: [0, 2]
  u > 6: [3]
  f <> 1.5: [1, 2, 3]
  f > 2: [1, 3]
  f = 0.0: []
groups-of-2.parquet
  u = 5: [2]
  u > 6: [3]
  f <> 1.5: [2, 3]
  f > 2: [3]
  f = 0.0: []
SEEN
