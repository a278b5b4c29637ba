"""A canary in every property of every connection block: the whole pipeline runs, and it comes out nowhere.

Looked into: the command line of every process, the environment of each (only what the user put there), all that was
printed with PLUMBLINE_DEBUG, every file of the home with tables, checkpoints, plans, tapes, pages and logs, Spark's
event log, the broker's log, and what the webhook was sent.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import yaml

from plumbline.connect.broker import BrokerInfo
from tests.support.model import Event
from tests.support.poison import poisons
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

CANARY = "CaNaRy"
SECRET = {
    "kafka": {
        "sasl.username": "user", "sasl.password": 'pa"ss/@word', "sasl.kerberos.keytab": "keytab",
        "ssl.key.password": "key", "ssl.keystore.password": "keystore", "ssl.truststore.password": "truststore",
        "sasl.jaas.config": "jaas", "sasl.oauthbearer.client.secret": "client",
    },
    "catalog": {
        "token": "token", "credential": "id:credential", "s3.access-key-id": "id", "s3.secret-access-key": "s3",
        "adls.account-key": "adls", "adls.connection-string": "AccountName=a;AccountKey=key", "auth": "auth",
        "header.Authorization": "Bearer header", "a.name.of.next.year": "new", "gcs.oauth2.token": "gcs",
    },
    "schema_registry": {"basic.auth.user.info": "user:password", "ssl.key.password": "registry key"},
}  # fmt: skip

PIPELINE = """
import json, sys
from pathlib import Path
from plumbline.cli import run
from plumbline.foreseen import let_no_library_tell_secrets
let_no_library_tell_secrets()
home, contract, refused = sys.argv[1:4]
ends = {}
def plumbline(*words, allowed=(0, 1), at=("--home", home)):
    code = run([*words, *at])
    ends[" ".join(words)] = code
    assert code in allowed, (words, code)
day = ("--date", "2024-03-01")
out = home + "/out"
Path(out).mkdir()
plumbline("check", contract, "--online", "--json")
plumbline("stream", "run", contract, "--once", "--json")
plumbline("stream", "status", contract, "--json", allowed=(0, 1, 3))
plumbline("batch", "run", contract, *day, "--json")
plumbline("reconcile", contract, *day, "--json", "--edges", "--out", out + "/findings.parquet")
plumbline("reconcile", contract, *day, "--full")
plumbline("explain", "--key", "id=3", "--key", "payment=p3", "--contract", contract)
plumbline("history", contract, "--json")
plumbline("lateness", contract, "--json")
plumbline("quarantine", contract, "--json")
plumbline("report", contract, "--out", out + "/page.html")
plumbline("report", contract, "--format", "md", "--out", out + "/page.md")
plumbline("report", contract, "--notebook", "drift_report", "--out", out + "/notebook.html", allowed=(0, 1, 2, 3))
plumbline("expect", contract, *day, "--suite", out + "/suite.json", "--results", out + "/results.json", "--page",
          out + "/expect.html")
plumbline("replay", "plan", contract, *day, "--json")
plumbline("replay", "run", "latest", "--execute", "--json")
plumbline("replay", "audit", "latest", "--json")
plumbline("replay", "publish", "latest", "--execute", "--json")
plumbline("nightly", contract, *day, "--json")
plumbline("maintain", contract, "--json")
plumbline("lake", contract)
plumbline("lake", contract, "--json")
for file in sorted(Path(refused).iterdir()):
    plumbline("check", str(file), "--online", allowed=(2, 3))
    plumbline("lake", str(file), allowed=(0, 2, 3))
    plumbline("batch", "run", str(file), *day, allowed=(0, 2, 3))
plumbline("stream", "run", refused + "/no-registry.yaml", "--once", allowed=(2, 3))
print("THE END", json.dumps(ends), flush=True)
"""


def canary(block: str, name: str, form: str) -> str:
    """A secret in the form that such a property has; each part of it that is secret is a canary."""
    marked = f"{CANARY}-{block}-{name.replace('.', '-')}"
    if name == "sasl.jaas.config":
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        return f'{module} required username="{marked}-user" password="{marked} word";'
    head, mark, tail = form.rpartition("=" if "=" in form else ":" if ":" in form else " ")
    return f"{head}{mark}{marked}{tail}"


class Hook(ThreadingHTTPServer):
    """A webhook that keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.got: list[str] = []


