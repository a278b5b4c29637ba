"""The join of throughput.py in PyFlink SQL: a contender of that script, run by a Python of its own that has PyFlink.

    $FLINK_PYTHON benchmarks/stream/flink_join.py BOOTSTRAP FOLDER KAFKA_CONNECTOR_JAR

Interval join with RocksDB state and a checkpoint every ten seconds, two slots, else default settings. It reads both
topics to their end and writes JSON files exactly once: there is no Iceberg sink for this version of Flink. Prints the
rows, and the CPU seconds of the whole run by what took them, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment

from benchmarks.stream import cpu

SOURCE = """
CREATE TABLE {topic} ({fields}, WATERMARK FOR {moment} AS {moment} - INTERVAL '10' MINUTE) WITH (
    'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{bootstrap}',
    'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
    'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')
"""
IMPRESSIONS = (
    "id STRING, `at` TIMESTAMP_LTZ(3), `user` STRING, campaign BIGINT, placement STRING, price DOUBLE, "
    "country STRING, device STRING"
)
PLAYS = (
    "id STRING, played_at TIMESTAMP_LTZ(3), `user` STRING, seconds DOUBLE, quality STRING, stalls BIGINT, "
    "player STRING, country STRING"
)
SINK = """
CREATE TABLE joined (id STRING, `at` TIMESTAMP_LTZ(3), `user` STRING, campaign BIGINT, placement STRING, price DOUBLE,
    played_at TIMESTAMP_LTZ(3), seconds DOUBLE, quality STRING, stalls BIGINT)
WITH ('connector' = 'filesystem', 'path' = 'file://{folder}', 'format' = 'json')
"""
JOIN = """
INSERT INTO joined
SELECT i.id, i.`at`, i.`user`, i.campaign, i.placement, i.price, CAST(p.played_at AS TIMESTAMP_LTZ(3)), p.seconds,
    p.quality, p.stalls
FROM impressions i LEFT JOIN plays p
ON i.id = p.id AND p.played_at BETWEEN i.`at` AND i.`at` + INTERVAL '30' MINUTE
"""


def main() -> None:
    bootstrap, folder, jar = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    begun = time.monotonic()
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    settings = {
        "pipeline.jars": jar.as_uri(),
        "parallelism.default": "2",
        "state.backend.type": "rocksdb",
        "execution.checkpointing.interval": "10 s",
        "execution.checkpointing.dir": (folder / "checkpoints").as_uri(),
        "table.local-time-zone": "UTC",
    }
    for name, value in settings.items():
        tables.get_config().set(name, value)
    tables.execute_sql(SOURCE.format(topic="impressions", fields=IMPRESSIONS, moment="`at`", bootstrap=bootstrap))
    tables.execute_sql(SOURCE.format(topic="plays", fields=PLAYS, moment="played_at", bootstrap=bootstrap))
    tables.execute_sql(SINK.format(folder=folder / "joined"))
    tables.execute_sql(JOIN).wait()
    seconds, spent = time.monotonic() - begun, cpu.Threads().look()
    rows = sum(path.read_bytes().count(b"\n") for path in (folder / "joined").rglob("*") if path.is_file())
    print(json.dumps({"rows": rows, "seconds": round(seconds, 1), "threads": spent}))


if __name__ == "__main__":
    main()
