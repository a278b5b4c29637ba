#!/usr/bin/env bash
# Kafka Connect's JsonConverter 4.3.0 writes a decimal as base64 of its bytes (decimal.format BASE64, its default; so does
# Debezium with decimal.handling.mode precise). Of some numbers that base64 is a number itself: -26588.24 is "1234". Who
# reads the column as text that holds a number gets another one there without an error, here Spark 4.1.4's from_json and
# DuckDB 2.0.1; most other values fail or are NULL, so that it looks like bad records, not like a wrong reader.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>x</groupId><artifactId>x</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-json</artifactId><version>4.3.0</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib" >"$work/log" 2>&1
cat >"$work/Write.java" <<'JAVA'
import java.math.BigDecimal;
import java.util.Map;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;

public class Write {
    public static void main(String[] args) {
        var converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", "false"), false);
        var row = SchemaBuilder.struct().field("amount", Decimal.schema(2)).build();
        for (String amount : new String[] {"12.34", "-26588.24", "-26604.27", "100.00"}) {
            var value = new Struct(row).put("amount", new BigDecimal(amount));
            System.out.println(amount + " " + new String(converter.fromConnectData("t", row, value)));
        }
    }
}
JAVA
java -cp "$work/lib/*" "$work/Write.java" >"$work/written" 2>>"$work/log"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pyspark==4.1.4
"$work/venv/bin/python" - "$work/written" 2>>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import sys

import duckdb
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
for line in open(sys.argv[1]):
    amount, value = line.split()
    frame = spark.createDataFrame([(value,)], "v STRING")
    read = frame.selectExpr("from_json(v, 'amount DECIMAL(10,2)').amount").first()[0]
    cast = duckdb.execute("SELECT TRY_CAST(?::JSON->>'amount' AS DECIMAL(10,2))", [value]).fetchone()[0]
    print(f"{amount} is written {value}, read by Spark as {read}, by DuckDB as {cast}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
12.34 is written {"amount":"BNI="}, read by Spark as None, by DuckDB as None
-26588.24 is written {"amount":"1234"}, read by Spark as 1234.00, by DuckDB as 1234.00
-26604.27 is written {"amount":"12e1"}, read by Spark as 120.00, by DuckDB as 120.00
100.00 is written {"amount":"JxA="}, read by Spark as None, by DuckDB as None
SEEN
