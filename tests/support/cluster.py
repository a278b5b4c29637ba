"""A real Spark cluster on this machine, from pip's pyspark: a standalone master and two workers; it ends with us.

Each worker has one core; its executors run in folders of their own, which `executors` counts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from plumbline.connect.ivy import pyspark_jars
from plumbline.connect.processes import die_with_parent
from tests.support.ports import free_ports

WORKERS = 2
READY_SECONDS = 60
SHORT_LIVED = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"""For JVMs that live a minute: six of them share this machine, and each would compile for hours to come."""


@dataclass(frozen=True)
class Cluster:
    """`master` is its address, `folder` holds its logs and what its workers were given."""

    master: str
    folder: Path

    def environment(self, memory: str = "512m") -> dict[str, str]:
        """For a command that runs on the cluster; executors get so much memory by Spark's own configuration file."""
        conf = self.folder / "conf"
        conf.mkdir(exist_ok=True)
        settings = {"executor.memory": memory} | {
            f"{end}.defaultJavaOptions": SHORT_LIVED for end in ("driver", "executor")
        }
        (conf / "spark-defaults.conf").write_text(
            "".join(f"spark.{name} {value}\n" for name, value in settings.items())
        )
        return {**os.environ, "PLUMBLINE_SPARK_MASTER": self.master, "SPARK_CONF_DIR": str(conf)}

    def executors(self) -> list[Path]:
        """The folders of all executors that ever ran, by worker."""
        return sorted(self.folder.glob("worker-*/app-*/[0-9]*"))


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """The cluster is up, with both workers registered."""
    port, page = free_ports(2)
    with ExitStack() as started:
        master = ["deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page)]
        started.enter_context(_process(folder / "master.log", master))
        address = f"spark://127.0.0.1:{port}"
        for number in range(WORKERS):
            own = folder / f"worker-{number}"
            worker = ["deploy.worker.Worker", "--cores", "1", "--memory", "1g", "--host", "127.0.0.1"]
            worker += ["--work-dir", str(own), "--webui-port", "0", address]
            started.enter_context(_process(folder / f"worker-{number}.log", worker))
        _await_workers(f"http://127.0.0.1:{page}/json/", folder)
        yield Cluster(address, folder)


@contextmanager
def _process(log: Path, command: list[str]) -> Iterator[None]:
    spark_home = pyspark_jars().parent
    environment = {
        **os.environ,
        "SPARK_HOME": str(spark_home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": SHORT_LIVED,
        "PYSPARK_PYTHON": sys.executable,
    }
    program, *arguments = command
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(spark_home / "bin" / "spark-class"), f"org.apache.spark.{program}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=environment,
            preexec_fn=die_with_parent,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(READY_SECONDS)


def _await_workers(page: str, folder: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(page, timeout=2) as answer:
                if answer.read().decode().count('"ALIVE"') == WORKERS + 1:
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the cluster is not up within {READY_SECONDS} s: see {folder}/*.log")
