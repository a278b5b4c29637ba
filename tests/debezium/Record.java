import com.fasterxml.jackson.databind.ObjectMapper;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import io.debezium.engine.format.KeyValueHeaderChangeEventFormat;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Records what Debezium's PostgreSQL connector writes to its topics while a table is filled and changed.
    Arguments: JDBC URL of a server with wal_level=logical, folder for the recordings. */
public class Record {
    static final String TABLE = """
        DROP TABLE IF EXISTS orders;
        CREATE TABLE orders (
            id int PRIMARY KEY, shop text, at timestamptz(6) NOT NULL, placed timestamp(6), placed_ms timestamp(3),
            day date, amount numeric(10, 2), wide numeric(38, 4), free numeric, paid boolean, rate double precision,
            blob bytea, note text)
        """;
    static final String COLUMNS = "INSERT INTO orders VALUES ";
    static final String FIRST = COLUMNS + """
        (1, 's1', '2024-03-01 10:00:00.123456+00', '2024-03-01 10:00:00.123456', '2024-03-01 10:00:00.123',
            '2024-03-01', 12.34, 1234567890123456789012345678901234.5678, 1.5, true, 0.1, 'ab', 'of the snapshot'),
        (2, 's2', '2024-03-01 10:01:00+00', '2024-03-01 10:01:00', '2024-03-01 10:01:00',
            '1969-12-31', -0.01, -1, 20, false, -2, '', NULL)
        """;
    /** The amount of row 4 is written as the base64 text "1234". */
    static final List<String> CHANGES = List.of(
        COLUMNS + """
            (3, 's1', '2024-03-01 10:02:00+00', '2024-03-01 10:02:00', '2024-03-01 10:02:00.5', '2024-02-29',
                99999999.99, 0, 0.001, NULL, 'NaN', '\\x00ff', 'Ünïcode "quoted" \\ 🙂')
            """,
        COLUMNS + "(4, NULL, '2024-03-01 10:03:00+02', NULL, NULL, NULL, -26588.24, NULL, NULL, NULL, NULL, NULL, NULL)",
        COLUMNS + "(5, 's1', '2024-03-01 10:04:00+00', NULL, NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL)",
        "UPDATE orders SET amount = 2 WHERE id = 5",
        "DELETE FROM orders WHERE id = 5",
        "UPDATE orders SET id = 30 WHERE id = 3",
        "SELECT pg_logical_emit_message(true, 'audit', 'hello')",
        "TRUNCATE orders",
        COLUMNS + "(6, 's3', '2024-03-01 10:05:00+00', NULL, NULL, NULL, 6, NULL, NULL, NULL, NULL, NULL, 'the last')");

    static final Map<String, Map<String, String>> RECORDINGS = new LinkedHashMap<>(Map.of(
        "defaults", Map.of(),
        "schemaless", Map.of("converter.schemas.enable", "false", "provide.transaction.metadata", "true",
            "heartbeat.interval.ms", "100"),
        "text", Map.of("converter.schemas.enable", "false", "decimal.handling.mode", "string",
            "time.precision.mode", "isostring"),
        "connect", Map.of("decimal.handling.mode", "double", "time.precision.mode", "connect")));

    public static void main(String[] args) throws Exception {
        for (var recording : RECORDINGS.entrySet()) {
            record(args[0], Path.of(args[1], recording.getKey() + ".jsonl"), recording.getKey(), recording.getValue());
        }
        System.exit(0);
    }

    static void record(String url, Path file, String name, Map<String, String> options) throws Exception {
        var seen = new LinkedBlockingQueue<ChangeEvent<String, String>>();
        var folder = Files.createTempDirectory("offsets");
        try (Connection db = DriverManager.getConnection(url); Statement sql = db.createStatement();
             var out = new PrintWriter(Files.newBufferedWriter(file))) {
            sql.execute(TABLE);
            sql.execute(FIRST);
            var pool = Executors.newSingleThreadExecutor();
            var engine = DebeziumEngine.create(KeyValueHeaderChangeEventFormat.of(Json.class, Json.class, Json.class)).using(properties(url, name, options, folder))
                .notifying(seen::add)
                .using((ok, message, error) -> { if (!ok) System.err.println(name + ": " + message); })
                .build();
            pool.execute(engine);
            until(seen, out, "of the snapshot");
            for (String change : CHANGES) {
                sql.execute(change);
            }
            until(seen, out, "the last");
            for (int more = 0; more < 3; more++) {
                write(out, seen.poll(1, TimeUnit.SECONDS));
            }
            engine.close();
            pool.shutdown();
        }
    }

    static Properties properties(String url, String name, Map<String, String> options, Path folder) {
        var uri = java.net.URI.create(url.substring("jdbc:".length()));
        var given = new Properties();
        given.putAll(Map.of("name", name, "connector.class", "io.debezium.connector.postgresql.PostgresConnector",
            "offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore",
            "offset.storage.file.filename", folder.resolve("offsets").toString(),
            "database.hostname", uri.getHost(), "database.port", String.valueOf(uri.getPort()),
            "database.user", "postgres", "database.password", "", "database.dbname", uri.getPath().substring(1)));
        given.putAll(Map.of("topic.prefix", "shop", "plugin.name", "pgoutput", "slot.name", name,
            "publication.name", name, "slot.drop.on.stop", "true", "skipped.operations", "none",
            "table.include.list", "public.orders"));
        given.putAll(options);
        return given;
    }

    static void until(LinkedBlockingQueue<ChangeEvent<String, String>> seen, PrintWriter out, String mark)
            throws Exception {
        for (ChangeEvent<String, String> one; ;) {
            one = seen.poll(60, TimeUnit.SECONDS);
            if (one == null) {
                throw new IllegalStateException("nothing more came before: " + mark);
            }
            write(out, one);
            if (one.value() != null && one.value().contains(mark)) {
                return;
            }
        }
    }

    static void write(PrintWriter out, ChangeEvent<String, String> one) throws Exception {
        if (one != null) {
            var line = new LinkedHashMap<String, Object>();
            line.put("topic", one.destination());
            line.put("key", one.key());
            line.put("value", one.value());
            var headers = new LinkedHashMap<String, Object>();
            for (var header : one.headers()) {
                headers.put(header.getKey(), header.getValue());
            }
            line.put("headers", headers);
            out.println(new ObjectMapper().writeValueAsString(line));
        }
    }
}
