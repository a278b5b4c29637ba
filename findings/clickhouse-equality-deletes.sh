#!/usr/bin/env bash
# ClickHouse 26.9 (chdb-core 26.9.0), Iceberg tables with equality deletes, as Flink's upserts and Debezium's Iceberg
# sink write them. A delete of id = 1 also takes away the row whose id is NULL; the Iceberg spec ("Equality Delete
# Files") and Iceberg's own reader keep it. And a delete file of an unpartitioned spec, which the spec ("Scan Planning")
# applies to all older data files, reaches none of those that were written when the table was partitioned: the deleted
# rows are there again. Neither says a word. Needs Maven and Java 17.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check chdb==4.4.0 chdb-core==26.9.0
of() { for one in "$@"; do IFS=: read -r group name version <<<"$one"; echo "<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"; done; }
cat >pom.xml <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>f</groupId><artifactId>f</artifactId><version>1</version>
  <dependencies>$(of org.apache.iceberg:iceberg-{core,data,orc,parquet}:1.11.0 org.apache.hadoop:hadoop-client-{api,runtime}:3.4.2 \
    commons-logging:commons-logging:1.3.0 org.slf4j:slf4j-simple:2.0.17)</dependencies>
</project>
POM
mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib >log 2>&1 || { cat log >&2; exit 1; }
cat >Deletes.java <<'JAVA'
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.FileFormat;
import org.apache.iceberg.PartitionKey;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.StructLike;
import org.apache.iceberg.Table;
import org.apache.iceberg.data.GenericAppenderFactory;
import org.apache.iceberg.data.GenericRecord;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.deletes.EqualityDeleteWriter;
import org.apache.iceberg.hadoop.HadoopTables;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.io.DataWriter;
import org.apache.iceberg.io.OutputFileFactory;
import org.apache.iceberg.types.Types;

public class Deletes {
  static final Schema SCHEMA = new Schema(
      Types.NestedField.optional(1, "id", Types.IntegerType.get()), Types.NestedField.optional(2, "v", Types.IntegerType.get()));

  public static void main(String[] args) throws Exception {
    Table nulls = table(args[0] + "/nulls", PartitionSpec.unpartitioned());
    write(nulls, null, row(1, 10), row(2, 20), row(null, 30));
    deleteOne(nulls);
    Table changed = table(args[0] + "/changed", PartitionSpec.builderFor(SCHEMA).identity("v").build());
    for (Record row : List.of(row(1, 10), row(2, 20))) {
      PartitionKey key = new PartitionKey(changed.spec(), SCHEMA);
      key.partition(row);
      write(changed, key, row);
    }
    changed.updateSpec().removeField("v").commit();
    deleteOne(changed);
  }

  static Table table(String path, PartitionSpec spec) {
    return new HadoopTables(new Configuration()).create(SCHEMA, spec, Map.of("format-version", "2"), path);
  }

  static Record row(Integer id, Integer v) {
    Record made = GenericRecord.create(SCHEMA);
    made.setField("id", id);
    made.setField("v", v);
    return made;
  }

  static void write(Table table, StructLike key, Record... rows) throws Exception {
    GenericAppenderFactory made = new GenericAppenderFactory(table.schema(), table.spec());
    OutputFileFactory files = OutputFileFactory.builderFor(table, 1, 1).format(FileFormat.PARQUET).build();
    DataWriter<Record> writer = made.newDataWriter(key == null ? files.newOutputFile() : files.newOutputFile(key), FileFormat.PARQUET, key);
    for (Record row : rows) {
      writer.write(row);
    }
    writer.close();
    table.newAppend().appendFile(writer.toDataFile()).commit();
  }

  static void deleteOne(Table table) throws Exception {
    Schema id = table.schema().select("id");
    GenericAppenderFactory made = new GenericAppenderFactory(table.schema(), table.spec(), new int[] {1}, id, null);
    OutputFileFactory files = OutputFileFactory.builderFor(table, 1, 2).format(FileFormat.PARQUET).build();
    EqualityDeleteWriter<Record> writer = made.newEqDeleteWriter(files.newOutputFile(), FileFormat.PARQUET, null);
    Record one = GenericRecord.create(id);
    one.setField("id", 1);
    writer.write(one);
    writer.close();
    table.newRowDelta().addDeletes(writer.toDeleteFile()).commit();
    List<String> rows = new ArrayList<>();
    try (CloseableIterable<Record> found = IcebergGenerics.read(table).build()) {
      found.forEach(row -> rows.add(row.getField("id") + " " + row.getField("v")));
    }
    rows.sort(null);
    String name = table.location().substring(table.location().lastIndexOf('/') + 1);
    System.out.println(name + ", Iceberg:    " + rows);
  }
}
JAVA
javac -nowarn -cp 'lib/*' -d classes Deletes.java 2>log || { cat log >&2; exit 1; }
java -Dorg.slf4j.simpleLogger.defaultLogLevel=off -cp 'classes:lib/*' Deletes "$work/lake" >seen 2>log || { cat log >&2; exit 1; }
venv/bin/python - <<'PY' >>seen
import chdb

for name in ("nulls", "changed"):
    query = f"SELECT id, v FROM icebergLocal('lake/{name}') ORDER BY v"
    rows = str(chdb.query(query, "TabSeparated")).replace("\\N", "null").replace("\t", " ").splitlines()
    print(f"{name}, ClickHouse: [{', '.join(rows)}]")
PY
sort -r seen | tee sorted
diff sorted - <<'SEEN' && echo "as described"
nulls, Iceberg:    [2 20, null 30]
nulls, ClickHouse: [2 20]
changed, Iceberg:    [2 20]
changed, ClickHouse: [1 10, 2 20]
SEEN
