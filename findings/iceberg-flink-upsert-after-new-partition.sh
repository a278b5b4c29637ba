#!/usr/bin/env bash
# Iceberg 1.11.0, Flink 2.1.1: once a table has got another partition field, Flink's upserts ('write.upsert.enabled') no
# longer replace the rows from before: each key that comes again has two rows, for every reader and without a word. The
# sink writes its equality deletes in the newest partition spec, and such a file reaches data files of that spec and
# partition only, unless its own spec is unpartitioned (Iceberg spec, "Scan Planning"). Nothing in the sink looks at what
# other specs hold; a rewrite of all data files into the new spec before the job goes on avoids it. Needs Maven and Java 17.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
of() { for one in "$@"; do IFS=: read -r group name version <<<"$one"; echo "<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"; done; }
cat >pom.xml <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>f</groupId><artifactId>f</artifactId><version>1</version>
  <dependencies>$(of org.apache.flink:flink-{clients,table-api-java-bridge,table-planner-loader,table-runtime}:2.1.1 \
    org.apache.iceberg:iceberg-flink-runtime-2.1:1.11.0 org.apache.hadoop:hadoop-client-{api,runtime}:3.4.2 \
    commons-logging:commons-logging:1.3.0 org.slf4j:slf4j-simple:1.7.36)</dependencies>
</project>
POM
mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib >log 2>&1 || { cat log >&2; exit 1; }
cat >Upsert.java <<'JAVA'
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.data.IcebergGenerics;
import org.apache.iceberg.data.Record;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.hadoop.HadoopCatalog;
import org.apache.iceberg.io.CloseableIterable;

public class Upsert {
  public static void main(String[] args) throws Exception {
    String warehouse = Path.of(args[0]).toUri().toString();
    TableEnvironment flink = TableEnvironment.create(EnvironmentSettings.newInstance().inStreamingMode().build());
    flink.getConfig().set("parallelism.default", "1");
    flink.executeSql("CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'hadoop', 'warehouse' = '" + warehouse + "')");
    flink.executeSql("CREATE DATABASE lake.db");
    flink.executeSql("CREATE TABLE lake.db.t (id BIGINT, v STRING, PRIMARY KEY (id) NOT ENFORCED)"
        + " WITH ('format-version' = '2', 'write.upsert.enabled' = 'true')");
    Table table = new HadoopCatalog(new Configuration(), warehouse).loadTable(TableIdentifier.of("db", "t"));
    flink.executeSql("INSERT INTO lake.db.t VALUES (1, 'first'), (2, 'first')").await();
    show(table, "two rows:");
    flink.executeSql("INSERT INTO lake.db.t VALUES (1, 'second')").await();
    show(table, "1 upserted:");
    table.updateSpec().addField(Expressions.bucket("id", 4)).commit();
    flink.executeSql("INSERT INTO lake.db.t VALUES (1, 'third')").await();
    show(table, "partitioned by bucket(4, id), 1 upserted:");
  }

  static void show(Table table, String what) throws Exception {
    table.refresh();
    List<String> rows = new ArrayList<>();
    try (CloseableIterable<Record> found = IcebergGenerics.read(table).build()) {
      found.forEach(row -> rows.add(row.getField("id") + " " + row.getField("v")));
    }
    rows.sort(null);
    System.out.println(what + " " + rows);
  }
}
JAVA
javac -nowarn -cp 'lib/*' -d classes Upsert.java
opens=(); for package in lang nio time util; do opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED"); done
java "${opens[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=off -cp 'classes:lib/*' Upsert "$work/warehouse" 2>log |
  tee seen || { cat log >&2; exit 1; }
diff seen - <<'SEEN' && echo "as described"
two rows: [1 first, 2 first]
1 upserted: [1 second, 2 first]
partitioned by bucket(4, id), 1 upserted: [1 second, 1 third, 2 first]
SEEN
