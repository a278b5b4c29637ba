"""A real one-node Kafka broker (KRaft) on 127.0.0.1 for the embedded default, with its data in `home.broker`."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import plumbline
from plumbline.connect import broker_files as files
from plumbline.connect import place
from plumbline.connect.home import Home
from plumbline.connect.ivy import pyspark_jars
from plumbline.connect.jars import broker_jars
from plumbline.connect.java import find_java, utf8
from plumbline.connect.locks import locked
from plumbline.connect.processes import alive, birth, me
from plumbline.contract.errors import SetupError

READY_SECONDS = 30.0
STOP_SECONDS = 25.0
LOG4J = Path(__file__).parent / "broker_log4j2.xml"

_supervisors: dict[Path, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class BrokerInfo:
    """A running broker: what clients connect to, the pid of its Java process, where its data lies."""

    bootstrap_servers: str
    pid: int
    data_dir: Path


def start(
    home: Home,
    *,
    with_parent: bool = True,
    owner: int | None = None,
    port: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> BrokerInfo:
    """Start the broker, or return the one of this home that already runs; on return it answers metadata requests.

    `with_parent`: it stays up while this process lives (`owner`: while that one does), however it ends; a broker that
    runs already stays up for this process too. Without, it stays up until `stop`.
    `port`: exactly this one; else the last one if free, else any free one.
    Raises SetupError: no Java or jars, a folder that is not ours, port taken, not ready within 30 s.
    """
    place.refuse_elsewhere(home)
    with locked(files.lock(home.broker)):
        place.note(home)
        there = files.running(home.broker)
        if there is not None:
            _same_port(there.port, port)
            files.add_owner(home.broker, *_owner(with_parent, owner))
            return _ready(home, there.port, lambda: files.running(home.broker) is None)
        find_java()
        broker_jars(home)
        chosen = _choose_port(home.broker, port)
        config = _prepare(home, chosen, say)
        files.clear_owners(home.broker)
        files.add_owner(home.broker, *_owner(with_parent, owner))
        say(f"kafka: starting on 127.0.0.1:{chosen}")
        supervisor = _launch(home, config, chosen)
        return _ready(home, chosen, lambda: supervisor.poll() is not None)


def stop(home: Home) -> bool:
    """End the broker of this home and wait: SIGTERM, after 25 s SIGKILL of that process only. False if none ran."""
    place.refuse_elsewhere(home)
    there = files.running(home.broker)
    if there is None:
        _reap(home)
        return False
    _signal(there, signal.SIGTERM)
    if not _until(lambda: not alive(there.pid, there.born), STOP_SECONDS):
        _signal(there, signal.SIGKILL)
        _until(lambda: not alive(there.pid, there.born), 5.0)
    _reap(home)
    return True


def status(home: Home) -> BrokerInfo | None:
    """The broker of this home if its process runs."""
    place.refuse_elsewhere(home)
    there = files.running(home.broker)
    return _info(home, there) if there else None


def wait(home: Home) -> None:
    """Block while the broker of this home runs: the foreground of `kafka start`."""
    while files.running(home.broker) is not None:
        time.sleep(0.25)


def _info(home: Home, process: files.Running) -> BrokerInfo:
    return BrokerInfo(f"127.0.0.1:{process.port}", process.pid, home.broker / "data")


def _same_port(running: int, wanted: int | None) -> None:
    if wanted not in (None, running):
        raise SetupError(
            f"the broker of this home already runs on port {running}, not on {wanted}",
            next_step="use that address, or run `plumbline kafka stop` first",
        )


def _owner(with_parent: bool, owner: int | None) -> tuple[int, str]:
    if not with_parent:
        return 0, "-"
    if owner is None:
        return me()
    return owner, birth(owner) or "gone"


def is_free(port: int) -> bool:
    """Whether a broker could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port(avoid: int) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port != avoid:
            return port


def _choose_port(folder: Path, wanted: int | None) -> int:
    if wanted is not None:
        if not is_free(wanted):
            raise SetupError(
                f"port {wanted} is taken by another program",
                where=f"127.0.0.1:{wanted}",
                next_step="leave --port out to take a free one, or name another",
            )
        return wanted
    last = files.last_port(folder)
    return last if last is not None and is_free(last) else _free_port(avoid=0)


def java_command(home: Home, *arguments: str) -> list[str]:
    """The command that runs a class of the broker's jars, such as `kafka.Kafka`, with its arguments."""
    # Kafka's own jars hold no SLF4J binding: without pyspark's the broker would fail without a word.
    bindings = [path for name in ("slf4j-api-*", "log4j-slf4j2-impl-*") for path in pyspark_jars().glob(name + ".jar")]
    class_path = os.pathsep.join(str(path) for path in [*bindings, *broker_jars(home)])
    flags = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={LOG4J.as_uri()}"]
    return [str(find_java()), *flags, "-cp", class_path, *arguments]


def _prepare(home: Home, port: int, say: Callable[[str], None]) -> Path:
    cluster_id = files.claim(home.broker)
    config = files.write_config(home.broker, port, _free_port(avoid=port))
    if files.stored_cluster_id(home.broker) is None:
        say("kafka: formatting the data folder (once)")
        _format(home, cluster_id, config)
    return config


def _format(home: Home, cluster_id: str, config: Path) -> None:
    # Data without meta.properties is what an interrupted format leaves; the folder is ours, so begin again.
    shutil.rmtree(home.broker / "data", ignore_errors=True)
    command = java_command(home, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", config.name)
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=home.broker, env=utf8(os.environ)
    )
    if done.returncode != 0:
        raise SetupError(
            f"the broker's data folder could not be formatted: {files.telling_line(done.stdout + done.stderr)}",
            where=str(home.broker),
            next_step="check free space and rights there",
        )


def _launch(home: Home, config: Path, port: int) -> subprocess.Popen[bytes]:
    folder = home.broker
    for name in ("broker.log", "running.json"):
        (folder / name).unlink(missing_ok=True)
    source = str(Path(plumbline.__file__).parents[1])
    modules = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "plumbline.connect.broker_supervisor", str(folder), str(port)]
    # Its own session: Ctrl-C at the terminal must reach the stream job first, not the broker under it.
    with (folder / "broker.log").open("wb") as log:
        _supervisors[folder] = subprocess.Popen(
            [*command, *java_command(home, "kafka.Kafka", config.name)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**utf8(os.environ), "PYTHONPATH": modules},
            cwd=folder,
        )
    return _supervisors[folder]


def _ready(home: Home, port: int, ended: Callable[[], bool]) -> BrokerInfo:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and not ended():
        there = files.running(home.broker)
        if there is not None and _answers(port):
            (home.broker / "port").write_text(str(port))
            return _info(home, there)
        time.sleep(0.05)
    why = "ended at once" if ended() else f"did not answer within {READY_SECONDS:.0f} s"
    if home.broker in _supervisors:
        _supervisors[home.broker].terminate()
        _reap(home)
    log = home.broker / "broker.log"
    raise SetupError(
        f"the local Kafka broker {why}: {files.telling_line(log.read_text(errors='replace'))}",
        where=str(log),
        next_step="read that log, run `plumbline kafka stop`, then start again",
    )


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            return False
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def _signal(process: files.Running, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if alive(process.pid, process.born):
            os.kill(process.pid, number)


def _reap(home: Home) -> None:
    supervisor = _supervisors.pop(home.broker, None)
    if supervisor is not None:
        supervisor.wait(STOP_SECONDS + 5)


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
