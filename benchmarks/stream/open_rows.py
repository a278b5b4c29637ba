"""State larger than memory: how much memory a join takes that has millions of rows open, on RocksDB.

    python -m benchmarks.stream.open_rows [--rows 5000000] [--epoch 250000] [--state rocksdb]

Every impression waits for its play, of which there are few, within 30 days: no window closes, so each stays in state.
The whole job runs (archivers and epoch ledger too) with its own settings, in a process of its own. Prints a line of
JSON: impressions in state, which are all when none came out, size and memory of the state as Spark tells them, the
largest resident size (VmHWM) that the JVM ever had, and it and the job's own process together, and CPU seconds per
million rows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.stream import cpu
from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, create_topics, produce
from plumbline.connect.lake import Lake

START_S = 1_700_000_000
PLAY_EVERY = 1000
CONTRACT = """
contract: open-rows
sources:
  impressions: {{topic: impressions, fields: {{id: string, at: timestamp, user: string, price: double}}, event_time: at,
    watermark: 1 hour, archive: raw.impressions}}
  plays: {{topic: plays, fields: {{id: string, played_at: timestamp, seconds: double}}, event_time: played_at,
    watermark: 1 hour, archive: raw.plays}}
join: {{left: impressions, right: plays, kind: left_outer, on: [id], within: [0 minutes, 30 days]}}
output:
  key: [id]
  columns: [impressions.user, impressions.price, plays.seconds]
  stream_table: joined.stream
  batch_table: joined.batch
stream: {{max_events_per_epoch: {epoch}, every: 0 seconds, state: {state}}}
kafka: {{bootstrap.servers: "{bootstrap}"}}
"""


def records(rows: int) -> Iterator[Record]:
    """A hundred impressions a second of event time, and now and then the play of one."""
    for number in range(rows):
        seconds = START_S + number // 100
        key, at = b"imp-%09d" % number, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)).encode()
        value = b'{"id":"%s","at":"%s","user":"user-%d","price":%d.5}' % (key, at, number % 100_000, number % 9)
        yield Record("impressions", key, value, seconds * 1000)
        if number % PLAY_EVERY == 0:
            yield Record("plays", key, b'{"id":"%s","played_at":"%s","seconds":30.5}' % (key, at), seconds * 1000)


def child(contract_file: Path, home: Home, rows: int) -> dict[str, float | int | str]:
    """Run the job to the end of the topics."""
    from plumbline.contract.loader import load
    from plumbline.stream_job import heartbeat
    from plumbline.stream_job.job_folder import JobFolder
    from plumbline.stream_job.run import run

    contract = load(contract_file)
    run(contract, home, once=True, say=lambda line: print(line, file=sys.stderr, flush=True))
    told = heartbeat.read(JobFolder.of(contract, home).root)
    assert told is not None
    return {
        "state": contract.stream.state,
        "open_rows": rows - _alone(Lake.open(home, contract.catalog), contract.output.stream_table),
        "state_mb": (told.done.state_bytes or 0) // 1_000_000,
        "state_memory_mb": (told.done.memory_bytes or 0) // 1_000_000,
        "peak_jvm_mb": cpu.peak_mb(cpu.jvm()),
        "peak_mb": cpu.peak_of_both_mb(),
        "cpu_per_million": round(cpu.total() / rows * 1e6, 1),
    }


def _alone(lake: Lake, table: str) -> int:
    """Impressions that came out without a play."""
    return int(lake.load(table).scan("seconds IS NULL", selected_fields=("id",)).to_arrow().num_rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--epoch", type=int, default=250_000, help="events per source and epoch")
    parser.add_argument("--state", choices=("memory", "rocksdb"), default="rocksdb")
    parser.add_argument("--child", nargs=2, type=Path, metavar=("CONTRACT", "HOME"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        contract, home = given.child
        print(json.dumps(child(contract, Home.resolve(home), given.rows)))
        return
    from plumbline.connect.broker import start, stop

    with tempfile.TemporaryDirectory(prefix="open-rows-") as scratch:
        broker = Home.resolve(Path(scratch) / "broker")
        try:
            bootstrap = start(broker).bootstrap_servers
            create_topics({"bootstrap.servers": bootstrap}, {"impressions": 2, "plays": 2})
            produce({"bootstrap.servers": bootstrap}, records(given.rows))
            contract = Path(scratch) / "open-rows.yaml"
            contract.write_text(CONTRACT.format(bootstrap=bootstrap, epoch=given.epoch, state=given.state))
            command = [sys.executable, "-m", __spec__.name, "--rows", str(given.rows)]
            subprocess.run([*command, "--child", str(contract), str(Path(scratch) / "home")], check=True)
        finally:
            stop(broker)


if __name__ == "__main__":
    main()
