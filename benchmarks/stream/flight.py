"""Where the time of a JVM's threads goes: what its Flight Recorder sampled, each stack counted as one kind of work."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

WHOLE = {
    "state: a copy of the map for each version": r".*StateStoreMap\.putAll",
    "state: files": r".*(writeUpdateToDeltaFile|writeSnapshotFile|commitUpdates|StateStoreChangelogWriter)",
    "state: looked through for rows that leave": r".*SymmetricHashJoinStateManager.*(\$anon|removeBy)",
}
"""Kind of work to the methods that tell it, wherever they stand in a stack."""

WORK = {
    "RocksDB": r"org\.rocksdb",
    "state: rows put and found": r".*(SymmetricHashJoin|StateStore|StateEncoder|streaming\.state)",
    "JSON": r"com\.fasterxml|org\.apache\.spark\.sql\.catalyst\.json",
    "payload (Avro)": r"org\.apache\.avro|org\.apache\.spark\.sql\.avro",
    "Parquet and Iceberg": r"org\.apache\.iceberg|org\.apache\.parquet",
    "Kafka": r"org\.apache\.kafka|org\.apache\.spark\.sql\.kafka010",
    "shuffle": r"org\.apache\.spark\.(shuffle|storage|util\.collection)|.*(ShuffleExchange|UnsafeRowSerial)",
    "planning": r".*(sql\.catalyst\.(analysis|optimizer|rules|plans|trees)|janino|QueryExecution|execution\.adaptive)",
    "expressions": r".*(GeneratedClass|sql\.catalyst\.(expressions\.(?!UnsafeRow)|util)|unsafe\.types)",
}
"""The same for all else: a stack is what the first of its methods, from the innermost out, tells."""

OTHER = "other"
IDLE = re.compile(r".*(\.epoll|\.poll0|EPoll\.wait|\.accept|socketRead|Unsafe\.park|Object\.wait|Net\.poll|waitFor)")


def start(jvm: int) -> None:
    """Begin to sample."""
    _ask(jvm, "JFR.start", "name=steady", "settings=profile")


def stop(jvm: int, file: Path) -> None:
    """End it, and write what was sampled to `file`."""
    _ask(jvm, "JFR.stop", "name=steady", f"filename={file}")


def _ask(jvm: int, *command: str) -> None:
    subprocess.run(["jcmd", str(jvm), *command], check=True, stdout=subprocess.DEVNULL)


def shares(file: Path, threads: str) -> dict[str, float]:
    """The share of each kind of work in the samples of these threads (a pattern), largest first."""
    found: Counter[str] = Counter()
    for weight, thread, stack in samples(file):
        if re.match(threads, thread) and stack and not IDLE.match(stack[0]):
            found[kind(stack)] += weight
    return {work: weight / found.total() for work, weight in found.most_common()}


def kind(stack: list[str]) -> str:
    """What a stack does; its innermost method first."""
    found = (work for work, told in WHOLE.items() if any(re.match(told, method) for method in stack))
    first = (work for method in stack for work, told in WORK.items() if re.match(told, method))
    return next(chain(found, first), OTHER)


def samples(file: Path) -> Iterator[tuple[int, str, list[str]]]:
    """(ms that it stands for, thread, methods from the innermost out) of each sample in a recording."""
    events = {"jdk.ExecutionSample": 10, "jdk.NativeMethodSample": 20}
    command = ["jfr", "print", "--stack-depth", "64", "--events", ",".join(events), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as printed:
        assert printed.stdout is not None
        weight, thread, stack = 0, "", list[str]()
        for line in map(str.strip, printed.stdout):
            if line.endswith("{"):
                weight, thread, stack = events.get(line.split()[0], 0), "", []
            elif line.startswith("sampledThread"):
                thread = line.split('"')[1]
            elif line == "}":
                yield weight, thread, stack
            elif "(" in line and "=" not in line.split("(")[0]:
                stack.append(line.split("(")[0])
