import java.io.BufferedWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.source.legacy.SourceFunction;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;

/**
 * Tables that Iceberg's Flink sink wrote from changes of rows, and those changes: java Record WAREHOUSE KEYS BATCHES SEED.
 *
 * <p>Each batch is one checkpoint, so one commit. WAREHOUSE/NAME.jsonl has a line for each change: batch, kind, values.
 */
public class Record {
  static final String[] COLUMNS = {"id", "day", "name", "amount"};

  /** A table: how it is partitioned, its key, its format version, and whether its sink upserts or takes each change. */
  record Written(String name, String partitioned, String key, int version, boolean upsert, int parallelism) {}

  static final Written[] TABLES = {
    new Written("plain", "", "id", 2, true, 2),
    new Written("daily", "PARTITIONED BY (`day`)", "id, `day`", 2, true, 2),
    new Written("vectors", "PARTITIONED BY (`day`)", "id, `day`", 3, true, 1),
    new Written("changes", "", "id", 2, false, 1),
  };

  public static void main(String[] args) throws Exception {
    int keys = Integer.parseInt(args[1]), batches = Integer.parseInt(args[2]), seed = Integer.parseInt(args[3]);
    for (Written one : TABLES) {
      List<List<Row>> changes = new Drawn(one, keys, new Random(seed)).batches(batches);
      write(one, changes, args[0]);
      note(changes, Path.of(args[0], one.name + ".jsonl"));
    }
  }

  static void write(Written one, List<List<Row>> changes, String warehouse) throws Exception {
    Configuration conf = new Configuration();
    conf.setString("execution.checkpointing.interval", "300 ms");
    conf.setString("restart-strategy.type", "none");
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(conf);
    env.setParallelism(one.parallelism);
    StreamTableEnvironment tables = StreamTableEnvironment.create(env);
    TypeInformation<Row> row =
        Types.ROW_NAMED(COLUMNS, Types.LONG, Types.LOCAL_DATE, Types.STRING, Types.DOUBLE);
    Schema schema = Schema.newBuilder()
        .column("id", DataTypes.BIGINT().notNull()).column("day", DataTypes.DATE().notNull())
        .column("name", DataTypes.STRING()).column("amount", DataTypes.DOUBLE())
        .primaryKey(one.key.replace("`", "").split(", ")).build();
    ChangelogMode mode = one.upsert ? ChangelogMode.upsert() : ChangelogMode.all();
    tables.createTemporaryView("changed",
        tables.fromChangelogStream(env.addSource(new Batches(changes)).returns(row).setParallelism(1), schema, mode));
    tables.executeSql("CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'hadoop', 'warehouse' = '"
        + Path.of(warehouse).toUri() + "')");
    tables.executeSql("CREATE DATABASE IF NOT EXISTS lake.made");
    tables.executeSql("CREATE TABLE lake.made." + one.name
        + " (id BIGINT NOT NULL, `day` DATE NOT NULL, name STRING, amount DOUBLE, PRIMARY KEY (" + one.key
        + ") NOT ENFORCED) " + one.partitioned + " WITH ('format-version' = '" + one.version
        + "', 'write.upsert.enabled' = '" + one.upsert + "', 'write.parquet.compression-codec' = 'uncompressed')");
    tables.executeSql("INSERT INTO lake.made." + one.name + " SELECT * FROM changed").await();
  }

  static void note(List<List<Row>> changes, Path file) throws Exception {
    try (BufferedWriter out = Files.newBufferedWriter(file)) {
      for (int batch = 0; batch < changes.size(); batch++)
        for (Row row : changes.get(batch)) {
          Object name = row.getField(2);
          out.write("{\"batch\": " + batch + ", \"kind\": \"" + row.getKind().shortString() + "\", \"id\": "
              + row.getField(0) + ", \"day\": \"" + row.getField(1) + "\", \"name\": "
              + (name == null ? "null" : "\"" + name + "\"") + ", \"amount\": " + row.getField(3) + "}\n");
        }
    }
  }

  /** Changes that a database could send: what is inserted is not there, what is changed or deleted is. */
  static class Drawn {
    final Written one;
    final Random draw;
    final int keys;
    final Map<String, Object[]> held = new TreeMap<>();
    int made = 0;

    Drawn(Written one, int keys, Random draw) {
      this.one = one;
      this.keys = keys;
      this.draw = draw;
    }

    List<List<Row>> batches(int count) {
      List<List<Row>> found = new ArrayList<>();
      for (int n = 0; n < count; n++) {
        List<Row> batch = new ArrayList<>();
        for (int step = 0; step < keys; step++) change(batch);
        found.add(batch);
      }
      return found;
    }

    void change(List<Row> batch) {
      long id = draw.nextInt(keys);
      LocalDate day = LocalDate.of(2024, 1, 1 + draw.nextInt(2));
      String key = one.key.contains("day") ? id + " " + day : "" + id;
      Object[] old = held.get(key);
      if (old == null) {
        held.put(key, row(id, day));
        batch.add(Row.ofKind(RowKind.INSERT, held.get(key)));
      } else if (draw.nextInt(3) == 0) {
        batch.add(Row.ofKind(RowKind.DELETE, one.upsert ? new Object[] {id, old[1], null, null} : old));
        held.remove(key);
      } else {
        if (!one.upsert) batch.add(Row.ofKind(RowKind.UPDATE_BEFORE, old));
        held.put(key, row(id, day));
        batch.add(Row.ofKind(RowKind.UPDATE_AFTER, held.get(key)));
      }
    }

    Object[] row(long id, LocalDate day) {
      made++;
      return new Object[] {id, day, made % 7 == 0 ? null : "n" + made, made % 5 == 0 ? null : made / 4.0};
    }
  }

  /** Sends one batch, waits until a checkpoint that holds it is complete, sends the next. */
  static class Batches implements SourceFunction<Row>, CheckpointedFunction, CheckpointListener {
    final List<List<Row>> changes;
    final Map<Long, Integer> sentAt = new TreeMap<>();
    volatile int sent = 0, complete = 0;
    volatile boolean running = true;

    Batches(List<List<Row>> changes) {
      this.changes = changes;
    }

    @Override
    public void run(SourceContext<Row> out) throws Exception {
      while (running && sent < changes.size()) {
        synchronized (out.getCheckpointLock()) {
          changes.get(sent).forEach(out::collect);
          sent++;
        }
        while (running && complete < sent) Thread.sleep(20);
      }
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) {
      sentAt.put(context.getCheckpointId(), sent);
    }

    @Override
    public void notifyCheckpointComplete(long id) {
      complete = Math.max(complete, sentAt.getOrDefault(id, 0));
    }

    @Override
    public void initializeState(FunctionInitializationContext context) {}

    @Override
    public void cancel() {
      running = false;
    }
  }
}