class _Hook(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


class Watch:
    """The command lines and environments of a process and of all that it starts."""

    def __init__(self, pid: int) -> None:
        self.lines, self.environments, self.names = set[str](), set[str](), set[str]()
        self.root = psutil.Process(pid)

    def look(self) -> None:
        for process in [self.root, *self.root.children(recursive=True)]:
            try:
                self.lines.add("\0".join(process.cmdline()))
                self.names.add(process.name())
                self.environments |= {f"{name}={value}" for name, value in process.environ().items()}
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue


@pytest.fixture
def scenario(tmp_path: Path, kafka: dict[str, str]) -> Scenario:
    made = Scenario.begin(tmp_path, kafka, "canaries", {})
    orders = [Event(str(i), i * 10, f"o{i}", partition=i % 2) for i in range(40)]
    payments = [Event(str(i), i * 10 + 5, f"p{i}", partition=i % 2) for i in range(0, 40, 2)]
    far = [Event(f"far{i}", 4000 + i, f"f{i}", partition=i % 2) for i in range(2)]
    made.feed([*orders, Event(None, 2), *poisons("left"), *far], [*payments, *poisons("right"), *far])
    return made


def with_canaries(scenario: Scenario, folder: Path) -> dict[str, str]:
    """Put a canary into every property of the contract, through the environment; the variables."""
    body = yaml.safe_load(scenario.contract_path.read_text())
    lake = scenario.home.root / "lake"
    lake.mkdir(parents=True)
    body["catalog"] = {"type": "sql", "uri": f"sqlite:///{lake}/catalog.db", "warehouse": f"file://{lake}/warehouse"}
    body["schema_registry"] = {"url": "http://127.0.0.1:1"}
    variables = {}
    for block, properties in SECRET.items():
        for name, form in properties.items():
            variable = f"CANARY_{len(variables)}"
            variables[variable] = canary(block, name, form)
            body[block][name] = f"${{{variable}}}"
    scenario.contract_path.write_text(yaml.safe_dump(body, sort_keys=False))
    folder.mkdir()
    sasl = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}
    pair = "${CANARY_0}:${CANARY_3}"
    for name, changes in {
        "refused-by-kafka": {"kafka": {**body["kafka"], **sasl}},
        "no-driver": {"catalog": {**body["catalog"], "uri": f"postgresql+psycopg2://{pair}@127.0.0.1:1/db"}},
        "marks": {"catalog": {**body["catalog"], "uri": f"postgresql://u:a/{pair}@127.0.0.1:1/db"}},
        "away": {"catalog": {**body["catalog"], "type": "rest", "uri": "http://127.0.0.1:1/?token=${CANARY_3}"}},
        "no-property": {"kafka": {**body["kafka"], "sasl.nonsense": "${CANARY_3}"}},
        "no-list": {"kafka": {**body["kafka"], "sasl.password": ["${CANARY_3}"]}},
        "no-registry": {"sources": {**body["sources"], "orders": {**body["sources"]["orders"], "format": "avro"}}},
        "no-date": {"kafka": {**body["kafka"], "sasl.password": "REPLACED"}},
    }.items():
        text = yaml.safe_dump({**body, **changes}, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text.replace("REPLACED", f"!!timestamp {CANARY}"))
    return variables


def environment(folder: Path, variables: dict[str, str], hook: Hook) -> dict[str, str]:
    conf, events, scratch = (folder / name for name in ("conf", "events", "scratch"))
    for made in (conf, events, scratch):
        made.mkdir()
    settings = {"eventLog.enabled": "true", "eventLog.dir": f"file://{events}", "eventLog.compress": "false",
                "local.dir": str(scratch)}  # fmt: skip
    (conf / "spark-defaults.conf").write_text("".join(f"spark.{k} {v}\n" for k, v in settings.items()))
    url = f"http://127.0.0.1:{hook.server_port}/services/{CANARY}"
    own = {"PLUMBLINE_DEBUG": "1", "SPARK_CONF_DIR": str(conf), "TMPDIR": str(scratch), "PLUMBLINE_WEBHOOK": url}
    return {**os.environ, **variables, **own}


def is_told(text: str) -> bool:
    return CANARY in text or f"{CANARY.lower()}-" in text.lower()


def holds_canary(path: Path) -> bool:
    if is_told(path.read_bytes().decode("latin-1")):
        return True
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return is_told(f"{table.schema} {table.to_pylist()}")
    return path.suffix == ".avro" and is_told(str(list(avro_records(path))))


def avro_records(path: Path) -> Iterator[Any]:
    from pyiceberg.avro.file import AvroFile
    from pyiceberg.io.pyarrow import PyArrowFileIO

    with AvroFile[Any](PyArrowFileIO().new_input(str(path))) as records:
        yield from records


def test_no_secret_comes_out_anywhere(scenario: Scenario, broker: BrokerInfo, tmp_path: Path) -> None:
    variables = with_canaries(scenario, tmp_path / "refused")
    hook = Hook()
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    printed = tmp_path / "printed.txt"
    arguments = [str(scenario.home.root), str(scenario.contract_path), str(tmp_path / "refused")]
    with printed.open("wb") as sink:
        job = subprocess.Popen(
            [sys.executable, "-c", PIPELINE, *arguments],
            env=environment(tmp_path, variables, hook), stdout=sink, stderr=sink, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        watch = Watch(job.pid)
        deadline = time.monotonic() + 900
        while job.poll() is None and time.monotonic() < deadline:
            watch.look()
            time.sleep(0.2)
        job.kill()
    hook.shutdown()
    hook.server_close()
    told = printed.read_text()
    assert "THE END" in told, told[-3000:]
    assert hook.got, "the webhook was sent nothing"
    assert all(f'"{reason}"' in told for reason in ("not_json", "not_utf8", "tombstone")), "no bad record was shown"
    assert {"java", "bash"} & watch.names, watch.names
    given = {f"{name}={value}" for name, value in variables.items()}
    assert [line for line in watch.lines if CANARY in line.replace(PIPELINE, "")] == []
    assert {e for e in watch.environments if CANARY in e and not e.startswith("PLUMBLINE_WEBHOOK=")} <= given
    assert [line for line in told.splitlines() if is_told(line)] == []
    assert [message for message in hook.got if is_told(message)] == []
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "refused"]
    kinds = {path.suffix for path in files}
    assert {".parquet", ".avro", ".html", ".log", ".json", ".md"} <= kinds, kinds
    assert any(path.is_relative_to(tmp_path / "events") for path in files)
    assert [str(path) for path in files if holds_canary(path)] == []
    logs = [path for path in broker.data_dir.parent.rglob("*.log") if path.stat().st_size < 50_000_000]
    assert [str(path) for path in logs if holds_canary(path)] == []
