#!/usr/bin/env bash
# Kafka Connect 4.3.0, the transform Cast: a number that the new type cannot hold is written as another one, without an
# error: 40000 as int16 is -25536, 4294967303 as int32 is 7, a Timestamp as int32 some other moment, NaN is 0, 1e20 the greatest
# integer, or -1 as int16. As text the same numbers are refused. 0.5 as boolean is false, and so is the text "1".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>x</groupId><artifactId>x</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-transforms</artifactId><version>4.3.0</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib" >"$work/log" 2>&1
cat >"$work/Show.java" <<'JAVA'
import java.util.Date;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.Cast;

public class Show {
    static void show(Schema schema, Object value, String type) {
        var cast = new Cast.Value<SourceRecord>();
        cast.configure(Map.of("spec", "a:" + type));
        var row = SchemaBuilder.struct().field("a", schema).build();
        String seen;
        try {
            var record = new SourceRecord(null, null, "t", 0, row, new Struct(row).put("a", value));
            seen = String.valueOf(((Struct) cast.apply(record).value()).get("a"));
        } catch (RuntimeException refused) {
            seen = "refused";
        }
        String name = value instanceof Date time ? "the time " + time.toInstant() : value.toString();
        System.out.println(name + " (" + schema.type().getName() + ") as " + type + ": " + seen);
    }

    public static void main(String[] args) {
        show(Schema.INT64_SCHEMA, 40000L, "int16");
        show(Schema.INT64_SCHEMA, 4294967303L, "int32");
        show(Schema.STRING_SCHEMA, "4294967303", "int32");
        show(Schema.INT64_SCHEMA, 16777217L, "float32");
        show(Timestamp.SCHEMA, new Date(1767225600123L), "int32");
        show(Schema.FLOAT64_SCHEMA, 1e20, "int64");
        show(Schema.FLOAT64_SCHEMA, 1e20, "int16");
        show(Schema.FLOAT64_SCHEMA, Double.NaN, "int64");
        show(Schema.FLOAT64_SCHEMA, 0.5, "boolean");
        show(Schema.STRING_SCHEMA, "1", "boolean");
    }
}
JAVA
java -cp "$work/lib/*" "$work/Show.java" 2>>"$work/log" | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
diff "$work/seen" - <<'SEEN' && echo "as described"
40000 (int64) as int16: -25536
4294967303 (int64) as int32: 7
4294967303 (string) as int32: refused
16777217 (int64) as float32: 1.6777216E7
the time 2026-01-01T00:00:00.123Z (int64) as int32: 1994041467
1.0E20 (float64) as int64: 9223372036854775807
1.0E20 (float64) as int16: -1
NaN (float64) as int64: 0
0.5 (float64) as boolean: false
1 (string) as boolean: false
SEEN
