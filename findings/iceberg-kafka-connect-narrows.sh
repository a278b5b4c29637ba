#!/usr/bin/env bash
# Iceberg 1.12.0's sink for Kafka Connect (iceberg-kafka-connect) writes a number that its column cannot hold as another
# one, without an error: RecordConverter takes Java's intValue(), longValue() and floatValue(). 4294967303 is 7 in a column
# of type int, 7.9 too; 1e19 is 9223372036854775807.00 in one of decimal(38,2), 1e300 infinity in a float; the text "yes" is
# false. A number in a timestamp column is milliseconds, whatever it was. With iceberg.tables.evolve-schema-enabled only
# records with a schema widen a column; these are JSON without one. The sink's own writer writes here, in Avro, to a table
# in memory, and Iceberg's own reader reads it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>x</groupId><artifactId>x</artifactId><version>1</version>
  <properties><iceberg>1.12.0</iceberg><hadoop>3.4.2</hadoop></properties>
  <dependencies>
    <dependency><groupId>org.apache.iceberg</groupId><artifactId>iceberg-kafka-connect</artifactId><version>${iceberg}</version></dependency>
    <dependency><groupId>org.apache.iceberg</groupId><artifactId>iceberg-parquet</artifactId><version>${iceberg}</version></dependency>
    <dependency><groupId>org.apache.iceberg</groupId><artifactId>iceberg-orc</artifactId><version>${iceberg}</version></dependency>
    <dependency><groupId>org.apache.hadoop</groupId><artifactId>hadoop-client-api</artifactId><version>${hadoop}</version></dependency>
    <dependency><groupId>org.apache.hadoop</groupId><artifactId>hadoop-client-runtime</artifactId><version>${hadoop}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-json</artifactId><version>4.3.0</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>2.0.18</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/lib" >"$work/log" 2>&1
cat >"$work/Sink.java" <<'JAVA'
package org.apache.iceberg.connect.data;

import java.util.Map;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.connect.IcebergSinkConfig;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.inmemory.InMemoryCatalog;
import org.apache.iceberg.types.Types;
import org.apache.iceberg.types.Types.NestedField;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;

public class Sink {
    public static void main(String[] arguments) throws Exception {
        var catalog = new InMemoryCatalog();
        catalog.initialize("lake", Map.of("warehouse", "/lake"));
        catalog.createNamespace(Namespace.of("db"));
        var schema = new Schema(
            NestedField.optional(1, "int", Types.IntegerType.get()),
            NestedField.optional(2, "decimal", Types.DecimalType.of(38, 2)),
            NestedField.optional(3, "float", Types.FloatType.get()),
            NestedField.optional(4, "boolean", Types.BooleanType.get()),
            NestedField.optional(5, "timestamp", Types.TimestampType.withZone()));
        var table = catalog.createTable(
            TableIdentifier.of("db", "t"), schema, PartitionSpec.unpartitioned(), Map.of("write.format.default", "avro"));
        var config = new IcebergSinkConfig(
            Map.of("name", "sink", "topics", "t", "iceberg.tables", "db.t", "iceberg.catalog.type", "rest"));
        var converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", "false"), false);
        for (String line : new String[] {
            "{\"int\": 4294967303}", "{\"int\": 7.9}", "{\"decimal\": 1e19}", "{\"decimal\": 1234567890123456.78}",
            "{\"float\": 1e300}", "{\"boolean\": \"yes\"}", "{\"timestamp\": 1700000000000000}"}) {
            var value = converter.toConnectData("t", line.getBytes());
            var record = new SinkRecord("t", 0, null, null, value.schema(), value.value(), 0);
            var writer = new IcebergWriterFactory(catalog, config).createWriter("db.t", record, false);
            writer.write(record);
            var append = table.newAppend();
            writer.complete().forEach(written -> written.dataFiles().forEach(append::appendFile));
            append.commit();
            try (var rows = IcebergGenerics.read(table).build()) {
                var name = line.split("\"")[1];
                rows.forEach(row -> System.out.println(line + " is written as " + row.getField(name)));
            }
            table.newDelete().deleteFromRowFilter(Expressions.alwaysTrue()).commit();
        }
    }
}
JAVA
javac -cp "$work/lib/*" -d "$work/classes" "$work/Sink.java" 2>>"$work/log"
java -cp "$work/classes:$work/lib/*" org.apache.iceberg.connect.data.Sink 2>>"$work/log" | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
diff "$work/seen" - <<'SEEN' && echo "as described"
{"int": 4294967303} is written as 7
{"int": 7.9} is written as 7
{"decimal": 1e19} is written as 9223372036854775807.00
{"decimal": 1234567890123456.78} is written as 1234567890123456.80
{"float": 1e300} is written as Infinity
{"boolean": "yes"} is written as false
{"timestamp": 1700000000000000} is written as +55840-11-08T22:13:20Z
SEEN
