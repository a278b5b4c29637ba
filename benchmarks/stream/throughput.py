"""Events per second and CPU seconds per million, Kafka (JSON, 8 fields) to Iceberg: Plumbline beside plain Spark.

    python -m benchmarks.stream.throughput [--events 1000000] [--epoch 100000] [--contenders plumbline-memory,...]

`plumbline` runs its whole job (judging, quarantine column, lineage, archiver of both topics, epoch ledger), `join` the
same without its archivers; `plain` Spark runs the same join alone, as its documentation writes it, with two shuffle
partitions and otherwise default settings. Each is a process of its own on the same topics, one after the other.
`steady` begins when 30 % of the events are joined: it leaves out the start, but the JVM's compiler works on for
minutes; `without_compiler` is what a job of hours comes down to. At the end stands what the CPU seconds of the steady
part went to, by threads of the JVM; with `--profile` also by what Java's Flight Recorder saw them do, which itself
takes a few percent. `--flink PYTHON JAR` sets PyFlink beside them (see flink_join.py), by its whole run only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.stream.contenders import CONTENDERS
from benchmarks.stream.meter import PROFILED, Meter, Result, whole
from benchmarks.stream.plays import fill
from plumbline.connect.home import Home

ALL = [f"{who}-{state}" for state in ("memory", "rocksdb") for who in CONTENDERS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="impressions; there are 0.6 plays for each")
    parser.add_argument("--epoch", type=int, default=100_000, help="events per source and epoch")
    parser.add_argument("--contenders", default=",".join(ALL))
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="record what the JVM does, into this folder")
    parser.add_argument("--flink", nargs=2, metavar=("PYTHON", "JAR"), help="a Python that has PyFlink, its connector")
    parser.add_argument("--child", nargs=3, metavar=("NAME", "BOOTSTRAP", "TOTAL"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        name, bootstrap, total = given.child
        who, state = name.split("-")
        flights = given.profile / f"{name}.jfr" if given.profile else None
        found = CONTENDERS[who](bootstrap, given.folder, given.epoch, state, Meter(int(total), flights))
        print(json.dumps(found))
        return
    compare(given)


def compare(given: argparse.Namespace) -> None:
    from plumbline.connect.broker import start, stop

    if given.profile:
        given.profile.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        home = Home.resolve(scratch)
        bootstrap = start(home).bootstrap_servers
        results: dict[str, Result] = {}
        try:
            total = fill(bootstrap, given.events, lambda line: print(line, file=sys.stderr, flush=True))
            for name in given.contenders.split(","):
                child = ["--child", name, bootstrap, str(total), "--epoch", str(given.epoch)]
                child += ["--folder", f"{scratch}/{name}"]
                child += ["--profile", str(given.profile.resolve())] if given.profile else []
                results[name] = _told(name, _printed(sys.executable, "-m", __spec__.name, *child))
            if given.flink:
                script = str(Path(__file__).with_name("flink_join.py"))
                found = _printed(given.flink[0], script, bootstrap, f"{scratch}/flink", given.flink[1])
                _told("flink-rocksdb", {**found, **whole(found["threads"], total)})
        finally:
            stop(home)
    print(table_of(results))


def _printed(*command: str) -> Result:
    """The JSON that a command prints as its last line."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: Result = json.loads(done.stdout.splitlines()[-1])
    return found


def _told(name: str, found: Result) -> Result:
    print(json.dumps({"contender": name, **{k: v for k, v in found.items() if not isinstance(v, dict)}}), flush=True)
    return found


def table_of(results: dict[str, Result]) -> str:
    """CPU seconds per million events of the steady part, a column for each contender, as Markdown."""
    lines = [f"| CPU s per 1M events | {' | '.join(results)} |", f"|---|{'---|' * len(results)}"]
    lines += _rows("", [{"all": result["steady_cpu_per_million"]} for result in results.values()])
    lines += _rows("", [result["threads"] for result in results.values()])
    for threads in PROFILED:
        lines += _rows(f"{threads}: ", [result.get(threads, {}) for result in results.values()])
    return "\n".join(lines)


def _rows(before: str, columns: list[dict[str, float]]) -> list[str]:
    names = sorted({name for column in columns for name in column}, key=lambda n: -max(c.get(n, 0) for c in columns))
    return [f"| {before}{name} | {' | '.join(f'{column.get(name, 0):.1f}' for column in columns)} |" for name in names]


if __name__ == "__main__":
    main()
