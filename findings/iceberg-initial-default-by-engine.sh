#!/usr/bin/env bash
# Iceberg tables of version 3, a column that was added with an initial default of 5: the rows from before have 5 (Iceberg
# spec, "Default values"; Iceberg's own reader). Daft 0.6.14 and ClickHouse 26.9 (chdb-core 26.9.0) read NULL there,
# without a word. iceberg-rust (pyiceberg-core 0.11.0, below DataFusion 54) reads 5, but takes these rows for NULL where
# equality deletes look for theirs: a delete of c = 5 leaves them, and a delete of c = NULL takes them away. Needs Maven
# and Java 17.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check chdb==4.4.0 chdb-core==26.9.0 daft==0.6.14 datafusion==54.0.0 \
  pyiceberg==0.12.0 pyiceberg-core==0.11.0 pyarrow==26.0.1
of() { for one in "$@"; do IFS=: read -r group name version <<<"$one"; echo "<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"; done; }
cat >pom.xml <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>f</groupId><artifactId>f</artifactId><version>1</version>
  <dependencies>$(of org.apache.iceberg:iceberg-{core,data,orc,parquet}:1.11.0 org.apache.hadoop:hadoop-client-{api,runtime}:3.4.2 \
    commons-logging:commons-logging:1.3.0 org.slf4j:slf4j-simple:2.0.17)</dependencies>
</project>
POM
mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib >log 2>&1 || { cat log >&2; exit 1; }
cat >Defaults.java <<'JAVA'
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.FileFormat;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
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
import org.apache.iceberg.expressions.Literal;
import org.apache.iceberg.types.Types;

public class Defaults {
  static final Schema SCHEMA = new Schema(Types.NestedField.optional(1, "id", Types.IntegerType.get()));

  public static void main(String[] args) throws Exception {
    show(made(args[0] + "/added"));
    deleted(made(args[0] + "/five_deleted"), 5);
    deleted(made(args[0] + "/null_deleted"), null);
  }

  static Table made(String path) throws Exception {
    Table table = new HadoopTables(new Configuration()).create(SCHEMA, PartitionSpec.unpartitioned(), Map.of("format-version", "3"), path);
    write(table, 1);
    table.updateSchema().addColumn("c", Types.IntegerType.get(), null, Literal.of(5)).commit();
    write(table, 2);
    return table;
  }

  static void write(Table table, int id) throws Exception {
    OutputFileFactory files = OutputFileFactory.builderFor(table, 1, id).format(FileFormat.PARQUET).build();
    DataWriter<Record> writer = new GenericAppenderFactory(table.schema()).newDataWriter(files.newOutputFile(), FileFormat.PARQUET, null);
    Record row = GenericRecord.create(table.schema());
    row.setField("id", id);
    writer.write(row);
    writer.close();
    table.newAppend().appendFile(writer.toDataFile()).commit();
  }

  static void deleted(Table table, Integer c) throws Exception {
    Schema only = table.schema().select("c");
    int[] ids = {table.schema().findField("c").fieldId()};
    GenericAppenderFactory made = new GenericAppenderFactory(table.schema(), table.spec(), ids, only, null);
    OutputFileFactory files = OutputFileFactory.builderFor(table, 1, 3).format(FileFormat.PARQUET).build();
    EqualityDeleteWriter<Record> writer = made.newEqDeleteWriter(files.newOutputFile(), FileFormat.PARQUET, null);
    Record one = GenericRecord.create(only);
    one.setField("c", c);
    writer.write(one);
    writer.close();
    table.newRowDelta().addDeletes(writer.toDeleteFile()).commit();
    show(table);
  }

  static void show(Table table) throws Exception {
    List<String> rows = new ArrayList<>();
    try (CloseableIterable<Record> found = IcebergGenerics.read(table).build()) {
      found.forEach(row -> rows.add(row.getField("id") + " " + row.getField("c")));
    }
    rows.sort(null);
    System.out.println(table.location().substring(table.location().lastIndexOf('/') + 1) + " Iceberg " + rows);
  }
}
JAVA
javac -nowarn -cp 'lib/*' -d classes Defaults.java 2>log || { cat log >&2; exit 1; }
java -Dorg.slf4j.simpleLogger.defaultLogLevel=off -cp 'classes:lib/*' Defaults "file://$work/lake" >seen 2>log || { cat log >&2; exit 1; }
venv/bin/python - <<'PY' >>seen 2>log || { cat log >&2; exit 1; }
from pathlib import Path

import chdb
import daft
import pyarrow as pa
from datafusion import SessionContext
from pyiceberg.table import StaticTable
from pyiceberg_core.datafusion import IcebergDataFusionTable


def told(name, engine, rows):
    print(name, engine, f"[{', '.join(sorted(f'{id} {c}' for id, c in rows)).replace('None', 'null')}]")


def metadata(name):
    newest = max(Path("lake", name, "metadata").glob("v*.metadata.json"), key=lambda path: int(path.name[1:].split(".")[0]))
    return f"file://{newest.absolute()}"


for name in ("added", "five_deleted", "null_deleted"):
    context = SessionContext()
    context.register_table("t", IcebergDataFusionTable(["any", name], metadata(name), {}))
    batches = context.sql("SELECT id, c FROM t").collect()
    told(name, "iceberg-rust", [tuple(row.values()) for batch in batches for row in batch.to_pylist()])
found = daft.read_iceberg(StaticTable.from_metadata(metadata("added"))).to_pydict()
told("added", "Daft", zip(found["id"], found["c"]))
found = pa.table(chdb.query("SELECT id, c FROM icebergLocal('lake/added')", "ArrowTable")).to_pydict()
told("added", "ClickHouse", zip(found["id"], found["c"]))
PY
sort seen | tee sorted
diff sorted - <<'SEEN' && echo "as described"
added ClickHouse [1 null, 2 null]
added Daft [1 null, 2 null]
added Iceberg [1 5, 2 null]
added iceberg-rust [1 5, 2 null]
five_deleted Iceberg [2 null]
five_deleted iceberg-rust [1 5, 2 null]
null_deleted Iceberg [1 5]
null_deleted iceberg-rust []
SEEN
