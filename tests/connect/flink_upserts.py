"""Writes the table of tests/connect/flink_upserts with Flink's upsert sink. For PyFlink's own environment:

    python tests/connect/flink_upserts.py FOLDER

Two partitions, keys with NULL values beside them, four commits: rows that are inserted, updated, deleted and inserted
again, some of them several times in one commit, so that the sink writes files of deleted values and of positions.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyflink.common import Configuration, Row, RowKind
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import DataTypes, Schema, StreamTableEnvironment

INSERT, BEFORE, AFTER, DELETE = RowKind.INSERT, RowKind.UPDATE_BEFORE, RowKind.UPDATE_AFTER, RowKind.DELETE
COMMITS = (
    [(INSERT, k, k % 2, f"v{k}") for k in range(40)],
    [(AFTER, k, k % 2, f"w{k}") for k in range(0, 40, 3)] + [(DELETE, k, k % 2, None) for k in range(1, 40, 8)],
    [(INSERT, 1, 1, "again"), (AFTER, 2, 0, "x2"), (AFTER, 2, 0, "y2"), (DELETE, 3, 1, None), (INSERT, 3, 1, None)],
    [(DELETE, 4, 0, None), (INSERT, 41, 1, "z41"), (DELETE, 41, 1, None), (AFTER, 6, 0, "w6")],
)


def main(folder: Path) -> None:
    settings = Configuration()
    settings.set_string("parallelism.default", "1")
    env = StreamExecutionEnvironment.get_execution_environment(settings)
    tables = StreamTableEnvironment.create(env)
    tables.execute_sql(f"""
        CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'hadoop', 'warehouse' = 'file://{folder}')
    """)
    tables.execute_sql("CREATE DATABASE IF NOT EXISTS lake.flink")
    tables.execute_sql("""
        CREATE TABLE lake.flink.upserts (k BIGINT, part INT, v STRING, PRIMARY KEY (k, part) NOT ENFORCED)
        PARTITIONED BY (part) WITH ('format-version' = '2', 'write.upsert.enabled' = 'true')
    """)
    kinds = {"k": DataTypes.BIGINT().not_null(), "part": DataTypes.INT().not_null(), "v": DataTypes.STRING()}
    from pyflink.common.typeinfo import Types

    schema = Schema.new_builder()
    for name, kind in kinds.items():
        schema = schema.column(name, kind)
    schema = schema.primary_key("k", "part").build()
    info = Types.ROW_NAMED(list(kinds), [Types.LONG(), Types.INT(), Types.STRING()])
    for changes in COMMITS:
        rows = []
        for kind, *values in changes:
            row = Row(*values)
            row.set_row_kind(kind)
            rows.append(row)
        stream = env.from_collection(rows, info)
        tables.create_temporary_view("changes", tables.from_changelog_stream(stream, schema))
        tables.execute_sql("INSERT INTO lake.flink.upserts SELECT * FROM changes").wait()
        tables.drop_temporary_view("changes")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
