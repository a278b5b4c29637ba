"""Run a join as one Flink job in this process, until it is killed. For PyFlink's own environment: see README.md.

    python job.py --brokers HOST:PORT --lake FOLDER --checkpoints FOLDER [--restore FOLDER/chk-N] [--join FILE.sql]

`--lake` is a Plumbline home's `lake`: the catalog is the SQLite file in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from string import Template

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment


def main() -> None:
    options = _options()
    env = TableEnvironment.create(EnvironmentSettings.new_instance().with_configuration(_settings(options)).build())
    env.execute_sql(_catalog(options.lake))
    for namespace in ("ads", "ops"):
        env.execute_sql(f"CREATE DATABASE IF NOT EXISTS lake.{namespace}")
    here = Path(__file__).parent
    text = f"{(here / 'tables.sql').read_text()}\n{(here / options.join).read_text()}"
    together = env.create_statement_set()
    for statement in _statements(Template(text).substitute(vars(options))):
        if statement.startswith("INSERT"):
            together.add_insert_sql(statement)
        elif statement.startswith("SET"):
            _, name, _, value, _ = statement.split("'")
            env.get_config().set(name, value)
        else:
            env.execute_sql(statement)
    if options.explain:
        print(together.explain())
        return
    together.execute().wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--join", default="join.sql", help="join.sql, or full_outer.sql")
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--impressions", default="impressions", help="topic of the left side")
    parser.add_argument("--plays", default="plays", help="topic of the right side")
    parser.add_argument("--lake", type=Path, required=True)
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--restore", type=Path, help="checkpoint to start from, chk-N")
    parser.add_argument("--every", default="3 s", help="time between checkpoints")
    parser.add_argument("--explain", action="store_true", help="print the plan, start nothing")
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> Configuration:
    settings = {
        "parallelism.default": "1",
        "table.local-time-zone": "UTC",
        "pipeline.name": "takes",
        "execution.checkpointing.interval": options.every,
        "execution.checkpointing.dir": options.checkpoints.absolute().as_uri(),
        # What `plumbline observe` reads: more than the newest, and kept when the job is cancelled.
        "execution.checkpointing.num-retained": "20",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "restart-strategy.type": "none",
    }
    if options.restore:
        settings["execution.state-recovery.path"] = options.restore.absolute().as_uri()
    configuration = Configuration()
    for name, value in settings.items():
        configuration.set_string(name, value)
    return configuration


def _catalog(lake: Path) -> str:
    return f"""
        CREATE CATALOG lake WITH (
            'type' = 'iceberg', 'catalog-impl' = 'org.apache.iceberg.jdbc.JdbcCatalog', 'jdbc.schema-version' = 'V1',
            'uri' = 'jdbc:sqlite:{lake.absolute()}/catalog.db?busy_timeout=60000',
            'warehouse' = '{lake.absolute().as_uri()}/warehouse')
    """


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


if __name__ == "__main__":
    main()
