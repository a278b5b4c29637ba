#!/usr/bin/env bash
# Kafka Connect 4.3.0, the transform TimestampConverter reads text with SimpleDateFormat, leniently and to milliseconds:
# of "00:00:00.123456" the fraction is 123,456 ms, so that the time is two minutes later, ".5" is 5 ms, 2026-02-30 is the 2nd of
# March, the month 13 a January, and what follows the pattern is not looked at. A time that is written with six
# digits has its milliseconds in the last three of them. Nothing is refused.
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
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.TimestampConverter;

public class Show {
    static Object converted(Object value, String type, String format) {
        var converter = new TimestampConverter.Value<SourceRecord>();
        converter.configure(Map.of("field", "a", "target.type", type, "format", format));
        var row = new HashMap<String, Object>(Map.of("a", value));
        return ((Map<?, ?>) converter.apply(new SourceRecord(null, null, "t", 0, null, row)).value()).get("a");
    }

    static void read(String format, String text) {
        System.out.println(text + " by " + format + ": " + ((Date) converted(text, "Timestamp", format)).toInstant());
    }

    public static void main(String[] args) {
        read("yyyy-MM-dd HH:mm:ss.SSSSSS", "2026-01-01 00:00:00.123456");
        read("yyyy-MM-dd'T'HH:mm:ss.SSS", "2026-01-01T00:00:00.5");
        read("yyyy-MM-dd HH:mm:ss", "2026-01-01 25:61:00");
        read("yyyy-MM-dd", "2026-02-30");
        read("yyyy-MM-dd", "2026-13-01");
        read("yyyy-MM-dd", "2026-01-01T23:00:00");
        var time = new Date(1767225600123L);
        System.out.println(time.toInstant() + " written: " + converted(time, "string", "yyyy-MM-dd HH:mm:ss.SSSSSS"));
    }
}
JAVA
java -cp "$work/lib/*" -Duser.timezone=UTC "$work/Show.java" 2>>"$work/log" | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
diff "$work/seen" - <<'SEEN' && echo "as described"
2026-01-01 00:00:00.123456 by yyyy-MM-dd HH:mm:ss.SSSSSS: 2026-01-01T00:02:03.456Z
2026-01-01T00:00:00.5 by yyyy-MM-dd'T'HH:mm:ss.SSS: 2026-01-01T00:00:00.005Z
2026-01-01 25:61:00 by yyyy-MM-dd HH:mm:ss: 2026-01-02T02:01:00Z
2026-02-30 by yyyy-MM-dd: 2026-03-02T00:00:00Z
2026-13-01 by yyyy-MM-dd: 2027-01-01T00:00:00Z
2026-01-01T23:00:00 by yyyy-MM-dd: 2026-01-01T00:00:00Z
2026-01-01T00:00:00.123Z written: 2026-01-01 00:00:00.000123
SEEN
