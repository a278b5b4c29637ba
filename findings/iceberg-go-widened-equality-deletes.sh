#!/usr/bin/env bash
# iceberg-go 0.7.0 (Go): once a column was widened from int to long, new equality deletes by it, as Flink's upserts write
# them, do not reach the files from before: the deleted row stays, without an error. Iceberg's own reader (1.11.0) leaves
# it out. Needs Go, Maven and Java 17.
set -euo pipefail
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
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
import org.apache.iceberg.HasTableOperations;
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
    Table table = table(args[0] + "/t", PartitionSpec.unpartitioned());
    write(table, null, row(1, 10), row(2, 20), row(3, 30));
    deleteOne(table, 1);
    show(table);
    table.updateSchema().updateColumn("id", Types.LongType.get()).commit();
    deleteOne(table, 2L);
    show(table);
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

  static void deleteOne(Table table, Object value) throws Exception {
    Schema id = table.schema().select("id");
    GenericAppenderFactory made = new GenericAppenderFactory(table.schema(), table.spec(), new int[] {1}, id, null);
    OutputFileFactory files = OutputFileFactory.builderFor(table, 1, 2).format(FileFormat.PARQUET).build();
    EqualityDeleteWriter<Record> writer = made.newEqDeleteWriter(files.newOutputFile(), FileFormat.PARQUET, null);
    Record one = GenericRecord.create(id);
    one.setField("id", value);
    writer.write(one);
    writer.close();
    table.newRowDelta().addDeletes(writer.toDeleteFile()).commit();
  }

  static void show(Table table) throws Exception {
    List<String> rows = new ArrayList<>();
    try (CloseableIterable<Record> found = IcebergGenerics.read(table).build()) {
      found.forEach(row -> rows.add(row.getField("id") + " " + row.getField("v")));
    }
    rows.sort(null);
    System.out.println("id is " + table.schema().findType("id") + ", Iceberg: " + rows);
    System.out.println(((HasTableOperations) table).operations().current().metadataFileLocation());
  }
}
JAVA
javac -nowarn -cp 'lib/*' -d classes Deletes.java 2>log || { cat log >&2; exit 1; }
java -Dorg.slf4j.simpleLogger.defaultLogLevel=off -cp 'classes:lib/*' Deletes "$work/lake" >written 2>log || { cat log >&2; exit 1; }
mkdir read
cat >read/go.mod <<'MOD'
module read

go 1.24
MOD
cat >read/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
)

func main() {
	ctx := context.Background()
	t, err := table.NewFromLocation(ctx, table.Identifier{"db", "t"}, os.Args[1], io.LoadFSFunc(nil, os.Args[1]), nil)
	if err != nil {
		panic(err)
	}
	rows, err := t.Scan().ToArrowTable(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Print("  iceberg-go:")
	for _, chunk := range rows.Column(0).Data().Chunks() {
		for i := range chunk.Len() {
			fmt.Print(" ", chunk.ValueStr(i))
		}
	}
	fmt.Println()
}
GO
(cd read && export GOFLAGS=-mod=mod && go get github.com/apache/iceberg-go@v0.7.0 && go build -o ../reader .) >log 2>&1 || { cat log >&2; exit 1; }
while read -r line; do
  case $line in
    id*) echo "$line" ;;
    *) ./reader "$line" ;;
  esac
done <written | tee seen
diff seen - <<'SEEN' && echo "as described"
id is int, Iceberg: [2 20, 3 30]
  iceberg-go: 2 3
id is long, Iceberg: [3 30]
  iceberg-go: 2 3
SEEN
