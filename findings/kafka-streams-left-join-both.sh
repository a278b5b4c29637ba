#!/usr/bin/env bash
# Kafka Streams 4.3.0: a left join of two streams with a grace period (JoinWindows.ofTimeDifferenceAndGrace), which is
# there so that a row without a match is final, can emit a left record both without a match and with one: the window
# closes when stream time is beyond its end and the grace, but a right record that comes then is still joined from the
# store. A consumer that counts rows has the left record twice. A left record behind its closed window is not dropped: it
# is emitted at once.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>x</groupId><artifactId>x</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-streams-test-utils</artifactId><version>4.3.0</version>
    </dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib" >"$work/log" 2>&1
cat >"$work/Join.java" <<'JAVA'
import java.time.Duration;
import java.time.Instant;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;

public class Join {
    /** Ten seconds on both sides and five of grace; each record is "side key second". */
    static void join(String store, String... records) {
        var text = Serdes.String();
        var builder = new StreamsBuilder();
        var windows = JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(5));
        builder.stream("left", Consumed.with(text, text))
            .leftJoin(builder.stream("right", Consumed.with(text, text)), (l, r) -> l + " with " + r, windows,
                StreamJoined.with(text, text, text))
            .to("joined", Produced.with(text, text));
        var options = new Properties();
        options.put("application.id", "join");
        options.put("bootstrap.servers", "127.0.0.1:1");
        options.put("state.dir", store);
        try (var driver = new TopologyTestDriver(builder.build(), options, Instant.EPOCH)) {
            var joined = driver.createOutputTopic("joined", new StringDeserializer(), new StringDeserializer());
            for (String record : records) {
                String[] parts = record.split(" ");
                driver.createInputTopic(parts[0], new StringSerializer(), new StringSerializer())
                    .pipeInput(parts[1], parts[0] + "@" + parts[2], Long.parseLong(parts[2]) * 1000);
                driver.advanceWallClockTime(Duration.ofSeconds(2));
                System.out.println(record + " -> " + joined.readValuesToList());
            }
        }
        System.out.println();
    }

    public static void main(String[] args) {
        join(args[0] + "/1", "left k 0", "right other 16", "right k 10");
        join(args[0] + "/2", "left k 0", "right other 16", "right k 0");
        join(args[0] + "/3", "right other 100", "left k 0");
    }
}
JAVA
java -cp "$work/lib/*" "$work/Join.java" "$work/state" 2>>"$work/log" | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
diff "$work/seen" - <<'SEEN' && echo "as described"
left k 0 -> []
right other 16 -> [left@0 with null]
right k 10 -> [left@0 with right@10]

left k 0 -> []
right other 16 -> [left@0 with null]
right k 0 -> [left@0 with right@0]

right other 100 -> []
left k 0 -> [left@0 with null]

SEEN
