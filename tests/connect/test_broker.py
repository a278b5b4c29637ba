"""The real local broker: its life, its death, and the folders it refuses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plumbline.connect import broker, broker_files
from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, create_topics, end_offsets, produce
from plumbline.connect.processes import birth
from plumbline.contract.errors import SetupError

pytestmark = pytest.mark.kafka


def until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.resolve(tmp_path / "home")
    yield home
    broker.stop(home)


OWNER = """
import sys, time
from plumbline.connect import broker
from plumbline.connect.home import Home
print(broker.start(Home.resolve(sys.argv[1]), with_parent=sys.argv[2] == "with").pid, flush=True)
time.sleep(600)
"""


def started_by_another_process(home: Home, tie: str) -> tuple[subprocess.Popen[str], int]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(home.root), tie], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def test_data_and_address_survive_a_restart(home: Home) -> None:
    first = broker.start(home)
    kafka = {"bootstrap.servers": first.bootstrap_servers}
    create_topics(kafka, {"t": 1})
    produce(kafka, [Record("t", b"k", b"v", 1_357_000_000_000)])
    assert broker.start(home) == first
    assert broker.status(home) == first
    assert broker.stop(home)
    assert birth(first.pid) is None
    assert broker.status(home) is None
    assert not broker.stop(home)
    second = broker.start(home)
    assert second.bootstrap_servers == first.bootstrap_servers
    assert end_offsets(kafka, "t") == {0: 1}


def test_it_listens_on_loopback_only(home: Home) -> None:
    pid = broker.start(home).pid
    inodes = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    listening = [
        fields[1]
        for table in ("tcp", "tcp6")
        for fields in (line.split() for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes
    ]
    assert len(listening) == 2
    assert all("0100007F" in address for address in listening)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_its_owner(home: Home, number: signal.Signals) -> None:
    owner, pid = started_by_another_process(home, "with")
    born = birth(pid)
    assert born is not None
    owner.send_signal(number)
    owner.wait()
    assert until(lambda: birth(pid) is None)
    assert until(lambda: not (home.broker / "running.json").exists())


def test_it_dies_with_its_supervisor(home: Home) -> None:
    pid = broker.start(home).pid
    broker._supervisors[home.broker].kill()
    assert until(lambda: birth(pid) is None)
    assert broker.status(home) is None


def test_it_stays_while_a_second_owner_lives(home: Home) -> None:
    owner, pid = started_by_another_process(home, "with")
    joined = broker.start(home)
    assert joined.pid == pid
    owner.kill()
    owner.wait()
    kafka = {"bootstrap.servers": joined.bootstrap_servers}
    assert not until(lambda: birth(pid) is None, seconds=1.5)
    create_topics(kafka, {"still": 1})


def test_starting_while_the_last_one_is_dying_gives_one_that_stays(home: Home) -> None:
    owner, _ = started_by_another_process(home, "with")
    owner.kill()
    owner.wait()
    info = broker.start(home)
    assert not until(lambda: broker.status(home) != info, seconds=1.5)
    create_topics({"bootstrap.servers": info.bootstrap_servers}, {"still": 1})


def test_without_an_owner_it_stays_until_stop(home: Home) -> None:
    owner, pid = started_by_another_process(home, "alone")
    owner.kill()
    owner.wait()
    info = broker.status(home)
    assert info is not None
    assert info.pid == pid
    create_topics({"bootstrap.servers": info.bootstrap_servers}, {"alive": 1})
    assert broker.stop(home)
    assert birth(pid) is None


def test_a_foreign_folder_is_refused_untouched(home: Home) -> None:
    home.broker.mkdir(parents=True)
    (home.broker / "thesis.txt").write_text("mine")
    with pytest.raises(SetupError, match=f"not ours.*{home.broker}.*choose another --home"):
        broker.start(home)
    assert [path.name for path in home.broker.iterdir()] == ["thesis.txt"]


def test_data_of_another_cluster_is_refused(home: Home) -> None:
    broker_files.claim(home.broker)
    (home.broker / "data").mkdir()
    (home.broker / "data" / "meta.properties").write_text("version=1\ncluster.id=OTHER\nnode.id=1\n")
    with pytest.raises(SetupError, match="belongs to cluster OTHER"):
        broker.start(home)


def test_a_taken_port_is_named(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SetupError, match=f"port {port} is taken"):
            broker.start(home, port=port)
    assert not home.broker.exists()


def test_a_broker_that_fails_shows_why(home: Home) -> None:
    broker.start(home)
    broker.stop(home)
    (home.broker / "data" / "meta.properties").write_text(
        f"version=1\ncluster.id={broker_files.claim(home.broker)}\nnode.id=7\n"
    )
    with pytest.raises(SetupError, match=r"ended at once: .*node"):
        broker.start(home)


def test_a_pid_that_was_reused_is_not_ours(home: Home) -> None:
    broker_files.claim(home.broker)
    broker_files.record(home.broker, broker_files.Running(os.getpid(), "another birth", 1))
    assert broker.status(home) is None
    assert not broker.stop(home)
