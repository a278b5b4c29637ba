"""PostgreSQL, a REST catalog and an S3 server on 127.0.0.1, for the tests of `make test-lake`; they end with this
process.

PostgreSQL is the system's, as a user of its own where this process is root, which it refuses. The REST catalog is the
Iceberg project's own servlet. The S3 server is moto's, from a venv of its own; its clock can be slow, so that what is
written now is old already.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from plumbline.connect import ivy
from plumbline.connect.java import find_java
from plumbline.connect.processes import die_with_parent
from tests.support.ports import free_ports
from tests.support.tcp_relay import Relay

CHECKOUT = Path(__file__).resolve().parents[2]
MOTO = CHECKOUT / ".venv-lake" / "bin" / "python"
REST, REST_JARS = CHECKOUT / "tests" / "lake" / "rest", CHECKOUT / ".venv-lake" / "rest-catalog"
PASSWORD = "S3cret@lake/1"  # with the marks that an address needs encoded
TOKEN = "S3cret-token-of-the-lake"
READY_SECONDS = 60
SLOW_CLOCK = """
import datetime, sys
import moto.core.utils, moto.s3.models
now, slow = moto.core.utils.utcnow, datetime.timedelta(days=float(sys.argv[2]))
moto.core.utils.utcnow = moto.s3.models.utcnow = lambda: now() - slow
from moto.server import main
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""


@contextmanager
def postgres() -> Iterator[Relay]:
    """The way to a new PostgreSQL with a database `lake` and its user `ann`."""
    # The folder of the tests' other temporary files is closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="plumbline-pg-", dir="/tmp"))
    [port] = free_ports(1)
    if os.getuid() == 0:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    secret = folder / "secret"
    _as_postgres(["sh", "-c", f"umask 077; printf %s '{PASSWORD}' > {secret}"])
    options = ["--username", "ann", "--auth", "scram-sha-256", "--pwfile", str(secret), "--no-sync"]
    _as_postgres([_program("initdb"), "-D", str(folder / "data"), *options])
    command = [_program("postgres"), "-D", str(folder / "data"), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    with _running(_by_postgres(command), signal.SIGQUIT):  # immediate shutdown, postgres(1)
        place = {"PGPASSWORD": PASSWORD, **os.environ}
        create = [_program("createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "ann", "lake"]
        _await(lambda: subprocess.run(create, env=place, check=True, capture_output=True))
        with closing(Relay(f"127.0.0.1:{port}")) as relay:
            yield relay
    shutil.rmtree(folder)


@contextmanager
def s3(days_slow: float = 0.0) -> Iterator[Relay]:
    """The way to an S3 server with a bucket `lake`; it keeps what it holds in memory."""
    [port] = free_ports(1)
    with _running([str(MOTO), "-c", SLOW_CLOCK, str(port), str(days_slow)], signal.SIGKILL):
        bucket = urllib.request.Request(f"http://127.0.0.1:{port}/lake", method="PUT")
        _await(lambda: urllib.request.urlopen(bucket, timeout=5).close())
        with closing(Relay(f"127.0.0.1:{port}")) as relay:
            yield relay


@contextmanager
def rest(store: Relay, jars: Path) -> Iterator[Relay]:
    """The way to a REST catalog whose clients must show `TOKEN`; its tables lie on the S3 server.

    `jars`: the folder of Plumbline's own.
    """
    if not REST_JARS.is_dir():
        draft = REST_JARS.with_name("rest-catalog.draft")
        ivy.resolve(draft, ["rest"], 30, lambda _: None, REST / "ivy.xml")
        draft.rename(REST_JARS)
    folder = Path(tempfile.mkdtemp(prefix="plumbline-rest-"))
    [port] = free_ports(1)
    [sqlite] = (jars / "spark").glob("sqlite-jdbc-*.jar")
    places = [REST_JARS / "rest" / "*", sqlite]
    properties = {
        "uri": f"jdbc:sqlite:{folder}/catalog.db",
        "warehouse": "s3://lake/rest",
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": f"http://{store.address}",
        "s3.path-style-access": "true",
        "s3.access-key-id": "a",
        "s3.secret-access-key": "a",
        "client.region": "us-east-1",
    }
    command = [str(find_java()), "-cp", ":".join(map(str, places)), str(REST / "RestCatalog.java"), str(port)]
    command += [f"{name}={value}" for name, value in properties.items()]
    with _running(command, signal.SIGKILL, REST_TOKEN=TOKEN):
        config = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/config", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        _await(lambda: urllib.request.urlopen(config, timeout=5).close())
        with closing(Relay(f"127.0.0.1:{port}")) as relay:
            yield relay
    shutil.rmtree(folder)


@contextmanager
def _running(command: Sequence[str], end: signal.Signals, **environment: str) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
        preexec_fn=die_with_parent,
    )
    try:
        yield
    finally:
        process.send_signal(end)
        process.wait(READY_SECONDS)


def put(server: Relay, key: str) -> None:
    """Write a small object into the bucket."""
    where = f"http://{server.address}/lake/{key}"
    urllib.request.urlopen(urllib.request.Request(where, data=b"x", method="PUT"), timeout=5).close()


def keys(server: Relay) -> list[str]:
    """The keys of all objects in the bucket."""
    found: list[str] = []
    with urllib.request.urlopen(f"http://{server.address}/lake?max-keys=100000", timeout=5) as answer:
        for entry in ElementTree.parse(answer).iter():
            if entry.tag.endswith("}Key") or entry.tag == "Key":
                found.append(unquote(str(entry.text)))
            assert not (entry.tag.endswith("IsTruncated") and entry.text == "true")
    return found


def _program(name: str) -> str:
    found = [shutil.which(name), *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)]
    return str(next(path for path in found if path))


def _by_postgres(command: Sequence[str]) -> list[str]:
    """The command as the user `postgres`, if this process is root: the server runs as no root."""
    if os.getuid() != 0:
        return list(command)
    # With another user the kernel forgets who the parent is: setpriv says so again.
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=QUIT", *command]


def _as_postgres(command: Sequence[str]) -> None:
    subprocess.run(_by_postgres(command), check=True, capture_output=True)


def _await(action: Callable[[], object]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            action()
            return
        except (OSError, subprocess.CalledProcessError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
