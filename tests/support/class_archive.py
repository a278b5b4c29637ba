"""An archive of the classes that Spark loads: a JVM that starts with it needs half of the CPU to be ready.

`python -m tests.support.class_archive` makes it where there is none for this Java and these jars, in some 40 s: it runs
one small job and lets the JVM write down what it loaded. `make test` does that first. A JVM whose classes are others
ignores it, so it changes nothing but time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from plumbline.connect.home import Home
from plumbline.connect.ivy import pyspark_jars

ROOT = Path(__file__).resolve().parents[2]
JARS = ROOT / ".plumbline" / "jars"
VARIABLE = "SPARK_SUBMIT_OPTS"
"""What Spark's launcher adds to the command line of the JVM that it starts."""
SHORT_LIVED = "-XX:TieredStopAtLevel=1"
"""For a job that would run for hours, and ends within a minute here: half of its JVM's CPU until it has planned its
queries (1.2 instead of 2.8 s for the first look at a contract's SQL)."""


def archive() -> Path | None:
    """Where the archive for this Java and these jars is; None without a Java."""
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java")
    if java is None or not Path(java).exists():
        return None
    jars = [path for folder in (JARS, pyspark_jars()) for path in sorted(folder.rglob("*.jar"))]
    files = [(path, path.stat()) for path in (Path(java).resolve(), *jars)]
    told = "\n".join(f"{path} {found.st_size} {found.st_mtime_ns}" for path, found in files)
    return ROOT / ".plumbline" / f"spark-classes-{hashlib.sha256(told.encode()).hexdigest()[:16]}.jsa"


def environment() -> dict[str, str]:
    """What a process needs for its Spark to start with the archive; nothing where there is none."""
    found = archive()
    if VARIABLE in os.environ or found is None or not found.exists():
        return {}
    return {VARIABLE: f'{SHORT_LIVED} -XX:SharedArchiveFile="{found}"'}


def make() -> None:
    """Make the archive where it is missing, and remove those of other Javas and jars."""
    wanted = archive()
    if wanted is None or wanted.exists():
        return
    print("writing down the classes that Spark loads (once, about a minute)", flush=True)
    with tempfile.TemporaryDirectory(dir=wanted.parent) as folder:
        made = Path(folder) / wanted.name
        there = {**os.environ, "PLUMBLINE_JARS": str(JARS), VARIABLE: f'-XX:ArchiveClassesAtExit="{made}"'}
        command = [sys.executable, "-m", __spec__.name, folder]
        done = subprocess.run(command, cwd=ROOT, env=there, capture_output=True, text=True)
        if done.returncode or not made.exists():
            print(f"no archive of classes, so the tests take longer: {done.stderr[-500:]}", file=sys.stderr)
            return
        for old in wanted.parent.glob("spark-classes-*.jsa"):
            old.unlink()
        made.replace(wanted)


def a_small_job(folder: Path) -> None:
    """Stream, batch and reconcile once, with a broker; then the JVM ends by itself, which writes the archive."""
    from plumbline.connect.broker import start, stop
    from tests.support.model import Event
    from tests.support.scenario import Scenario

    home = Home.resolve(folder / "broker")
    job = Scenario.begin(folder, {"bootstrap.servers": start(home).bootstrap_servers}, "classes", {})
    job.feed([Event("a", 0), Event("b", 100)], [Event("a", 10, "pa"), Event("b", 120, "pb")]).epoch()
    job.beside("rocks", stream={"state": "rocksdb"}).epoch()
    job.batch()
    stop(home)
    end_of_jvm()


def end_of_jvm() -> None:
    """End the process's JVM in good order, and wait for it."""
    from pyspark import SparkContext

    context, gateway = SparkContext._active_spark_context, SparkContext._gateway
    assert context is not None
    assert gateway is not None
    context.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(120)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        a_small_job(Path(sys.argv[1]))
    else:
        make()
